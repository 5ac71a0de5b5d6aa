"""The root of every error that Tidegate raises on purpose.

Each floor adds its own branches. The command line turns an error into one message and an exit code:
0 done, 1 failed, 2 wrong usage, 3 not trusted, 4 gate not passed.
"""


class TidegateError(Exception):
    """Something the user can act on; the message says what was wrong, where, and what to do next."""

    exit_code = 1


class UsageError(TidegateError):
    """The command, a setting or a file name was given in a form that cannot be used."""

    exit_code = 2
