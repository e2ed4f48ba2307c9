"""Streams that are closed, and signals that batch systems send."""

import os
import subprocess
import sys

import pytest

OPEN_A_FILE = """
import os, sys
for number in {closed}:
    os.close(number)
from actionunits.runtime.processes import fill_standard_streams
fill_standard_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2, file.fileno()
    os.write(2, b"noise")
    file.write("data")
print("shown to nobody", file=sys.stderr)
"""
QUIET_START = """
import os, sys
os.close(2)
sys.stderr = None
from actionunits.faces.quiet import quiet_native_start
with quiet_native_start():
    print("done")
"""
SIGTERM = """
import os, signal
from actionunits.runtime.processes import hear_sigterm_as_ctrl_c
hear_sigterm_as_ctrl_c()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    print("heard")
"""


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)])
def test_a_closed_stream_is_not_mixed_up_with_a_file(tmp_path, closed):
    path = tmp_path / "file"
    run = subprocess.run([sys.executable, "-c", OPEN_A_FILE.format(closed=closed), str(path)])
    assert run.returncode == 0 and path.read_text() == "data"


@pytest.mark.parametrize("program", [QUIET_START, SIGTERM])
def test_programs_without_standard_error_and_with_sigterm(program):
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert run.returncode == 0 and run.stdout in ("done\n", "heard\n")


def test_output_that_cannot_be_written_is_one_line():
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "actionunits", "--version"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    run = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, env=buffered)
    os.close(writing)
    assert (run.returncode, run.stderr) == (2, "actionunits: Broken pipe\n")
