"""Runtime: what an application embeds so that its limit moves. Each part can be used alone, and imports its own libraries alone."""
