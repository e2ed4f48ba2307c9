import numpy as np
import pytest

from actionunits.synth import photo_skin
from actionunits.synth.assets import Assets
from actionunits.synth.photo_skin import SkinPhotographs
from actionunits.synth.skin import TEXTURE_SIZE


@pytest.fixture
def photographs(casting, assets_dir):
    return SkinPhotographs(casting.painter, Assets(assets_dir))


def test_skins_follow_their_seed_and_name_the_pictures_they_are_made_of(photographs, assets_dir):
    skins = [photographs.sample(np.random.default_rng(seed)) for seed in range(8)]
    again = photographs.sample(np.random.default_rng(0))
    np.testing.assert_array_equal(skins[0].albedo_gloss, again.albedo_gloss)
    for skin in skins:
        assert skin.photographed and skin.eye_disc.size
        assert np.isfinite(skin.albedo_gloss).all() and (skin.albedo_gloss >= 0).all()
        assert all((assets_dir / name).is_file() for name in skin.sources)
    assert len({skin.sources for skin in skins}) > 2


def test_a_bald_picture_gets_the_hair_of_another(photographs, monkeypatch):
    monkeypatch.setattr(photo_skin, "HAIR_SHARE", 1.0)
    photographs.assets.skins = ("makehuman_young_lightskinned_male_diffuse.jpg", "valid_White_M_1.jpg")
    skins = [photographs.sample(np.random.default_rng(seed)) for seed in range(6)]
    bald = [skin for skin in skins if "makehuman" in skin.sources[0]]
    assert bald
    for skin in bald:
        assert skin.hairy and "skins_cyl/valid_White_M_1.jpg" in skin.sources
        crown, cheek = (
            skin.albedo_gloss[photo_skin.CROWN][..., :3].mean(),
            skin.albedo_gloss[190:200, 200:250, :3].mean(),
        )
        assert crown < 0.4 * cheek


@pytest.mark.parametrize("shift_cm", [-0.4, 0.4])
def test_brows_that_lie_too_high_or_low_are_moved(photographs, monkeypatch, shift_cm):
    height = photographs.painter.height_cm[:, 0]
    colour = np.full((TEXTURE_SIZE, TEXTURE_SIZE, 3), 200, np.float32)
    brow = np.abs(height - photo_skin.BROW_HEIGHT_CM - shift_cm) < 0.2
    colour[brow, 150:300] = 60
    photographs._set_brows(np.random.default_rng(0), colour)
    dark = 200 - colour[:, 180, 0]
    assert (dark * height).sum() / dark.sum() == pytest.approx(photo_skin.BROW_HEIGHT_CM, abs=0.2)
