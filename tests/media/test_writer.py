"""Videos that are written: times, sizes, sameness, and nothing left behind on failure."""

from fractions import Fraction

import av
import numpy as np
import pytest
from numbered_video import SIZE, number_of, numbered

from actionunits.errors import UserError
from actionunits.media import VideoWriter, open_media


def test_variable_times_survive_to_a_millisecond(tmp_path):
    times = np.cumsum(np.random.default_rng(0).exponential(0.2, 60))
    with VideoWriter(tmp_path / "out.mp4") as writer:
        for index, time_s in enumerate(times):
            writer.write(numbered(index), time_s)
    assert writer.frames == 60
    frames = list(open_media(tmp_path / "out.mp4"))
    assert [number_of(frame.image_rgb) for frame in frames] == list(range(60))
    assert np.abs([frame.time_s for frame in frames] - (times - times[0])).max() < 1e-4
    with av.open(str(tmp_path / "out.mp4")) as container:
        length_s = times[-1] - times[0] + (times[-1] - times[-2])  # the last frame lasts as long as the one before
        assert container.duration / 1e6 == pytest.approx(length_s, abs=0.01)


@pytest.mark.parametrize("fps", [25, 29.97, Fraction(30000, 1001)])
def test_constant_rate_is_exact_in_rate_and_count(tmp_path, fps):
    with VideoWriter(tmp_path / "out.mp4", SIZE, fps=fps) as writer:
        for index in range(64):
            writer.write(numbered(index))
    reader = open_media(tmp_path / "out.mp4")
    rate = Fraction(fps).limit_denominator(100_000)
    assert (reader.fps, reader.frame_count) == (rate, 64)
    assert [(f.index, f.time_s) for f in reader] == [(k, float(k / rate)) for k in range(64)]


