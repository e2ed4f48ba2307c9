"""Every error is one line, with the exit code that goes with it."""

import errno
import io

import pytest

from actionunits.errors import DamagedInputError, UserError, tell


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (UserError("no such file"), "no such file", 2),
        (DamagedInputError("broken"), "broken", 3),
        (UserError("a\x1b[31m\nb"), r"a\x1b[31m\nb", 2),
        (UserError("x" * 5000), "x" * 1000 + "...", 2),
        (MemoryError(), "there is not enough memory", 2),
        (RuntimeError("can't start new thread"), "there is not enough memory", 2),
        (PermissionError(errno.EACCES, "Permission denied", b"a\xe9"), r"a\udce9: Permission denied", 2),
    ],
)
def test_one_line_and_a_code(capsys, error, line, code):
    assert tell(error) == code
    assert capsys.readouterr().err == f"actionunits: {line}\n"


def test_what_nobody_foresaw_asks_for_a_report(capsys):
    assert tell(ZeroDivisionError("division by zero")) == 1
    told = capsys.readouterr().err
    assert told.startswith("actionunits: ZeroDivisionError: division by zero (unexpected; please report")
    assert told.count("\n") == 1


def test_a_full_disk_behind_standard_error_changes_no_code(monkeypatch):
    class Full(io.StringIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    assert tell(UserError("no such file")) == 2
