"""What a user may name: folders and patterns of all sorts, standard input, addresses, odd files."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from numbered_video import number_of
from PIL import Image

from actionunits.errors import UserError
from actionunits.media import expand, open_media


def gif(path: Path, frames: int) -> Path:
    pictures = [Image.new("L", (8, 6), 50 * k) for k in range(frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    return path


@pytest.fixture
def mixed(tmp_path: Path, clip: Callable[..., Path]) -> Path:
    """A folder of two photographs, a video, an animation, a stack of pages and foreign files."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("b2.png", "b10.jpg"):
        Image.new("RGB", (8, 6)).save(folder / name)
    gif(folder / "still.gif", 1)
    gif(folder / "moving.gif", 3)
    pages = [Image.new("L", (8, 6), k) for k in (1, 2)]
    pages[0].save(folder / "stack.tif", save_all=True, append_images=pages[1:])
    clip("clip.mp4", 3).rename(folder / "clip.mp4")
    (folder / "notes.txt").write_text("Dear diary")
    (folder / ".hidden.mp4").write_bytes(b"")
    (folder / "inner").mkdir()
    return folder


@pytest.mark.parametrize("pattern", ["", "/*"], ids=["folder", "pattern"])
def test_nothing_in_a_folder_or_pattern_is_dropped(mixed, pattern):
    named = f"{mixed}{pattern}"
    own = [str(mixed / name) for name in ("clip.mp4", "moving.gif", "stack.tif")]
    assert expand(named) == [named, *own]
    with open_media(named) as reader:
        assert [Path(frame.source).name for frame in reader] == ["b2.png", "b10.jpg", "still.gif"]
    assert reader.notes == [
        f"{named}: inputs of their own, not read with the photographs: clip.mp4, moving.gif, stack.tif"
    ]
    assert [len(list(open_media(source))) for source in own] == [3, 3, 2]


def test_a_folder_without_photographs_is_its_videos(tmp_path, clip):
    one = clip("one.mp4", 2)
    assert expand(str(tmp_path)) == [str(one)]
    assert len(list(open_media(tmp_path))) == 2
    two = gif(tmp_path / "two.gif", 2)
    assert expand(str(tmp_path)) == expand(str(tmp_path / "*")) == [str(one), str(two)]
    with pytest.raises(
        UserError, match=r"holds 2 inputs and no photograph: one\.mp4, two\.gif; name them one by one"
    ):
        open_media(tmp_path)


@pytest.mark.parametrize("named", ["missing.jpg", "webcam:0", "-", "rtsp://camera/*", "", "nothing/*.jpg"])
def test_other_words_stand_for_themselves(named):
    assert expand(named) == [named]


def test_files_of_any_name_that_a_pattern_matches_are_told_by_content(tmp_path, clip):
    clip("one.mp4", 2).rename(tmp_path / "take_one")
    Image.new("RGB", (8, 6)).save(tmp_path / "take_two", format="PNG")
    pattern = str(tmp_path / "take_*")
    assert expand(pattern) == [pattern, str(tmp_path / "take_one")]
    assert [frame.source for frame in open_media(pattern)] == [str(tmp_path / "take_two")]


def test_an_animation_among_named_pictures_is_refused(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"moving\.gif is not a picture; several inputs"):
        open_media([tmp_path / "a.png", gif(tmp_path / "moving.gif", 2)])


def test_links_that_lead_nowhere_are_told_and_the_rest_is_read(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "gone.jpg").symlink_to("no such file")
    with open_media(tmp_path) as reader:
        assert [Path(frame.source).name for frame in reader] == ["a.png"]
    assert str(reader.damage).startswith("2 of 3 pictures left out; first: cannot read")
    with pytest.raises(UserError, match=r"self\.jpg: it is a link that leads back to itself"):
        open_media(tmp_path / "self.jpg")
    with pytest.raises(UserError, match=r"gone\.jpg: no such file"):
        open_media(tmp_path / "gone.jpg")


def test_what_the_system_refuses_is_told(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="the name is too long"):
        open_media(tmp_path / ("v" * 300 + ".mp4"))
    with pytest.raises(UserError, match="the name holds a null byte"):
        open_media("a\0b.jpg")
    with pytest.raises(UserError, match="has no name"):
        open_media("")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)  # the tests may run as root, whom no file mode stops
    with pytest.raises(UserError, match=r"cannot list the folder .*: no permission"):
        open_media(tmp_path)
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(UserError, match=r"locked\.jpg: no permission"):
        open_media(tmp_path / "locked.jpg")


