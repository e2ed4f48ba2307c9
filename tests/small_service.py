"""The token of services that tests start, and what only Linux has."""

import sys

import pytest

TOKEN = "a-token-of-the-tests"
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux bounds memory and lists processes in /proc"
)
