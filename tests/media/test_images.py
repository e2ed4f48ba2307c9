"""Photographs, folders, patterns, animations and webcams."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actionunits.errors import UserError
from actionunits.media import open_media, read_image

GRID = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
LEVELS_16 = np.linspace(0, 65535, 35).astype(np.uint16).reshape(5, 7)
LEVELS_8 = np.rint(LEVELS_16 / 257).astype(np.uint8)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def grey_rgb(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[:, :, None], 3, axis=2)


def test_photograph_is_one_frame_at_time_zero(tmp_path):
    path = saved(tmp_path / "face.png", Image.fromarray(GRID))
    reader = open_media(str(path))
    assert (reader.kind, reader.sources, reader.frame_count, reader.size) == ("image", (str(path),), 1, (7, 5))
    (frame,) = reader
    np.testing.assert_array_equal(frame.image_rgb, GRID)
    assert (frame.index, frame.time_s, frame.source) == (0, 0.0, str(path))
    assert (reader.decoded, reader.damage, reader.fps) == (1, None, None)
    assert frame.image_rgb.flags.writeable and frame.image_rgb.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    # How a camera stores the upright picture, by the definition in the EXIF standard (6.2: row 0 and column 0).
    stored = {
        1: GRID,
        2: GRID[:, ::-1],
        3: GRID[::-1, ::-1],
        4: GRID[::-1],
        5: GRID.swapaxes(0, 1),
        6: np.rot90(GRID, 1),
        7: GRID.swapaxes(0, 1)[::-1, ::-1],
        8: np.rot90(GRID, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "phone.png", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    np.testing.assert_array_equal(read_image(path), GRID)


def test_grey_palette_and_bilevel_become_rgb(tmp_path):
    grey = GRID[:, :, 0]
    path = saved(tmp_path / "l.png", Image.fromarray(grey))
    np.testing.assert_array_equal(read_image(path), grey_rgb(grey))
    few = (GRID // 86) * 86
    path = saved(tmp_path / "p.png", Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE))
    np.testing.assert_array_equal(read_image(path), few)
    path = saved(tmp_path / "1.png", Image.fromarray(grey > 99))
    np.testing.assert_array_equal(read_image(path), grey_rgb(np.where(grey > 99, 255, 0)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGB with a transparent colour"])
def test_transparency_is_laid_on_mid_grey(tmp_path, mode):
    levels = np.full((4, 4), 200, np.uint8)
    alpha = np.array([[255, 255, 0, 0]] * 4, np.uint8)
    path = tmp_path / "cut_out.png"
    if mode == "RGBA":
        Image.fromarray(np.dstack([levels, levels, levels, alpha])).save(path)
    elif mode == "LA":
        Image.merge("LA", [Image.fromarray(levels), Image.fromarray(alpha)]).save(path)
    elif mode == "PA":
        indices = Image.fromarray((alpha == 0).astype(np.uint8)).convert("P")
        indices.putpalette([200, 200, 200, 9, 9, 9])
        indices.save(path, transparency=1)
    else:
        levels[:, 2:] = 7
        Image.fromarray(grey_rgb(levels)).save(path, transparency=(7, 7, 7))
    expected = grey_rgb(np.array([[200, 200, 128, 128]] * 4, np.uint8))
    np.testing.assert_array_equal(read_image(path), expected)


def test_half_transparent_pixel_is_mixed_with_the_ground(tmp_path):
    path = saved(tmp_path / "half.png", Image.new("RGBA", (1, 1), (228, 28, 128, 128)))
    assert np.abs(read_image(path)[0, 0].astype(int) - [178, 78, 128]).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_from_its_full_range(tmp_path, suffix):
    path = saved(tmp_path / f"deep{suffix}", Image.fromarray(LEVELS_16))
    np.testing.assert_array_equal(read_image(path), grey_rgb(LEVELS_8))


def test_big_endian_16_bit_grey(tmp_path):
    path = tmp_path / "deep.pgm"
    path.write_bytes(b"P5 7 5 65535\n" + LEVELS_16.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(path), grey_rgb(LEVELS_8))


@pytest.mark.parametrize(("white", "kind"), [(1.0, "float32"), (255.0, "float32"), (65535, "int32")])
def test_32_bit_grey_is_scaled_by_the_white_it_fits(tmp_path, white, kind):
    levels = (LEVELS_16 / 65535 * white).astype(kind)
    path = saved(tmp_path / "deep.tif", Image.fromarray(levels))
    assert np.abs(read_image(path).astype(int) - grey_rgb(LEVELS_8)).max() <= 1


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(tmp_path / "print.tif", Image.new("CMYK", (4, 4), (0, 255, 255, 0)))
    np.testing.assert_array_equal(read_image(path)[0, 0], [255, 0, 0])
    path = saved(tmp_path / "print.jpg", Image.new("CMYK", (16, 16), (255, 0, 255, 0)), quality=100)
    assert np.abs(read_image(path)[8, 8].astype(int) - [0, 255, 0]).max() <= 3


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animation_gives_frames_at_its_own_times(tmp_path, suffix):
    pictures = [Image.new("RGB", (8, 6), (value, value, value)) for value in (0, 100, 200)]
    path = tmp_path / f"moving{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 250, 50], lossless=True)
    reader = open_media(path)
    frames = list(reader)
    assert (reader.kind, reader.frame_count, reader.decoded, reader.damage) == ("video", 3, 3, None)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.35])
    assert [int(frame.image_rgb.mean()) for frame in frames] == [0, 100, 200]


def test_broken_animation_gives_the_frames_before_the_damage(tmp_path):
    pictures = [Image.fromarray(np.roll(np.kron(GRID, np.ones((8, 8, 1), np.uint8)), k, 1)) for k in range(8)]
    path = tmp_path / "moving.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    reader = open_media(path)
    assert 2 < len(list(reader)) < 7
    assert reader.damage is not None and "breaks off" in reader.damage


def test_folder_is_read_in_natural_order_without_foreign_and_hidden_files(tmp_path):
    for name in ("f10.png", "f9.PNG", "f1.jpg", ".f0.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "inner").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "inner" / "f2.png")
    reader = open_media(tmp_path)
    assert [Path(frame.source).name for frame in reader] == ["f1.jpg", "f9.PNG", "f10.png"]
    assert (reader.kind, reader.frame_count) == ("images", 3)


def test_pattern_and_list_name_several_pictures(tmp_path):
    for name in ("a10.png", "a2.png", "b1.png", "a3.txt"):
        Image.new("RGB", (4, 4)).save(tmp_path / name, format="PNG")
    frames = list(open_media(str(tmp_path / "a*.png")))
    assert [Path(frame.source).name for frame in frames] == ["a2.png", "a10.png"]
    assert [(frame.index, frame.time_s) for frame in frames] == [(0, 0.0), (1, 0.0)]
    frames = list(open_media([tmp_path / "b1.png", str(tmp_path / "a3.txt")]))  # as named; content counts
    assert [Path(frame.source).name for frame in frames] == ["b1.png", "a3.txt"]


def test_pictures_are_a_sequence_when_a_rate_is_given(tmp_path):
    for k in range(3):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{k}.png")
    assert [frame.time_s for frame in open_media(tmp_path, fps=25)] == [0.0, 0.04, 0.08]


def test_file_named_like_a_pattern_is_a_file(tmp_path):
    path = saved(tmp_path / "face[1].png", Image.fromarray(GRID))
    assert [frame.source for frame in open_media(str(path))] == [str(path)]


def test_broken_picture_among_others_is_left_out_and_told(tmp_path):
    for k in range(4):
        Image.fromarray(np.kron(GRID, np.ones((16, 16, 1), np.uint8))).save(tmp_path / f"{k}.jpg")
    broken = tmp_path / "1.jpg"
    broken.write_bytes(broken.read_bytes()[:-400])
    reader = open_media(tmp_path, fps=10)
    assert [(f.index, round(f.time_s, 3), Path(f.source).name) for f in reader] == [
        (0, 0.0, "0.jpg"),
        (1, 0.2, "2.jpg"),
        (2, 0.3, "3.jpg"),
    ]
    assert reader.damage is not None and str(broken) in reader.damage and "damaged" in reader.damage


def test_unusable_input_is_told_in_one_line_with_its_name(tmp_path):
    (tmp_path / "text.jpg").write_text("Dear diary")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "vacant").mkdir()
    whole = saved(tmp_path / "whole.png", Image.fromarray(GRID))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:-60])
    video = tmp_path / "video.mp4"
    video.write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    cases = {
        tmp_path / "missing.jpg": "no such file",
        tmp_path / "text.jpg": "not a picture",
        tmp_path / "empty.jpg": "the file is empty",
        tmp_path / "cut.png": "damaged",
        tmp_path / "vacant": "no pictures in the folder",
        str(tmp_path / "*.bmp"): "no file matches",
        "webcam:front": "write its number",
    }
    for source, reason in cases.items():
        with pytest.raises(UserError, match=reason) as caught:
            open_media(source)
        assert str(source) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="must all be pictures"):
        open_media([whole, video])
    with pytest.raises(UserError, match="no input"):
        open_media([])


def test_unreadable_file_is_told(tmp_path, monkeypatch):
    path = saved(tmp_path / "locked.png", Image.fromarray(GRID))

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)  # the tests may run as root, whom no file mode stops
    with pytest.raises(UserError, match=r"locked\.png: no permission"):
        open_media(path)


class FakeCapture:
    """Stands for cv2.VideoCapture: three blue pictures, then the plug is pulled."""

    released = 0

    def __init__(self, index: int) -> None:
        self.index, self.left = index, 3

    def isOpened(self) -> bool:
        return self.index == 0

    def get(self, _property: int) -> float:
        return 30.0

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((2, 3, 3), (255, 0, 0), np.uint8)

    def release(self) -> None:
        FakeCapture.released += 1


def test_webcam_gives_rgb_with_rising_times_and_is_released(monkeypatch):
    cv2 = pytest.importorskip("cv2")
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "released", 0)
    reader = open_media("webcam:0")
    frames = list(reader)
    assert (reader.kind, reader.frame_count, reader.fps, reader.size) == ("webcam", None, 30.0, (3, 2))
    assert frames[0].image_rgb[0, 0].tolist() == [0, 0, 255]
    times = [frame.time_s for frame in frames]
    assert len(times) == 3 and times[0] == 0 and times == sorted(times)
    assert reader.damage is not None and "after 3 frames" in reader.damage
    with open_media("webcam:0") as reader:
        next(reader)
    assert FakeCapture.released == 2
    with pytest.raises(UserError, match="webcam:7 cannot be opened"):
        open_media("webcam:7")
