"""The one error that the user can do something about."""


class AppError(Exception):
    """A problem that the user can fix.

    The message says what is wrong, what was received, what is accepted and what
    to do next. Command lines print it as `error: ...` without a traceback.
    """


class DataLost(AppError):
    """What a training learns from could be read when it began, and no longer can."""
