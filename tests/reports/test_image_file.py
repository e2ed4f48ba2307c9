"""Pictures on disk: formats by suffix, complete or absent, and contact sheets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actionunits.errors import UserError
from actionunits.reports.contact_sheet import contact_sheet
from actionunits.reports.image_file import save_image
from actionunits.reports.lettering import render_label
from actionunits.reports.palette import PERSON_COLOURS, RAMP_DARK_LAB, intensity_colormap, person_colour


def gradient() -> np.ndarray:
    row = np.arange(200, dtype=np.uint8)
    return np.stack([np.tile(row, (60, 1)), np.tile(row[::-1], (60, 1)), np.full((60, 200), 40, np.uint8)], axis=2)


def test_png_keeps_every_pixel(tmp_path):
    save_image(gradient(), tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), gradient())


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_jpeg_is_close(name, tmp_path):
    save_image(gradient(), tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image).astype(int) - gradient()).mean() < 3


def test_other_suffix_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(UserError, match=r"\.png"):
        save_image(gradient(), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot write") as caught:
        save_image(gradient(), tmp_path / "file" / "a.png")
    assert "\n" not in str(caught.value)


def test_contact_sheet_holds_every_picture_in_reading_order(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    tiles = [np.full((100, 200, 3), colour, np.uint8) for colour in colours]
    contact_sheet(tiles, ["one", "two words that need more than one line of this column", ""], tmp_path / "s.png", 2)
    sheet = np.asarray(Image.open(tmp_path / "s.png").convert("RGB")).astype(int)
    centres = [np.argwhere((sheet == colour).all(axis=2)).mean(axis=0) for colour in colours]
    assert all(((sheet == colour).all(axis=2)).sum() == 100 * 200 for colour in colours)
    assert centres[0][0] == centres[1][0] < centres[2][0]
    assert centres[0][1] == centres[2][1] < centres[1][1]


def test_a_sheet_has_letters_in_vector_formats(tmp_path):
    for name in ("s.svg", "s.pdf"):
        contact_sheet([gradient()], ["Cost: $5, $6"], tmp_path / name, 1)
    assert (
        ">Cost: $5, $6</text>" in (tmp_path / "s.svg").read_text()
        and (tmp_path / "s.pdf").read_bytes()[:4] == b"%PDF"
    )
    with pytest.raises(UserError, match=r"figures end in \.png, \.jpg, \.jpeg, \.svg, \.pdf"):
        contact_sheet([gradient()], ["x"], tmp_path / "s.gif", 1)


def test_contact_sheet_takes_grey_and_mixed_sizes(tmp_path):
    pictures = [np.zeros((50, 40), np.uint8), np.zeros((300, 900, 3), np.uint8)]
    contact_sheet(pictures, ["grey", "wide"], tmp_path / "s.jpg", 5)
    assert Image.open(tmp_path / "s.jpg").width == 2 * 640 + 3 * 12


def test_contact_sheet_wants_one_caption_per_picture(tmp_path):
    with pytest.raises(ValueError, match="1 pictures, 0 captions"):
        contact_sheet([gradient()], [], Path(tmp_path / "s.png"), 2)


def test_labels_of_one_size_share_a_height_and_have_ink():
    low, high = render_label("acenou", 14), render_label("ÅQgj|", 14)
    assert low.height_px == high.height_px
    assert low.coverage.max() == 255
    assert render_label("acenou", 14) is low


def test_intensity_ramp_is_perceptually_even_and_falls_in_lightness():
    from skimage.color import rgb2lab

    lab = rgb2lab(intensity_colormap()(np.linspace(0, 1, 17))[:, :3])
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert (np.diff(lab[:, 0]) < 0).all()
    assert steps.std() / steps.mean() < 0.1
    assert lab[-1, 0] == pytest.approx(RAMP_DARK_LAB[0], abs=1.5)


def test_people_have_different_colours_until_they_repeat():
    count = len(PERSON_COLOURS)
    assert len({person_colour(k) for k in range(count)}) == count
    assert person_colour(count) == person_colour(0)
