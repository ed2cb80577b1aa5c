"""Where a run is kept: in memory, or in memory and a file."""
