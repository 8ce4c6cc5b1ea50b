"""What a user can mend."""


class TableError(Exception):
    """Tables that cannot be judged; the text says why."""
