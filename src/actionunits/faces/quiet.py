"""Keep the start-up chatter of MediaPipe and LiteRT off stderr without hiding errors.

MediaPipe, LiteRT and absl write information and warning lines straight to file descriptor 2 while a
graph starts; no setting of the Python packages turns them off.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from actionunits.errors import UserError

# Read by glog and TensorFlow when their libraries load: 2 = errors and worse.
os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_NOISE = re.compile(
    rb"^(?:[IW]\d{4} .*"  # absl and glog: information and warnings
    rb"|INFO: .*"  # LiteRT, once TensorFlow Lite
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR)\s*$"
)
_lock = threading.RLock()


@contextmanager
def quiet_native_start() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 inside the block, then write all but the noise.

    Lines of any other form, errors among them, are passed on, also when the block raises; only a UserError, which
    says in one line what the native lines say in many, drops them.
    """
    with _lock:
        try:
            kept_fd = os.dup(2)
        except OSError:  # closed: nothing is shown anyway
            yield
            return
        _flush()
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            explained = False
            try:
                yield
            except UserError:
                explained = True
                raise
            finally:
                _flush()
                os.dup2(kept_fd, 2)
                os.close(kept_fd)
                held.seek(0)
                for line in held.read().splitlines(keepends=True):
                    if not explained and not _NOISE.match(line):
                        os.write(2, line)


def _flush() -> None:
    if sys.stderr is not None:  # as in programs without a console
        sys.stderr.flush()
