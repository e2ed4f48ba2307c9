"""Videos: true times, order, orientation, damage and bad input."""

import os
import struct
import threading
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import SIZE, encode, number_of, numbered, numbers

from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.media.decoding import Pictures
from actionunits.media.video import VideoReader


def test_times_at_a_fractional_rate_are_exact(clip):
    reader = open_media(clip("ntsc.mp4", 60, rate=Fraction(30000, 1001)))
    assert (reader.kind, reader.fps, reader.frame_count) == ("video", Fraction(30000, 1001), 60)
    assert reader.size == SIZE
    frames = [(frame.index, frame.time_s, number_of(frame.image_rgb)) for frame in reader]
    assert frames == [(k, k * 1001 / 30000, k) for k in range(60)]
    assert reader.damage is None


def test_times_at_a_variable_rate_are_those_of_the_file_from_its_first_frame(clip):
    pts = [900, 1000, 1010, 1500, 1501, 4000, 4100, 9000]
    path = clip("variable.mkv", len(pts), pts=pts, time_base=Fraction(1, 1000))
    assert [frame.time_s for frame in open_media(path)] == [(t - 900) / 1000 for t in pts]


B_FRAMES = {"bf": "3", "b_strategy": "0", "g": "25"}


@pytest.mark.parametrize(
    ("name", "options", "in_full"),
    [
        ("plain.mp4", {"options": B_FRAMES}, False),
        ("open.mkv", {"options": {**B_FRAMES, "x264-params": "open-gop=1"}}, False),
        ("late.ts", {"options": B_FRAMES}, False),
        ("mpeg4.mp4", {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}}, False),
        ("mpeg2.mpg", {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}}, False),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "keyint=20:log-level=none"}}, False),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"g": "20", "cpu-used": "8", "lag-in-frames": "0"}}, False),
        ("motion.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}, False),
        ("hidden.webm", {"codec": "libvpx", "options": {"g": "20", "deadline": "good", "cpu-used": "5"}}, True),
        ("mpeg4.avi", {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}}, False),
    ],
)
def test_only_the_frames_that_are_wanted_are_given_with_their_own_times(clip, monkeypatch, name, options, in_full):
    path = clip(name, 50, **options)
    with open_media(path) as reader:
        every = {frame.index: (frame.time_s, frame.image_rgb) for frame in reader}
    assert len(every) == 50
    read_in_full = []
    monkeypatch.setattr(
        "actionunits.media.video.Pictures", lambda *args: read_in_full.append(args) or Pictures(*args)
    )
    for only in [(3, 17, 30, 49), (38, 39), (0,), (25, 26, 27)]:
        with VideoReader(path, only=np.array(only)) as reader:
            some = {frame.index: (frame.time_s, frame.image_rgb) for frame in reader}
        assert tuple(some) == only and bool(read_in_full) == in_full
        for index, (time_s, image) in some.items():
            assert time_s == every[index][0]
            np.testing.assert_array_equal(image, every[index][1])
    with VideoReader(path, only=(25, 50)) as reader:  # the last one is not there
        assert [frame.index for frame in reader] == [25]


def test_what_nobody_wants_and_nothing_refers_to_is_not_decoded(clip):
    path = clip("glance.mp4", 60, options={**B_FRAMES, "b-pyramid": "none"})
    seen: dict[float, np.ndarray] = {}

    def glance(time_s: float, grey: np.ndarray) -> bool:
        seen[time_s] = grey.copy()
        return len(seen) == 3

    with VideoReader(path, only=[30, 46], glance=glance) as reader:
        given = [(frame.index, number_of(frame.image_rgb)) for frame in reader]
    numbers_seen = [round(time_s * 30) for time_s in seen]
    assert given == [(30, 30), (numbers_seen[2], numbers_seen[2]), (46, 46)]
    assert 4 <= len(seen) <= 6  # of 15 between them, one in four is no B frame
    for number, grey in zip(numbers_seen, seen.values(), strict=True):
        assert np.corrcoef(grey.ravel(), numbered(number).mean(2).ravel())[0, 1] > 0.9


def test_wanted_frames_of_a_damaged_video_are_those_of_a_full_reading(clip, tmp_path):
    data = bytearray(clip("sound.mp4", 60, options={"bf": "2", "g": "15", "b_strategy": "0"}).read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 200] = bytes(200)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with open_media(path) as reader:
        every = {frame.index: frame.image_rgb for frame in reader}
    assert reader.damage and len(every) < 60
    wanted = range(0, 60, 3)
    with VideoReader(path, only=wanted) as reader:
        some = {frame.index: frame.image_rgb for frame in reader}
    assert set(some) >= set(every) & set(wanted)
    for index in set(some) & set(every):
        np.testing.assert_array_equal(some[index], every[index])