def test_time_that_does_not_rise_is_put_one_tick_later(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", time_base=Fraction(1, 1000)) as writer:
        for index, time_s in enumerate([0.0, 0.5, 0.5, 0.4, 1.0]):
            writer.write(numbered(index), time_s)
    times = [frame.time_s for frame in open_media(tmp_path / "out.mp4")]
    assert times == pytest.approx([0.0, 0.5, 0.501, 0.502, 1.0])


def test_colours_survive(tmp_path):
    colours = [(255, 255, 255), (0, 0, 0), (200, 150, 120), (90, 60, 50), (40, 90, 200)]
    with VideoWriter(tmp_path / "out.mp4", fps=5, crf=1) as writer:
        for colour in colours:
            writer.write(np.full((64, 64, 3), colour, np.uint8))
    for frame, colour in zip(open_media(tmp_path / "out.mp4"), colours, strict=True):
        assert np.abs(frame.image_rgb.mean((0, 1)) - colour).max() < 3.5


def test_odd_sizes_are_completed_with_their_last_row_and_column(tmp_path):
    image = np.kron(np.array([[0, 255, 60]], np.uint8), np.ones((33, 17), np.uint8))
    image = np.repeat(image[:, :, None], 3, axis=2)
    with VideoWriter(tmp_path / "odd.mp4", fps=10, crf=1) as writer:
        writer.write(image)
    reader = open_media(tmp_path / "odd.mp4")
    assert reader.size == (52, 34)
    (frame,) = reader
    assert np.abs(frame.image_rgb[:33, :51].astype(int) - image).mean() < 3
    assert np.abs(frame.image_rgb[33, 40:].astype(int) - 60).max() < 8


def test_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(tmp_path / name, fps=25) as writer:
            for index in range(30):
                writer.write(numbered(index))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_index_lies_before_the_data(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", fps=25) as writer:
        writer.write(numbered(0))
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_failure_inside_leaves_neither_a_file_nor_a_changed_one(tmp_path):
    path = tmp_path / "out.mp4"
    for before in (None, b"an older result"):
        if before is not None:
            path.write_bytes(before)
        with pytest.raises(RuntimeError, match="broken off"), VideoWriter(path, fps=25) as writer:
            writer.write(numbered(0))
            raise RuntimeError("broken off")
        assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if before is None else [before])


def test_video_without_frames_is_refused(tmp_path):
    with pytest.raises(UserError, match="there are no frames"), VideoWriter(tmp_path / "out.mp4", fps=25):
        pass
    assert list(tmp_path.iterdir()) == []


def test_frame_of_another_size_is_refused(tmp_path):
    with pytest.raises(UserError, match="160x120"), VideoWriter(tmp_path / "o.mp4", (80, 60), fps=25) as writer:
        writer.write(numbered(0))
    assert list(tmp_path.iterdir()) == []


def test_frame_without_time_needs_a_rate(tmp_path):
    with pytest.raises(ValueError, match="time of every frame"), VideoWriter(tmp_path / "o.mp4") as writer:
        writer.write(numbered(0))


def test_full_disk_is_told_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # a write beyond fails, as on a full disk
    try:
        with (
            pytest.raises(UserError, match=r"cannot write .*big\.mp4: the file would be larger than allowed"),
            VideoWriter(tmp_path / "big.mp4", fps=25, crf=0, preset="ultrafast") as writer,
        ):
            for _ in range(60):
                writer.write(noise.integers(0, 255, (120, 160, 3), dtype=np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def with_sound(path, codec, seconds=2.0, rate=44100, picture_delay_s=0.0):
    """A video of 25 frames a second with a click of sound at 1.0 s of its pictures."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate, layout="mono")
        samples = np.zeros((1, int((seconds + picture_delay_s) * rate)), np.float32)
        click = int((1.0 + picture_delay_s) * rate)
        samples[0, click : click + 2000] = 0.8
        for index in range(int(seconds * 25)):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts = index + round(picture_delay_s * 25)
            container.mux(pictures.encode(frame))
        heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        heard.sample_rate, heard.pts = rate, 0
        container.mux(sound.encode(heard))
        for stream in (pictures, sound):
            container.mux(stream.encode(None))
    return path


def click_s(path):
    """When the click is heard, from the first frame on; None without sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray().astype(np.float32)).max(0)
            if loud.max() > 0.4:
                return float(frame.pts * frame.time_base) + int(np.argmax(loud > 0.4)) / frame.sample_rate


@pytest.mark.parametrize(
    ("name", "codec", "delay_s"), [("clip.mp4", "aac", 0.0), ("clip.mov", "pcm_s16le", 0.0), ("late.mkv", "aac", 0.4)]
)
@pytest.mark.parametrize("start_s", [0.0, 0.6])
def test_sound_is_kept_at_its_time(tmp_path, name, codec, delay_s, start_s):
    source = with_sound(tmp_path / name, codec, picture_delay_s=delay_s)
    with VideoWriter(tmp_path / "out.mp4", sound_of=source) as writer, open_media(source) as media:
        for frame in media:
            if frame.time_s >= start_s:
                writer.write(frame.image_rgb, frame.time_s)
    assert click_s(tmp_path / "out.mp4") == pytest.approx(1.0 - start_s, abs=0.05)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(2.0 - start_s, abs=0.1)


def test_a_video_without_sound_or_that_is_none_stays_silent(tmp_path):
    silent, text = tmp_path / "silent.mp4", tmp_path / "text.mp4"
    with VideoWriter(silent, fps=25) as writer:
        writer.write(numbered(0))
    text.write_text("no video")
    for source in (silent, text):
        with VideoWriter(tmp_path / "out.mp4", fps=25, sound_of=source) as writer:
            writer.write(numbered(0))
        assert click_s(tmp_path / "out.mp4") is None and len(list(open_media(tmp_path / "out.mp4"))) == 1


def test_sound_that_breaks_off_does_not_stop_the_pictures(tmp_path):
    source = with_sound(tmp_path / "clip.mkv", "aac")
    content = source.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    with VideoWriter(tmp_path / "out.mp4", fps=25, sound_of=tmp_path / "cut.mkv") as writer:
        for index in range(50):
            writer.write(numbered(index))
    assert len(list(open_media(tmp_path / "out.mp4"))) == 50


def without_encoders(monkeypatch, *missing):
    has = av.Codec

    def codec(name, mode="r"):
        if name in missing:
            raise av.codec.codec.UnknownCodecError(name)
        return has(name, mode)

    monkeypatch.setattr(av, "Codec", codec)


def test_without_x264_a_video_is_vp9_with_the_same_frames_and_times(tmp_path, monkeypatch):
    without_encoders(monkeypatch, "libx264")
    times = [0.0, 0.04, 0.3, 0.31, 1.0]
    with VideoWriter(tmp_path / "out.mp4") as writer:
        for index, time_s in enumerate(times):
            writer.write(numbered(index), time_s)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "vp9"
    frames = list(open_media(tmp_path / "out.mp4"))
    assert [number_of(frame.image_rgb) for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=1e-4)


def test_without_any_encoder_there_is_one_line_and_no_file(tmp_path, monkeypatch):
    without_encoders(monkeypatch, "libx264", "libvpx-vp9")
    with (
        pytest.raises(UserError, match="no encoder of libx264 or libvpx-vp9"),
        VideoWriter(tmp_path / "a.mp4") as writer,
    ):
        writer.write(numbered(0), 0.0)
    assert list(tmp_path.iterdir()) == []
