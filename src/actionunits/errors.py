"""What goes wrong for a user, as one clear line and an exit code.

Code raises these where the cause is known; only `cli.py` turns them into text and an exit status.
"""


class UserError(Exception):
    """Input, option or file that cannot be used as it is; the message says what is wrong and what to do."""

    exit_code = 2


class DamagedInputError(UserError):
    """A video broke off; everything up to the damage was processed and written."""

    exit_code = 3
