"""The training of cohorts."""
