"""Training on a folder of videos as they are: what is found, what is left out and told, what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.datasets.crops import load
from actionunits.media import VideoWriter, open_media
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.data import load_training_data
from actionunits.training.settings import make_settings

MINI = Path(__file__).parents[2] / "data" / "synthau-mini" / "studio" / "clips"
QUICK = {"image_size": 32, "width": 2, "embedding": 8, "batch_size": 4, "epochs": 3, "fps": 4.0}


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    with VideoWriter(path, fps=25) as writer:
        for frame in frames:
            writer.write(frame)


def pictures(clip: Path, count: int) -> list[np.ndarray]:
    with open_media(clip) as media:
        return [frame.image_rgb for frame, _ in zip(media, range(count), strict=False)]


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """Three good clips, two people side by side, one frame, no face, a damaged file, and no video at all."""
    monkeypatch.setenv("ACTIONUNITS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "videos"
    folder.mkdir()
    clips = sorted(MINI.glob("*_T1.mp4"))
    for clip in clips[:3]:
        shutil.copy(clip, folder)
    left, right = pictures(clips[3], 40), pictures(clips[4], 40)
    write_video(folder / "two.mp4", [np.concatenate(pair, 1) for pair in zip(left, right, strict=True)])
    write_video(folder / "one_frame.mp4", left[:1])
    write_video(folder / "no_face.mp4", [np.full((96, 96, 3), 128, np.uint8)] * 30)
    (folder / "damaged.mp4").write_bytes(clips[5].read_bytes()[:2000])
    (folder / "notes.txt").write_text("no video")
    return folder


def train(videos: Path, out: Path, *more: str):
    settings = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
    command = ["train", "tcae", "--data", str(videos), "--out", str(out), "--accelerator", "cpu", *settings, *more]
    return CliRunner().invoke(app, command)


def test_a_folder_of_videos_is_prepared_and_learned_from(videos, tmp_path):
    result = train(videos, tmp_path / "run")
    assert result.exit_code == 0, result.output
    told = "".join(result.output.split())  # lines are as long as the terminal is wide
    assert "damaged.mp4" in told  # what cannot be read is named
    assert "nofacefound" in told  # frames without a face are counted; lost.csv lists them
    assert "whichmakesnopair,areleftout(1):one_frame" in told
    checkpoint = load_checkpoint(tmp_path / "run" / "model.safetensors")
    data = checkpoint.header["data"]
    people = data["training_subjects"] + data["validation_subjects"]
    # One person of the two side by side, and nobody of the video without a face.
    good = [clip.stem for clip in sorted(MINI.glob("*_T1.mp4"))[:3]]
    assert sorted(name.split("/")[1] for name in people) == sorted([*good, "one_frame", "two"])
    assert checkpoint.aus == () and "reconstruction" in checkpoint.header["scores"]["validation"]
    (prepared,) = (tmp_path / "cache" / "videos").iterdir()
    lost = (prepared / "lost.csv").read_text()
    assert "no_face" in lost
    # Another run finds the crops made.
    before = (prepared / "frames.parquet").stat().st_mtime_ns
    again = train(videos, tmp_path / "again")
    assert again.exit_code == 0 and "wascompletebefore" in "".join(again.output.split())
    assert (prepared / "frames.parquet").stat().st_mtime_ns == before
    assert list(videos.iterdir()) and not (videos / ".crops").exists()  # nothing is written into the data


def test_videos_are_for_models_that_need_no_labels(videos, tmp_path):
    result = CliRunner().invoke(app, ["train", "resnet18", "--data", str(videos), "--out", str(tmp_path / "run")])
    assert result.exit_code != 0 and "is not a data set" in str(result.exception)


def test_a_folder_without_videos_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    result = train(tmp_path / "empty", tmp_path / "run")
    assert result.exit_code != 0 and "holds no face videos" in str(result.exception)


def test_without_validation_data_a_fifth_of_the_people_is_held_out(monkeypatch):
    from random_crops import random_people

    data = random_people(200, 10, "P", 2)
    monkeypatch.setattr(load, "load_data", lambda *args, **options: data)
    monkeypatch.setattr(load, "coded_aus", lambda folder: data.aus)
    settings = make_settings("resnet18", {"image_size": 42, "width": 4})
    training, validation = load_training_data([Path("a")], [], settings, progress=False)
    assert len(np.unique(validation.subject)) == 2 and len(np.unique(training.subject)) == 8
    assert not set(np.unique(training.subject)) & set(np.unique(validation.subject))
