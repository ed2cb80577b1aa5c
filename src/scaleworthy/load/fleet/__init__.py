"""Several worker processes, steered as one and merged exactly."""
