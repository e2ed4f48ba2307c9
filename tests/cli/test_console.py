"""The bar over all inputs: by the size of files, and full when all have ended, however far they came."""

import re
from pathlib import Path

from actionunits.cli.console import _InputsBar
from actionunits.detection.inputs import find_inputs


def test_the_bar_goes_by_size_and_counts_what_failed_as_ended(tmp_path):
    for name, size in (("a.mp4", 300), ("b.mp4", 100)):
        (tmp_path / name).write_bytes(bytes(size))
    inputs = find_inputs([str(tmp_path), str(tmp_path / "lost.mp4")], Path("r"))
    with _InputsBar(inputs, quiet=True) as bar:
        (task,) = bar._bar.tasks
        bar.advance(0, 0.5)
        assert (task.total, task.completed, task.description) == (400, 150, "0 of 3 inputs")
        for entry, completed in zip(inputs[1:], (250, 250), strict=True):
            with bar.hidden(entry.source):
                pass
            assert task.completed == completed
        assert re.fullmatch(r"2 of 3 inputs, [0-9]+ per second", task.description)
        with bar.hidden(inputs[0].source):
            pass
        assert task.finished
