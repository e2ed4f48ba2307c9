"""What goes wrong for a user, as one clear line and an exit code.

Code raises these where the cause is known; only `cli.py` turns them into text and an exit status.
"""


class UserError(Exception):
    """Input, option or file that cannot be used as it is; the message says what is wrong and what to do."""

    exit_code = 2


class DamagedInputError(UserError):
    """Part of an input could not be read; all that could was processed and written."""

    exit_code = 3