def test_frames_predicted_in_both_directions_come_in_order(clip):
    path = clip("b.mp4", 50, options={"bf": "3", "b_strategy": "0", "g": "25"})
    assert numbers(path) == (list(range(50)), None)


def test_transport_stream_that_starts_late_begins_at_zero(clip):
    reader = open_media(clip("late.ts", 20))  # MPEG-TS starts at 1.4 s
    assert [frame.time_s for frame in reader] == pytest.approx([k / 30 for k in range(20)], abs=2e-5)


def test_recording_cut_out_of_a_broadcast_starts_at_its_first_whole_picture(clip, tmp_path):
    data = clip("whole.ts", 60, options={"g": "20", "bf": "0"}).read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[188 * (len(data) // 188 // 8) :])
    seen, damage = numbers(cut)
    assert seen and seen == list(range(seen[0], 60)) and seen[0] in (20, 40)
    assert damage is None


def test_raw_stream_without_time_stamps_advances_by_the_nominal_interval(clip):
    times = [frame.time_s for frame in open_media(clip("raw.h264", 10))]
    assert np.diff([0.0, *times[1:]]) == pytest.approx(np.full(9, times[1]))
    assert times[1] > 0


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix", "size"),
    [
        ("libx264", "yuv420p10le", ".mp4", SIZE),
        ("libx264", "gray", ".mp4", SIZE),
        ("libx264", "yuv444p", ".mkv", (161, 121)),
        ("ffv1", "gray16le", ".mkv", SIZE),
        ("ffv1", "bgr0", ".mkv", (131, 33)),
        ("mjpeg", "yuvj420p", ".avi", SIZE),
        ("rawvideo", "rgb24", ".nut", SIZE),
    ],
)
def test_pixel_formats_and_odd_sizes_become_rgb(clip, codec, pixel_format, suffix, size):
    path = clip(f"x{suffix}", 3, codec=codec, pixel_format=pixel_format, size=size)
    for frame in open_media(path):
        image, expected = frame.image_rgb, numbered(frame.index, size).astype(float)
        assert image.shape == (size[1], size[0], 3) and image.dtype == np.uint8
        assert image.flags.c_contiguous and image.flags.writeable
        if pixel_format.startswith("gray"):
            assert np.ptp(image, axis=2).max() == 0
            expected = expected @ [0.299, 0.587, 0.114]
        assert image[:16, :128].mean() == pytest.approx(expected[:16, :128].mean(), abs=3)
        assert number_of(image) == frame.index


def matrix_at(data: bytes) -> int:
    at = data.index(b"tkhd")
    assert data[at + 4] == 0, "version 0 of the track header"
    return at + 4 + 40


@pytest.mark.parametrize(
    ("matrix", "turn_back"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # shown turned by 90 degrees clockwise
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),  # mirrored
    ],
)
def test_rotation_tag_is_applied(clip, tmp_path, matrix, turn_back):
    data = bytearray(clip("plain.mp4", 3).read_bytes())
    stored = [frame.image_rgb for frame in open_media(tmp_path / "plain.mp4")]
    a, b, c, d = (value << 16 for value in matrix)
    data[matrix_at(data) : matrix_at(data) + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(data)
    reader = open_media(path)
    expected = turn_back(stored[0])
    assert reader.size == (expected.shape[1], expected.shape[0])
    for frame, image in zip(reader, stored, strict=True):
        np.testing.assert_array_equal(frame.image_rgb, turn_back(image))


@pytest.mark.parametrize("name", ["camera.mjpeg", "camera.jpg", "tape.m2v", "tape.jpg"])
def test_raw_streams_are_videos_whatever_they_are_called(clip, tmp_path, name):
    is_mpeg = name.startswith("tape")
    codec, pixels = ("mpeg2video", "yuv420p") if is_mpeg else ("mjpeg", "yuvj420p")
    path = clip("tape.m2v" if is_mpeg else "camera.mjpeg", 12, codec=codec, pixel_format=pixels, rate=25)
    path = path.rename(tmp_path / name)
    if name == "tape.jpg":
        with pytest.raises(UserError, match="not a picture"):
            open_media(path)
        return
    reader = open_media(path)
    assert [number_of(frame.image_rgb) for frame in reader] == list(range(12))
    assert (reader.kind, reader.damage) == ("video", None)


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mov", ".mkv"])
def test_tags_in_any_encoding_do_not_matter(clip, suffix):
    path = clip(f"old{suffix}", 5, codec="mpeg4")
    with av.open(str(path)) as source, av.open(str(path.with_stem("tagged")), "w") as target:
        target.metadata["title"] = "Interview QQQQ"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    tagged = path.with_stem("tagged")
    data = tagged.read_bytes()
    assert b"QQQQ" in data
    tagged.write_bytes(data.replace(b"QQQQ", "été!".encode("latin-1")))
    assert numbers(tagged) == (list(range(5)), None)


def test_the_first_of_two_picture_tracks_is_read_and_told(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for k, stream in enumerate(streams):
            for index in range(3):
                frame = av.VideoFrame.from_ndarray(numbered(index + 100 * k), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    reader = open_media(path)
    assert [number_of(frame.image_rgb) for frame in reader] == [0, 1, 2]
    assert reader.notes == [f"{path} has 2 picture tracks: the first was read"]


def test_a_name_that_is_not_utf8_is_opened(clip, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    clip("plain.mp4", 3).rename(path)
    assert numbers(path) == ([0, 1, 2], None)


def test_video_trimmed_by_its_edit_list_is_whole(clip):
    path = clip("trimmed.mp4", 60, options={"g": "20", "bf": "0"})
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12  # version and flags, number of entries; then length and start of the first
    length, start = struct.unpack_from(">ii", data, at)
    tick = round(Fraction(length, 60))  # in units of the movie
    media_tick = start_step(path)
    struct.pack_into(">ii", data, at, length - 40 * tick, start + 25 * media_tick)
    path.write_bytes(data)
    seen, damage = numbers(path)
    assert (seen[0], damage) == (25, None)
    assert seen == list(range(25, 25 + len(seen))) and 19 <= len(seen) <= 36


def start_step(path: Path) -> int:
    """Ticks of the track from one frame to the next."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return round(1 / (stream.average_rate * stream.time_base))


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    text, empty, sound = folder / "notes.mp4", folder / "empty.mp4", folder / "sound.mp4"
    text.write_text("Dear diary, this is no video.\n" * 50)
    empty.write_bytes(b"")
    encode(folder / "whole.mp4", 2)
    (folder / "header.mp4").write_bytes((folder / "whole.mp4").read_bytes()[:40])
    encode(sound, 0)
    return {
        "missing": (folder / "no.mp4", "no such file"),
        "text": (text, "not a video"),
        "empty": (empty, "the file is empty"),
        "header only": (folder / "header.mp4", "cut short"),
        "without frames": (sound, "."),
    }


@pytest.mark.parametrize("case", ["missing", "text", "empty", "header only", "without frames"])
def test_unreadable_video_is_told_in_one_line_with_its_name(tmp_path, case):
    path, reason = bad_files(tmp_path)[case]
    with pytest.raises(UserError, match=reason) as caught:
        open_media(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_sound_recording_has_no_picture_track(tmp_path):
    path = tmp_path / "song.mka"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match="no picture track"):
        open_media(path)


def test_file_name_with_colon_and_percent_is_a_plain_file(clip, tmp_path):
    clip("a.mp4", 3).rename(tmp_path / "take:1 %03d.mp4")
    assert numbers(tmp_path / "take:1 %03d.mp4") == ([0, 1, 2], None)


def test_consumer_that_leaves_early_closes_the_file(clip):
    before = threading.active_count()
    path = clip("left.mp4", 30)
    with pytest.raises(RuntimeError, match="enough"), open_media(path) as reader:
        for frame in reader:
            if frame.index == 3:
                raise RuntimeError("enough")
    assert next(reader, None) is None
    assert threading.active_count() == before
    open_handles = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert path not in [link.resolve() for link in open_handles]


def test_memory_does_not_grow_with_length(clip):
    path = clip("long.mp4", 1500, size=(160, 120), options={"preset": "ultrafast", "g": "250"})
    tracemalloc.start()
    try:
        reader, peaks = open_media(path), []
        for frame in reader:
            if frame.index in (200, 1499):
                peaks.append(tracemalloc.get_traced_memory()[1])
        assert reader.decoded == 1500
        assert peaks[1] - peaks[0] < 200_000  # three frames
    finally:
        tracemalloc.stop()


def test_real_clip_is_read_whole_at_its_own_times(samples_dir):
    reader = open_media(samples_dir / "WolfgangLanger_Pexels.mp4")
    times = [frame.time_s for frame in reader]
    assert (reader.size, reader.decoded, reader.frame_count, reader.damage) == ((640, 360), 472, 472, None)
    assert times == [k * 1001 / 24000 for k in range(472)]
