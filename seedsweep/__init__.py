"""Tell a better configuration from a luckier seed."""