@pytest.mark.parametrize("in_folder", [False, True])
def test_a_pipe_or_device_is_refused_at_once(tmp_path, in_folder):
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match="plain file" if in_folder else "it is a pipe"):
        open_media(tmp_path if in_folder else pipe)
    with pytest.raises(UserError, match="/dev/null: it is not a plain file"):
        open_media("/dev/null")


def test_a_name_that_is_not_utf8_is_a_picture(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    Image.new("RGB", (8, 6)).save(path)
    for source in (path, tmp_path):
        assert [frame.source for frame in open_media(source)] == [str(path)]


@pytest.mark.parametrize("address", ["https://example.org/x.mp4", "rtsp://camera/stream", "concat://a.mp4"])
def test_addresses_are_refused_unless_asked_for(address):
    with pytest.raises(UserError, match="addresses are not read; download the file, or pass --allow-network") as told:
        open_media(address)
    assert address in str(told.value)


def test_an_address_that_was_asked_for_is_opened(clip):
    path = clip("a.mp4", 3)
    with open_media(f"file://{path}", allow_network=True) as reader:
        assert [number_of(frame.image_rgb) for frame in reader] == [0, 1, 2]
    with pytest.raises(UserError, match=r"cannot read http://127\.0\.0\.1:9/x\.mp4: it cannot be reached"):
        open_media("http://127.0.0.1:9/x.mp4", allow_network=True)


def test_a_file_cannot_make_the_program_read_an_address(tmp_path):
    playlist = tmp_path / "clip.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UserError):
        open_media(playlist)


def pipe_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        # Who reads may leave before the end.
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=write, daemon=True).start()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("video", ["index_last.mp4", "stream.ts"])
def test_a_video_from_standard_input(clip, monkeypatch, name, video):
    pipe_in(monkeypatch, clip(video, 20).read_bytes())
    with open_media(name) as reader:
        assert [number_of(frame.image_rgb) for frame in reader] == list(range(20))
    assert (reader.kind, reader.sources, reader.damage) == ("video", ("-",), None)
    with pytest.raises(UserError, match="nothing comes, or it was read before"):
        open_media(name)


def test_a_long_stream_from_standard_input_is_not_held_in_memory(clip, monkeypatch):
    monkeypatch.setattr("actionunits.media.standard_input._IN_MEMORY_BYTES", 1000)
    pipe_in(monkeypatch, clip("stream.ts", 20).read_bytes())
    with open_media("-") as reader:
        assert [number_of(frame.image_rgb) for frame in reader] == list(range(20))
    pipe_in(monkeypatch, clip("index_last.mp4", 60, options={"crf": "0"}).read_bytes())
    with pytest.raises(UserError, match="save it to a file"):
        open_media("-")


def test_pictures_from_standard_input(tmp_path, monkeypatch):
    Image.new("RGB", (8, 6), (200, 200, 200)).save(tmp_path / "a.png")
    pipe_in(monkeypatch, (tmp_path / "a.png").read_bytes())
    (frame,) = reader = open_media("-")
    assert (reader.kind, frame.source, frame.image_rgb.mean()) == ("image", "-", 200)
    pipe_in(monkeypatch, gif(tmp_path / "a.gif", 3).read_bytes())
    assert len(list(open_media("-"))) == 3


def test_a_file_as_standard_input_is_that_file(tmp_path, monkeypatch):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        monkeypatch.setattr("actionunits.media.standard_input.NAMES", ("-", str(tmp_path / "a.png")))
        assert len(list(open_media("-"))) == 1
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="standard input: it is closed"):
        open_media("-")


@pytest.mark.parametrize("fps", [0, -25, float("nan"), float("inf"), 1e308, 1e-300])
def test_a_rate_that_is_none_is_refused(tmp_path, fps):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="pictures per second"):
        open_media(tmp_path, fps=fps)


@pytest.mark.parametrize("webcam", ["webcam:99999999999", "webcam:-1", "webcam:٣", "webcam:"])
def test_a_webcam_that_cannot_be_is_refused(webcam):
    with pytest.raises(UserError, match=webcam):
        open_media(webcam)
