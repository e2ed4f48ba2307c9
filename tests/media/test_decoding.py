"""Damaged videos: what is left out, what is told, and that nothing else shifts or changes."""

import av
import numpy as np
import pytest
from numbered_video import numbers

from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.media.video import read_timing


@pytest.mark.parametrize(
    ("name", "container_options"),
    [
        ("index_first.mp4", {"movflags": "+faststart"}),
        ("fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("clusters.mkv", {"cluster_time_limit": "300"}),
        ("old.avi", {}),
    ],
)
@pytest.mark.parametrize("kept", [0.6, 0.85])
def test_truncated_video_gives_the_frames_before_the_cut_and_says_so(clip, name, container_options, kept):
    path = clip(name, 60, options={"g": "12"}, container_options=container_options)
    assert numbers(path) == (list(range(60)), None)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    seen, damage = numbers(path)
    assert seen == list(range(len(seen)))
    assert 10 < len(seen) < 58
    assert damage is not None and damage.startswith(f"{path} is damaged after {len(seen)} frames: ")
    assert "\n" not in damage


def test_mp4_that_lost_its_index_is_refused_in_one_line(clip):
    path = clip("plain.mp4", 60)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    with pytest.raises(UserError, match=r"^cannot read .*plain\.mp4: the video is cut short; its index.*missing$"):
        open_media(path)


def test_a_picture_that_the_decoder_had_to_conceal_is_left_out_up_to_the_next_key_frame(clip):
    # Two threads write other slices than one, and not every hole in a slice is one that a decoder notices.
    path = clip(
        "holed.mp4", 60, options={"g": "20", "bf": "0", "threads": "2"}, container_options={"movflags": "+faststart"}
    )
    intact = [frame.image_rgb for frame in open_media(path)]
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.is_keyframe][1]
        start, length = packet.pos + packet.size // 2, packet.size // 20
    data = bytearray(path.read_bytes())
    data[start : start + length] = np.random.default_rng(0).bytes(length)
    path.write_bytes(data)
    reader = open_media(path)
    shown = list(reader)
    assert [frame.index for frame in shown] == [*range(20), *range(40, 60)]
    assert [frame.time_s for frame in shown] == pytest.approx([frame.index / 30 for frame in shown])
    assert reader.damage == f"{path} is damaged: frames 21-40 cannot be shown (the picture data is damaged)"
    for frame in shown:
        np.testing.assert_array_equal(frame.image_rgb, intact[frame.index])


HOLED = {
    "b_frames.mp4": {"options": {"g": "12", "bf": "3", "b_strategy": "0"}},
    "fragments.mp4": {"options": {"g": "12"}, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "b_frames.mkv": {"options": {"g": "12", "bf": "3", "b_strategy": "0"}},
    "old.avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "broadcast.ts": {"options": {"g": "12", "bf": "3", "b_strategy": "0"}},
    "dvd.mpg": {"codec": "mpeg2video", "options": {"g": "12"}, "rate": 25},
    "open_groups.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=12"}},
    "camera.mjpeg": {"codec": "mjpeg", "pixel_format": "yuvj420p", "rate": 25},
}


@pytest.mark.parametrize("name", HOLED)
def test_frames_behind_a_hole_keep_their_numbers_times_and_content(clip, name):
    path = clip(name, 60, **HOLED[name])
    intact = [frame.image_rgb for frame in open_media(path)]
    data = bytearray(path.read_bytes())
    start = int(len(data) * 0.45)
    if name == "open_groups.mp4":  # HEVC decodes changed bytes without an error; a broken head it does not
        with av.open(str(path)) as container:
            start = [packet.pos for packet in container.demux(video=0) if packet.is_keyframe][2]
    data[start : start + 300] = np.random.default_rng(1).bytes(300)
    path.write_bytes(data)
    reader = open_media(path)
    shown = list(reader)
    lost = sorted(set(range(60)) - {frame.index for frame in shown})
    assert 0 < len(lost) < 25 and lost == list(range(lost[0], lost[-1] + 1))
    places = f"frames {lost[0] + 1}-{lost[-1] + 1}" if len(lost) > 1 else f"frame {lost[0] + 1}"
    assert f"is damaged: {places} cannot be shown" in str(reader.damage)
    for frame in shown:
        assert frame.time_s == pytest.approx(frame.index / HOLED[name].get("rate", 30), abs=1e-3)
        np.testing.assert_array_equal(frame.image_rgb, intact[frame.index])
    assert len(read_timing(path).time_s) == 60


CASES = {  # name: frames, index of the last, words about what is missing
    "latin1_title.avi": (8, 7, None),
    "latin1_title.mp4": (8, 7, None),
    "latin1_stream_title.mkv": (8, 7, None),
    "ipcam.mjpeg": (24, 23, None),
    "raw.m2v": (24, 23, None),
    "reschange.ts": (16, 15, None),
    "one_bad.mp4": (54, 71, "frames 31-48 cannot be shown"),
}


@pytest.mark.parametrize("name", CASES)
def test_collected_files(name, cases_dir):
    reader = open_media(cases_dir / name)
    frames = list(reader)
    count, last, damage = CASES[name]
    assert (len(frames), frames[-1].index) == (count, last)
    assert (reader.damage is None) if damage is None else (damage in str(reader.damage))
    rate = 25 if name == "ipcam.mjpeg" else 24000 / 1001
    assert [f.time_s for f in frames] == pytest.approx([f.index / rate for f in frames], abs=2e-3)


def test_a_video_whose_first_key_frame_is_damaged_begins_at_the_next(clip):
    path = clip("late.mp4", 40, options={"g": "12", "bf": "0"})
    with av.open(str(path)) as container:
        start = next(packet.pos for packet in container.demux(video=0))
    data = bytearray(path.read_bytes())
    data[start : start + 2000] = np.random.default_rng(1).bytes(2000)
    path.write_bytes(data)
    reader = open_media(path)
    frames = list(reader)
    assert [frame.index for frame in frames] == list(range(12, 40))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 30 for k in range(12, 40)])
    assert "frames 1-12 cannot be shown" in str(reader.damage)
