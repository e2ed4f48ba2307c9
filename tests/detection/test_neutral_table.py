"""Neutral moments of many videos from one table: what rows name, how times are written, faulty tables."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from actionunits.detection.inputs import Input
from actionunits.detection.neutral_table import own_options, with_moments, without_moments
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.output_files import OutputPaths
from actionunits.errors import UserError

SOURCES = ("videos/A/clip.mp4", "videos/B/clip.mp4", "videos/Zoë 1.mov")


@pytest.fixture
def moments(tmp_path):
    """Gives the moments of SOURCES from the text of a table."""

    def read(text, encoding="utf-8"):
        (tmp_path / "n.csv").write_bytes(text.encode(encoding))
        inputs = [Input(source, OutputPaths(Path("t.csv"))) for source in SOURCES]
        return [entry.neutral for entry in with_moments(inputs, tmp_path / "n.csv")]

    return read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("video,time\nvideos/A/clip.mp4,3.2\n", ["3.2s", None, None]),
        ("video,time\nA/clip.mp4,3\nB\\clip.mp4,4 s\n", ["3s", "4s", None]),
        ("Video; Time ;note\r\nZoë 1.mov;1:05,5;at rest\r\n;;\r\n", [None, None, "65.5s"]),
        ("time\tvideo\n1:00:01\tZoë 1.mov\n", [None, None, "3601s"]),
        ("\ufeffvideo,time\nZoë 1.mov,8\nother.mp4,2\nZoë 1.mov,3\n", [None, None, "8s,3s"]),
        (unicodedata.normalize("NFD", "video,time\nZoë 1.mov,8\n"), [None, None, "8s"]),
    ],
    ids=["path", "end of a path", "German Excel", "tabs", "several", "macOS"],
)
def test_rows_name_inputs(moments, text, expected):
    assert moments(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video,seconds\nA/clip.mp4,3\n", "no column `time`"),
        ("", "no column `video`"),
        ("video,time\nA/clip.mp4,soon\n", r"line 2: 'soon' is no time"),
        ("video,time\nA/clip.mp4\n", r"line 2: '' is no time"),
        ("video,time\nclip.mp4,3\n", "clip.mp4 may be videos/A/clip.mp4 or videos/B/clip.mp4; write more"),
        ("video,time\nlip.mp4,3\n", "names none of the inputs"),
        ("video,time\n" + "x" * 200_000, "is no table"),
    ],
)
def test_faulty_tables_are_refused(moments, text, told):
    with pytest.raises(UserError, match=told):
        moments(text)


def test_tables_that_cannot_be_read_are_refused(moments, tmp_path):
    with pytest.raises(UserError, match="save it as 'CSV UTF-8'"):
        moments("video,time\nZoë 1.mov,8\n", "latin-1")
    with pytest.raises(UserError, match=r"cannot read .*lost.csv"):
        with_moments([], tmp_path / "lost.csv")


def test_an_input_without_a_moment_is_told_and_measured_from_nothing():
    paths = OutputPaths(Path("t.csv"))
    inputs = [Input("a.mp4", paths, "3s"), *(Input(f"{k}.mp4", paths) for k in range(6))]
    options = AnalysisOptions(neutral="n.CSV")
    assert [own_options(entry, options).neutral for entry in inputs[:2]] == ["3s", None]
    told = without_moments(inputs, "n.CSV")
    assert told is not None and "6 of 7 inputs" in told and told.endswith("3.mp4, 4.mp4, ...")
    assert without_moments(inputs[:1], "n.csv") is None is without_moments(inputs, "3s")
    assert own_options(inputs[1], AnalysisOptions(neutral="3s")).neutral == "3s"
