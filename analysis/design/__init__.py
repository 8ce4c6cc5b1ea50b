"""How many seeds, and when to stop."""
