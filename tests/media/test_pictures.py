"""Unusual and damaged picture files: formats, depth, size, pages."""

import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from actionunits.errors import UserError
from actionunits.media import images, open_media, read_image
from actionunits.media.images import Content, contents, read_image_reduced

TEXTURE = np.kron(
    np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8)
)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def heic(path: Path, picture: np.ndarray) -> Path:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(picture)).save(path, quality=100, chroma=444)
    return path


def test_photographs_of_iphones_are_read_whole_alone_and_in_folders(tmp_path):
    path = heic(tmp_path / "phone.heic", TEXTURE)
    Image.fromarray(TEXTURE).save(tmp_path / "a.png")
    for source in (path, tmp_path, str(tmp_path / "*")):
        frame = list(open_media(source))[-1]
        assert frame.source == str(path)
        assert np.abs(frame.image_rgb.astype(int) - TEXTURE).mean() < 4


def test_collected_pictures(cases_dir):
    reader = open_media(cases_dir / "iphone_grid.heic")
    assert (reader.kind, reader.size) == ("image", (1024, 1024))
    with pytest.raises(UserError, match=r"0059_junk\.avif: the picture is damaged \(.*\)$"):
        open_media(cases_dir / "0059_junk.avif")


def test_postscript_under_another_name_is_never_handed_to_another_program(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    monkeypatch.setattr(subprocess, "check_call", lambda *args, **options: pytest.fail("another program was called"))
    with pytest.raises(UserError, match=r"x\.jpg: not a picture"):
        open_media(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("shape", [(96, 128), (96, 128, 3)], ids=["grey", "colour"])
def test_values_of_fewer_bits_in_16_bit_samples_are_scaled_and_told(tmp_path, suffix, bits, shape):
    levels = TEXTURE[..., 0] if len(shape) == 2 else TEXTURE
    path = tmp_path / f"deep{suffix}"
    cv2.imwrite(str(path), np.rint(levels / 255 * (2**bits - 1)).astype(np.uint16)[..., ::-1] if levels.ndim == 3
                else np.rint(levels / 255 * (2**bits - 1)).astype(np.uint16))  # fmt: skip
    reader = open_media(path)
    (frame,) = reader
    expected = np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels
    assert np.abs(frame.image_rgb.astype(int) - expected).max() <= 1
    assert reader.notes == [f"{path}: 16-bit samples hold values of {bits} bits: {2**bits - 1} is shown as white"]


def test_a_picture_that_is_too_large_is_reduced_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "REDUCED_ABOVE_PIXELS", 128 * 96 // 3)
    half = TEXTURE[::2, ::2]
    for name in ("grey.png", "rgb.jpg", "rgb.png", "palette.png", "turned.jpg", "turned.tif", "rgba.webp"):
        path, image, options = tmp_path / name, Image.fromarray(TEXTURE), {}
        expected = half
        if name == "grey.png":
            image = image.convert("L")
            expected = np.repeat(np.asarray(image)[::2, ::2, None], 3, axis=2)
        if name == "palette.png":
            image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
        if name == "rgba.webp":
            image, options = image.convert("RGBA"), {"lossless": True}
        if name.startswith("turned"):
            exif = Image.Exif()
            exif[0x0112] = 6
            options, expected = {"exif": exif}, np.rot90(half, -1)
        if name.endswith("jpg"):
            options |= {"quality": 100, "subsampling": 0}
        image.save(path, **options)
        reader = open_media(path)
        (frame,) = reader
        assert frame.image_rgb.shape == expected.shape, name
        assert np.abs(frame.image_rgb.astype(int) - expected).mean() < 3, name
        assert len(reader.notes) == 1 and "reduced from" in reader.notes[0] and str(path) in reader.notes[0]


def test_a_picture_that_is_only_turned_has_nothing_to_tell(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("turned.tif", "turned.jpg", "turned.png"):
        reader = open_media(saved(tmp_path / name, Image.fromarray(TEXTURE), exif=exif))
        assert [frame.image_rgb.shape for frame in reader] == [(128, 96, 3)]
        assert reader.notes == []


def test_the_factor_of_a_reduced_picture_counts_the_limit(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", Image.fromarray(TEXTURE))
    assert read_image_reduced(path, 1)[1] == 1
    monkeypatch.setattr(images, "REDUCED_ABOVE_PIXELS", 128 * 96 // 3)
    picture, factor = read_image_reduced(path, 1)
    assert (picture.shape, factor) == ((48, 64, 3), 2)


def test_no_warning_of_large_pictures_and_a_limit_in_words(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", Image.fromarray(TEXTURE))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).shape == TEXTURE.shape
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(images, "_MOST_PIXELS", 12_000)
    with pytest.raises(UserError, match=r"a\.png: 128x96 are more than 12,000 pixels"):
        open_media(path)


@pytest.mark.slow
def test_a_photograph_of_200_megapixels_takes_less_than_a_gigabyte(tmp_path):
    path = tmp_path / "phone.jpg"
    Image.new("RGB", (16320, 12240), (90, 120, 150)).save(path)
    code = (
        "import re, sys; from actionunits.media import open_media; reader = open_media(sys.argv[1]);"
        "peak_kb = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1];"
        "print(reader.size, int(peak_kb) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    size, peak_mb = done.stdout.rsplit(" ", 1)
    assert size == "(8160, 6120)" and int(peak_mb) < 1000 and done.stderr == ""


def test_every_page_of_a_tiff_is_a_picture(tmp_path):
    pages = [Image.new("L", (8, 6), value) for value in (10, 20, 30)]
    path = tmp_path / "stack.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    reader = open_media(path)
    frames = list(reader)
    assert [int(frame.image_rgb.mean()) for frame in frames] == [10, 20, 30]
    assert (reader.kind, {f.time_s for f in frames}, {f.source for f in frames}) == ("images", {0.0}, {str(path)})
    assert [frame.time_s for frame in open_media(path, fps=10)] == pytest.approx([0, 0.1, 0.2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with open_media(path) as reader:
        assert 0 < len(list(reader)) < 4


def test_a_preview_behind_a_photograph_makes_it_no_video(tmp_path):
    small = saved(tmp_path / "small.jpg", Image.fromarray(TEXTURE[:32, :32])).read_bytes()
    path = saved(tmp_path / "phone.jpg", Image.fromarray(TEXTURE))
    photograph = path.read_bytes()
    path.write_bytes(photograph + small)
    assert contents(path) is Content.PICTURE
    path.write_bytes(photograph + photograph)
    assert contents(path) is Content.JPEG_RUN
    assert len(list(open_media(path))) == 2
