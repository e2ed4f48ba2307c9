"""Faces of videos without labels: who is who from one stored frame to the next, and runs that go on after a kill."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_recordings import drawn_recording, inventory, unlabelled

from actionunits.datasets.crops import face_tracks, synthau
from actionunits.datasets.crops.follower import Follower
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.readers.videos import read
from actionunits.faces import FaceFinder
from actionunits.faces.mean_face import template_landmarks
from actionunits.media import VideoWriter, open_media
from actionunits.types import Face

FPS, WIDTH, HEIGHT, FACE = 25, 340, 260, 130
SWAP_S, GONE_S, END_S = (1.1, 1.9), 3.5, 5.2


@pytest.fixture(scope="session")
def two_people(mini_dir, tmp_path_factory) -> Path:
    """A folder with a video of two people, who change places in 0.8 s between two whole seconds; one leaves later."""
    frames = synthau.read_frames(mini_dir / "studio").drop_duplicates("subject").head(2)
    faces = []
    for clip in frames["clip"]:
        with open_media(mini_dir / "studio" / clip) as reader:
            faces.append(cv2.resize(next(reader).image_rgb, (FACE, FACE)))
    folder = tmp_path_factory.mktemp("two")
    with VideoWriter(folder / "talk.mp4", fps=FPS, crf=18) as writer:
        for k in range(round(END_S * FPS)):
            image = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
            for person, face in enumerate(faces):
                if person == 0 or k / FPS < GONE_S:
                    x, y = place(person, k / FPS)
                    image[y : y + FACE, x : x + FACE] = face
            writer.write(image)
    return folder


def place(person: int, time_s: float) -> tuple[int, int]:
    """Corner of a person's picture: at the sides, and over or under each other in passing."""
    share = float(np.clip((time_s - SWAP_S[0]) / (SWAP_S[1] - SWAP_S[0]), 0, 1))
    across = share if person == 0 else 1 - share
    up = np.sin(np.pi * share) * (HEIGHT - FACE) / 2 * (-1 if person == 0 else 1)
    return round(10 + across * (WIDTH - FACE - 20)), round((HEIGHT - FACE) / 2 + up)


def clips_of(folder: Path) -> dict[str, list[float]]:
    """The times of each clip's rows."""
    table = pd.read_parquet(folder / "frames.parquet")
    return {crops: rows["time_s"].round(2).tolist() for crops, rows in table.groupby("crops", sort=False)}


@pytest.mark.parametrize("glancing", [True, False])
def test_people_who_change_places_between_two_stored_frames_keep_their_clips(
    two_people, tmp_path, monkeypatch, glancing
):
    if not glancing:
        monkeypatch.setattr(Follower, "glance", lambda *args: False)
    folder = prepare(read(two_people, fps=1), tmp_path / "out", workers=1).folder
    clips = clips_of(folder)
    crops = [np.load(folder / name) for name in clips]
    apart = np.abs(crops[0][0].astype(float) - crops[1][0]).mean()
    same = max(np.abs(c.astype(float) - c[0]).mean((1, 2, 3)).max() for c in crops) < 0.5 * apart
    # One frame a second does not tell who is who.
    assert (same and list(clips.values()) == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]]) == glancing


def test_where_nothing_moves_the_finder_sees_the_stored_frames_alone(two_people, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(Follower, "sees_between", lambda self, image, time_s: seen.append(time_s))
    prepare(read(two_people, fps=1), tmp_path / "out", workers=1)
    assert seen and all(SWAP_S[0] <= t < 2 or GONE_S <= t < 4 for t in seen)


def test_a_finder_that_sees_less_of_a_large_picture_has_the_face_at_the_same_place(astronaut):
    large = cv2.resize(astronaut[:300], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    with FaceFinder(video=True) as finder:
        (whole,) = Follower(finder, "whole").faces(large, 0, 0.0)
        (reduced,) = Follower(finder, "reduced", reduces=True).faces(large, 0, 0.0)
    face_px = np.ptp(whole.landmarks_px[:, 1])
    for name in ("landmarks_px", "mesh_px", "box_xyxy_px"):
        apart = np.abs(getattr(reduced, name) - getattr(whole, name)).mean()
        assert 0 < apart < 0.01 * face_px, name


KILLED = """
import os, signal, sys
from actionunits.datasets.crops import face_tracks
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.readers.videos import read
face_tracks.CHECKPOINT_EVERY_S = 0
prepare(read(sys.argv[1], fps=5), sys.argv[2], workers=1,
        on_progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done >= 16 else None)
"""


@pytest.mark.slow  # a second interpreter
def test_a_killed_run_goes_on_inside_a_recording_and_gives_the_same(two_people, tmp_path):
    whole = prepare(read(two_people, fps=5), tmp_path / "whole", workers=1).folder
    killed = subprocess.run([sys.executable, "-c", KILLED, two_people, tmp_path / "out"], check=False)
    assert killed.returncode == -9 and not (tmp_path / "out/dataset.json").exists()
    counts: list[int] = []
    again = read(two_people, fps=5)
    out = prepare(again, tmp_path / "out", workers=1, on_progress=lambda n, _: counts.append(n)).folder
    assert 14 <= counts[1] <= 16  # rows that were not done again
    names = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert names == {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    for name in names:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


class OneFaceFinder:
    """Sees the same face in every picture, and counts the pictures."""

    seen = 0

    def __init__(self, video, max_faces=None):
        self.count = 0

    def __call__(self, frame):
        OneFaceFinder.seen += 1
        self.count += 1
        points = (template_landmarks() * (60 + self.count)).astype(np.float32)
        box = np.concatenate([points.min(0), points.max(0)])
        return [Face(box, points, 0.9, np.zeros(3), np.zeros(3), np.zeros((478, 3), np.float32), 7)]

    def state(self):
        return {"count": np.array(self.count)}

    def restore(self, source, state):
        self.count = state["count"].item()

    def close(self):
        pass


@pytest.mark.parametrize("damage", ["none", "cut", "foreign", "array"])
def test_a_stopped_run_goes_on_from_its_checkpoint_unless_that_is_damaged(tmp_path, monkeypatch, damage):
    monkeypatch.setattr("actionunits.faces.FaceFinder", OneFaceFinder)
    recording = unlabelled(drawn_recording(tmp_path / "in", frames=24, landmarks_px=None))
    whole = prepare(inventory(recording), tmp_path / "whole", workers=1).folder
    monkeypatch.setattr(face_tracks, "CHECKPOINT_EVERY_S", 0)

    def stop(done, total):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(inventory(recording), tmp_path / "out", workers=1, on_progress=stop)
    parts = tmp_path / "out/.parts"
    state = parts / "F001_T1.state.npz"
    if damage == "cut":
        state.write_bytes(state.read_bytes()[:1000])
    elif damage == "foreign":
        np.savez(state, row=np.array(3))
    elif damage == "array":
        (parts / "F001_T1.7.points.npy").write_bytes(b"")
    else:
        with (parts / "F001_T1.7.npy").open("ab") as file:  # killed in the middle of a row behind the checkpoint
            file.write(b"half a row")
    OneFaceFinder.seen = 0
    out = prepare(inventory(recording), tmp_path / "out", workers=1).folder
    assert OneFaceFinder.seen == (8 if damage == "none" else 24)
    for name in ("crops/F001_T1.npy", "meshes/F001_T1.npy", "frames.parquet", "lost.csv", "dataset.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
