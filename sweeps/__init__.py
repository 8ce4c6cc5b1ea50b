"""Studies: what to run, the search, the trainable, the driver and the command line."""
