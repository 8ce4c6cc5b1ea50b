"""The report of 2019: its claims, and the table of what became of them."""
