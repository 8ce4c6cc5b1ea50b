"""The one exception whose text is meant for the person at the keyboard."""


class UserError(Exception):
    """Something that the user can mend; printed as one line, without a traceback."""
