"""The root of all errors whose text is meant for the person at the keyboard."""


class SeedsweepError(Exception):
    """Whatever seedsweep refuses; its text is one line that says what is wrong, where, and what would be right."""


class UserError(SeedsweepError):
    """Something that the user can mend."""
