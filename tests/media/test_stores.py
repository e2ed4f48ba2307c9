"""Object stores: what a name stands for, and files that are fetched, with the store's name in all that is told."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from actionunits.cli import app
from actionunits.detection.inputs import find_inputs
from actionunits.errors import UserError
from actionunits.media import VideoWriter
from actionunits.media.stores import expand_stored, fetched, is_stored, stored_state

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store(tmp_path):
    """A folder in memory with clips and another file; its address."""
    with VideoWriter(tmp_path / "clip.mp4", fps=25) as writer:
        for k in range(4):
            writer.write(np.full((64, 64, 3), 40 * k, np.uint8))
    files = fsspec.filesystem("memory")
    clip = (tmp_path / "clip.mp4").read_bytes()
    for name, content in (("2.mp4", clip), ("10.mp4", clip), ("b/3.mp4", clip), ("bad.mp4", b"no"), ("a.txt", b"a")):
        files.pipe(f"/videos/{name}", content)
    yield "memory://videos"
    files.rm("/videos", recursive=True)


def test_addresses_of_stores_are_told_from_others():
    assert is_stored("s3://bucket/clip.mp4") and is_stored("gs://b/*.mp4")
    assert not any(map(is_stored, ("rtsp://camera/stream", "https://site/clip.mp4", "s3:/b", "clip.mp4", "s3://")))


def test_a_folder_and_a_pattern_stand_for_the_media_in_them(store):
    here = ["memory:///videos/2.mp4", "memory:///videos/10.mp4", "memory:///videos/bad.mp4"]
    assert expand_stored(store) == here
    assert sorted(expand_stored(store, recursive=True)) == sorted([*here, "memory:///videos/b/3.mp4"])
    assert expand_stored(f"{store}/*0.mp4") == here[1:2]
    assert expand_stored(f"{store}/2.mp4") == [f"{store}/2.mp4"]
    with pytest.raises(UserError, match="no picture or video"):
        expand_stored(f"{store}/*.txt")
    sources = [entry.source for entry in find_inputs([store], Path("r"), allow_network=True)]
    assert sources == here and len(find_inputs([store], Path("r"))) == 1


def test_a_file_is_here_while_it_is_read_and_errors_tell_where_it_lies(store):
    with pytest.raises(UserError, match=f"^cut off: {store}/2.mp4$"), fetched(f"{store}/2.mp4", True) as file:
        local = Path(file)
        assert local.stat().st_size == stored_state(f"{store}/2.mp4")[0] > 2
        raise UserError(f"cut off: {file}")
    assert not local.exists()
    for source, allowed in (("clip.mp4", True), (f"{store}/2.mp4", False)):
        with fetched(source, allowed) as file:
            assert file == source


@pytest.mark.parametrize("address", ["memory://videos/lost.mp4", "s3://bucket/clip.mp4"])
def test_what_cannot_be_fetched_is_told_in_a_line(address, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with (
        pytest.raises(UserError, match=f"^cannot read {address}: (no such file|Install s3fs)"),
        fetched(address, True),
    ):
        pass


def test_detection_reads_a_store_and_leaves_what_is_done(store, tmp_path, tiny_weights):
    from typer.testing import CliRunner

    words = ["detect", f"{store}/2.mp4", f"{store}/bad.mp4", "--allow-network", "--weights", str(tiny_weights)]
    words += ["--format", "dataset", "--out", str(tmp_path / "r")]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2 and f"cannot read {store}/bad.mp4: not a video" in ended.stderr
    (told,) = (tmp_path / "r" / "runs").glob("*.run.json")
    card = json.loads(told.read_text())
    assert card["input"] == f"{store}/2.mp4" and card["frames_written"] == 4
    import pandas as pd

    assert set(pd.read_parquet(tmp_path / "r" / "table")["input"]) == {f"{store}/2.mp4"}
    assert "done before" in CliRunner().invoke(app, [*words, "--skip-done"]).stdout
    fsspec.filesystem("memory").pipe("/videos/2.mp4", b"changed")
    assert "done before" not in CliRunner().invoke(app, [*words, "--skip-done"]).stdout
