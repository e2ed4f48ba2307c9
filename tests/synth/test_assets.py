import shutil

import numpy as np
import pytest

from actionunits.errors import UserError
from actionunits.synth.assets import EYE_SIZE, Assets, write_credits


def test_pictures_are_found_and_read_at_the_size_that_is_asked_for(assets_dir):
    assets = Assets(assets_dir)
    assert len(assets.skins) == 4 and len(assets.eyes) == 2
    skin = assets.skin("valid_White_M_1.jpg", 32)
    assert skin.shape == (32, 32, 3) and skin.dtype == np.uint8
    np.testing.assert_allclose(skin[24, 16], (200, 150, 130), atol=3)
    assert assets.skin("valid_White_M_1.jpg", 32) is skin, "read once"
    assert assets.panorama("overcast") is None
    assert assets.panorama("sunny").mean() == pytest.approx((120 / 255) ** 2.2, rel=0.02)


def test_the_iris_fills_a_quarter_of_an_eyes_radius(assets_dir):
    eye = Assets(assets_dir).eye("valid_White_M_1.jpg")
    step = (np.arange(EYE_SIZE) + 0.5) / EYE_SIZE * 2 - 1
    radius = np.hypot(*np.meshgrid(step, step))
    assert eye[radius < 0.2].max() < 0.2 < eye[(radius > 0.35) & (radius < 1)].min()


def test_the_fingerprint_tells_the_files_not_the_place(assets_dir, tmp_path):
    print_of = Assets(assets_dir).fingerprint
    copy = shutil.copytree(assets_dir, tmp_path / "copy")
    assert Assets(copy).fingerprint == print_of
    (copy / "eyes" / "valid_White_M_1.jpg").unlink()
    assert Assets(copy).fingerprint != print_of


@pytest.mark.parametrize("missing", ["skins_cyl", "eyes", "env"])
def test_a_folder_without_assets_is_told(assets_dir, missing):
    shutil.rmtree(assets_dir / missing)
    with pytest.raises(UserError, match="is no folder of assets: it needs skins_cyl"):
        Assets(assets_dir)


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("skins_cyl/valid_White_M_1.jpg", lambda assets: assets.skin("valid_White_M_1.jpg", 32)),
        ("eyes/valid_White_M_1.jpg", lambda assets: assets.eye("valid_White_M_1.jpg")),
        ("env/environments.npz", lambda assets: assets.environments),
    ],
)
@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_a_damaged_file_is_told_by_name(assets_dir, name, use, content):
    (assets_dir / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name.rsplit('/')[-1]} is .*copy the assets again"):
        use(Assets(assets_dir))


def test_credits_name_source_author_and_licence_of_what_was_used(tmp_path):
    write_credits(tmp_path, ["env/blender_city", "skins_cyl/valid_White_M_1.jpg", "env/lebombo_1k", "env/lebombo_1k"])
    rows = [line for line in (tmp_path / "CREDITS.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 3
    assert "Blender" in rows[0] and "Poly Haven" in rows[1] and "Tiffany Do" in rows[2] and "MIT" in rows[2]


def test_without_assets_there_are_no_credits(tmp_path):
    write_credits(tmp_path, [])
    assert not list(tmp_path.iterdir())
