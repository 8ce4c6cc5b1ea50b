"""Data sets: generators, deterministic WebDataset tar shards, and reading them back into arrays."""
