"""Which pictures of a recording belong to which rows."""

from contextlib import nullcontext

import numpy as np

from actionunits.datasets.crops import pictures
from actionunits.datasets.readers.recording import VideoFile
from actionunits.types import Frame


def test_rows_whose_frames_are_damaged_inside_a_video_are_lost_and_shift_nothing(monkeypatch, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    sound = [0, 1, 2, 6, 7, 8]  # as a reader numbers them around damage
    frames = [Frame(np.full((2, 2, 3), k, np.uint8), k, k / 25, "clip.mp4") for k in sound]
    monkeypatch.setattr("actionunits.media.video.VideoReader", lambda path, only, glance: nullcontext(frames))
    lost = [""] * 6
    index = np.array([1, 2, 3, 5, 7, 9])
    rows = pictures.video_rows(VideoFile(tmp_path / "clip.mp4", index), lost, index / 25)
    assert [(row, int(image[0, 0, 0])) for row, image, _ in rows] == [(0, 1), (1, 2), (4, 7)]
    damaged = pictures.DAMAGED_PICTURE
    assert lost == ["", "", damaged, damaged, "", pictures.VIDEO_ENDS]
