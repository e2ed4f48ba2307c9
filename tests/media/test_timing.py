"""Times read from packets are those of the decoded frames."""

from fractions import Fraction

import numpy as np
import pytest

from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.media.video import read_timing

CASES = {
    "plain.mp4": {"options": {"bf": "3", "b_strategy": "0"}},
    "ntsc.mkv": {"rate": Fraction(30000, 1001)},
    "old.avi": {"codec": "mpeg4", "rate": 20},
    "jpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "web.webm": {"codec": "libvpx"},
    "late.ts": {},
}


@pytest.mark.parametrize("name", CASES)
def test_times_without_decoding_are_those_of_the_frames(clip, name):
    path = clip(name, 45, **CASES[name])
    timing = read_timing(path)
    with open_media(path) as reader:
        times = [frame.time_s for frame in reader]
    assert len(timing.time_s) == 45
    np.testing.assert_allclose(timing.time_s, times, rtol=0, atol=1e-9)
    assert timing.fps == pytest.approx(float(reader.fps)) and timing.damage is None


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("index_first.mp4", {"movflags": "+faststart"}),
        ("clusters.mkv", {"cluster_time_limit": "300"}),
        ("old.avi", {}),
    ],
)
def test_truncated_video_has_the_times_of_its_whole_frames(clip, name, options):
    path = clip(name, 60, options={"g": "12", "bf": "0"}, container_options=options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    with open_media(path) as reader:
        times = [frame.time_s for frame in reader]
    timing = read_timing(path)
    assert timing.damage is not None and f"frames: {timing.damage}" in str(reader.damage)
    assert 10 < len(times) < 58
    np.testing.assert_allclose(timing.time_s, times, rtol=0, atol=1e-9)


def test_file_that_is_no_video_is_told(tmp_path):
    path = tmp_path / "notes.avi"
    path.write_text("Dear diary\n" * 30)
    with pytest.raises(UserError, match=r"cannot read .*notes\.avi: not a video"):
        read_timing(path)
