"""What goes wrong for a user, as one clear line and an exit code.

Code raises these where the cause is known; only the command line turns them into text and an exit status.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TRACEBACK_VARIABLE = "ACTIONUNITS_TRACEBACK"
# What systems and libraries say, besides MemoryError.
_OUT_OF_MEMORY = ("can't start new thread", "failed to map segment", "not enough memory", "annot allocate memory")
_LONGEST_LINE = 1000  # letters
# Packages that detection does without, by the extra that brings them: their names in imports, as in pyproject.toml.
EXTRAS = {
    "tables": ("pandas", "pyarrow"),
    "plots": ("matplotlib", "skimage"),
    "ray": ("ray", "fsspec"),
    "people": ("dlib", "face_recognition_models"),
    "web": ("starlette", "uvicorn", "python_multipart", "websockets", "anyio"),
    "train": ("torch", "lightning_fabric", "numba", "sklearn", "scipy", "h5py", "onnx", "onnxscript", "yaml"),
}


class UserError(Exception):
    """Input, option or file that cannot be used as it is; the message says in a line what is wrong and what to do.

    Examples:
        >>> import actionunits as au
        >>> try:
        ...     au.detect("lost.jpg")
        ... except au.UserError as error:
        ...     print(error)
        cannot read lost.jpg: no such file
    """

    exit_code = 2


class DamagedInputError(UserError):
    """An input is damaged; everything that could be read of it was processed and written."""

    exit_code = 3


class UnexpectedError(UserError):
    """A fault of this program, as far as anybody knows."""

    exit_code = 1


def tell(error: Exception) -> int:
    """Print an error as one line on standard error and return the exit code that goes with it.

    An error whose cause nobody foresaw is told as such; with ACTIONUNITS_TRACEBACK set, its traceback is shown.
    """
    return print_line(traced(error))


def traced(error: Exception) -> UserError:
    """`explained`, after the traceback where ACTIONUNITS_TRACEBACK is set."""
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    return explained(error)


def print_line(told: UserError) -> int:
    """Print what is told as one line on standard error and return the exit code that goes with it."""
    with suppress(OSError):  # nobody reads it, or its disk is full
        print(f"actionunits: {one_line(str(told))}", file=sys.stderr, flush=True)
    return told.exit_code


def one_line(text: str) -> str:
    r"""A message as one line of bounded length that a terminal shows as it is: it may quote any name.

    Control characters, and bytes that are no UTF-8, become escapes.

    >>> print(one_line("no file a\x1b[31m\nb\udce9"))
    no file a\x1b[31m\nb\udce9
    """
    spelled = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return spelled if len(spelled) <= _LONGEST_LINE else f"{spelled[:_LONGEST_LINE]}..."


def explained(error: Exception) -> UserError:
    """The error in words for a user: of the program's own those it has, of others what they mean here."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY):
        return UserError("there is not enough memory")
    if isinstance(error, ModuleNotFoundError):
        package = str(error.name).partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                return UserError(f'this needs the package {package}; pip install "actionunits[{extra}]"')
    if isinstance(error, OSError) and error.strerror:
        named = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return UserError(f"{named}{error.strerror}")
    first = (str(error).splitlines() or [""])[0]
    return UnexpectedError(
        f"{type(error).__name__}: {first} (unexpected; please report it with the traceback, which is shown where "
        f"{TRACEBACK_VARIABLE}=1 is set)"
    )


@contextmanager
def extras_explained() -> Iterator[None]:
    """A package that is not installed becomes a UserError that names the extra which brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise explained(error) from None
