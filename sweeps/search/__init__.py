"""Which cohorts are still to run."""
