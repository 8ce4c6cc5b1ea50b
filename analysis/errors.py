"""What a user can mend."""

from seedsweep.core.errors import UserError


class TableError(UserError):
    """Tables that cannot be judged; the text says why."""
