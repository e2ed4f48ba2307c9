"""Folders, unusual files and faces without a pose, from the command to the table and the run card."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from staged_faces import StagedFinder, picture, video_frames
from typer.testing import CliRunner

import actionunits.detection.detector as detect_module
from actionunits.cli import app
from actionunits.errors import UserError
from actionunits.media import VideoWriter


@pytest.fixture
def detect(monkeypatch, tiny_weights, tmp_path):
    """Runs `actionunits detect` with staged faces in an empty folder; gives the exit code."""
    monkeypatch.setattr(detect_module, "FaceFinder", StagedFinder)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["detect", *words, "--weights", str(tiny_weights)]).exit_code


def card(name: str) -> dict:
    return json.loads(Path(f"{name}.run.json").read_text())


def test_all_that_is_in_a_folder_has_a_table(detect):
    Path("day").mkdir()
    for k in (1, 2):
        Image.fromarray(picture(k)).save(f"day/{k}.png")
    frames = [Image.fromarray(picture(1, k)) for k in range(3)]
    frames[0].save("day/moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    with VideoWriter("day/clip.mp4", fps=25) as writer:
        for frame in video_frames([1, 2]):
            writer.write(frame.image_rgb)
    assert detect("day", "--out", "results") == 0
    rows = {path.stem: len(pd.read_csv(path)) for path in Path("results").glob("*.csv")}
    assert rows == {"day": 3, "moving": 3, "clip": 3}
    assert card("results/day")["notes"] == [
        "day: inputs of their own, not read with the photographs: clip.mp4, moving.webp"
    ]
    assert card("results/clip")["notes"] == []


def test_the_run_card_tells_how_samples_were_scaled(detect):
    Image.fromarray(picture(1)[..., 0].astype(np.uint16) * 16).save("infrared.png")
    assert detect("infrared.png") == 0
    assert card("infrared")["notes"] == [
        "infrared.png: 16-bit samples hold values of 12 bits: 4095 is shown as white"
    ]


class FlatFinder(StagedFinder):
    """The points of every second face lie on a line, and it has no pose."""

    def _face(self, i):
        face = super()._face(i)
        unknown = np.full(3, np.nan, np.float32)
        flat = face.landmarks_px * [1, 0] + [0, 60]
        return replace(face, landmarks_px=flat, pose_deg=unknown, position_mm=unknown) if i % 2 else face


@pytest.mark.parametrize("kind", ["photo.png", "clip.mp4"])
def test_a_face_without_a_pose_has_all_the_rest(detect, monkeypatch, kind):
    monkeypatch.setattr(detect_module, "FaceFinder", FlatFinder)
    if kind == "photo.png":
        Image.fromarray(picture(2)).save(kind)
    else:
        with VideoWriter(kind, fps=25) as writer:
            writer.write(picture(2))
    assert detect(kind, "--annotate") == 0
    table = pd.read_csv(f"{Path(kind).stem}.csv")
    pose = table[["pose_Tx", "pose_Tz", "pose_Rx", "pose_Rz"]]
    assert pose.notna().all(axis=1).tolist() == [True, False] and pose.isna().all(axis=1).tolist() == [False, True]
    assert table["AU12_r"].notna().all() and table["x_0"].notna().all()


def test_an_address_is_opened_only_where_asked_for(detect, monkeypatch):
    asked = []

    def refuse(source, *, fps=None, allow_network=False):
        asked.append((source, allow_network))
        raise UserError("not today")

    monkeypatch.setattr("actionunits.detection.analysis.open_media", refuse)
    assert detect("rtsp://camera/stream", "--allow-network") == detect("rtsp://camera/stream") == 2
    assert asked == [("rtsp://camera/stream", True), ("rtsp://camera/stream", False)]
