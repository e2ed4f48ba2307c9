import shutil

import numpy as np
import pytest

from actionunits.errors import UserError
from actionunits.synth.facekit import (
    EXPRESSIONS,
    EYE_LEFT,
    EYE_RIGHT,
    FACE,
    LANDMARK_VERTICES,
    MATERIALS,
    VERTICES,
    read_facekit,
)


@pytest.fixture(scope="module")
def obj_kit(facekit_dir):
    return read_facekit(facekit_dir / "FaceXModel", missing_shapes="zero")


def test_obj_folder_and_packed_file_are_the_same_mesh(kit, obj_kit):
    np.testing.assert_allclose(obj_kit.neutral, kit.neutral, atol=1e-4)
    np.testing.assert_array_equal(obj_kit.faces, kit.faces)
    np.testing.assert_array_equal(obj_kit.face_uv, kit.face_uv)
    np.testing.assert_array_equal(obj_kit.face_material, kit.face_material)
    np.testing.assert_allclose(obj_kit.uv, kit.uv, atol=1e-5)


def test_shapes_of_the_obj_folder_are_those_of_the_packed_file(facekit_dir, kit, obj_kit):
    held = {path.stem for path in (facekit_dir / "FaceXModel").glob("*.obj")}
    expressions = [k for k, name in enumerate(EXPRESSIONS) if name in held]
    identities = [k for k in range(100) if f"identity{k:03d}" in held]
    assert expressions and identities
    # The packed offsets are half-precision numbers of up to some centimetres.
    np.testing.assert_allclose(obj_kit.expression[expressions], kit.expression[expressions], atol=2e-3)
    np.testing.assert_allclose(obj_kit.identity[identities], kit.identity[identities], atol=2e-3)
    for k in expressions:
        assert np.abs(obj_kit.expression[k]).max() > 0.1
    absent = [k for k in range(len(EXPRESSIONS)) if k not in expressions]
    assert not obj_kit.expression[absent].any()


def test_a_missing_shape_is_named(facekit_dir):
    with pytest.raises(UserError, match=r"FaceXModel lacks \d+ of 100 files .*first is identity\d{3}\.obj") as error:
        read_facekit(facekit_dir / "FaceXModel")
    assert "\n" not in str(error.value)


def test_packed_file_is_found_by_name_and_by_folder(facekit_dir, kit):
    again = read_facekit(facekit_dir / "ict_facekit.npz")
    np.testing.assert_array_equal(again.expression, kit.expression)


def test_model_is_in_the_space_that_its_documentation_says(kit):
    assert kit.neutral.shape == (VERTICES, 3)
    assert kit.face_material.max() < len(MATERIALS) and kit.faces.max() < VERTICES
    points = kit.neutral[LANDMARK_VERTICES]
    assert points[45, 0] > 0 > points[36, 0], "the person's own left is at positive x"
    assert points[27, 1] > points[8, 1], "y is up"
    assert points[30, 2] > points[0, 2], "z is toward the viewer"
    assert 8 < np.linalg.norm(points[36] - points[45]) < 11, "centimetres"
    assert kit.neutral[EYE_LEFT, 0].min() > 0 > kit.neutral[EYE_RIGHT, 0].max()


def test_one_sided_shapes_move_their_own_side(kit):
    x = kit.neutral[FACE, 0]
    for name in ("browDown", "mouthSmile", "eyeBlink", "noseSneer", "mouthFrown"):
        for side, sign in (("L", 1), ("R", -1)):
            moved = np.linalg.norm(kit.expression[EXPRESSIONS.index(f"{name}_{side}")][FACE], axis=1)
            assert moved[sign * x > 0.5].sum() > 5 * moved[sign * x < -0.5].sum(), f"{name}_{side}"


def test_what_is_no_face_model_is_told_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no face model in .*ict_facekit\.npz"):
        read_facekit(tmp_path)
    with pytest.raises(UserError, match=r"no face model in .*nowhere"):
        read_facekit(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no face model in .*missing\.npz"):
        read_facekit(tmp_path / "missing.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 torn"])
def test_a_file_that_is_no_archive_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "ict_facekit.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a packed ICT Face Model Light") as error:
        read_facekit(tmp_path)
    assert "\n" not in str(error.value)


def test_an_archive_of_something_else_is_told_in_one_line(tmp_path):
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    with pytest.raises(UserError, match="not a packed ICT Face Model Light"):
        read_facekit(tmp_path / "other.npz")


def write_packed(path, kit, **changed):
    arrays = {
        "neutral": kit.neutral,
        "identity": kit.identity[:1],
        "expression": kit.expression,
        "expression_names": np.array(EXPRESSIONS),
        "faces": kit.faces,
        "uv": kit.uv,
        "face_uv": kit.face_uv,
        "face_material": kit.face_material,
        "materials": np.array(MATERIALS),
    }
    np.savez(path, **{**arrays, **changed})


def test_order_of_shapes_in_the_packed_file_does_not_matter(tmp_path, kit):
    order = np.random.default_rng(0).permutation(len(EXPRESSIONS))
    write_packed(
        tmp_path / "a.npz", kit, expression=kit.expression[order], expression_names=np.array(EXPRESSIONS)[order]
    )
    np.testing.assert_array_equal(read_facekit(tmp_path / "a.npz").expression, kit.expression)


def test_another_mesh_is_refused(tmp_path, kit):
    write_packed(
        tmp_path / "a.npz",
        kit,
        neutral=kit.neutral[:500],
        identity=kit.identity[:1, :500],
        expression=kit.expression[:, :500],
    )
    with pytest.raises(UserError, match=r"expected 26719 vertices .* found 500"):
        read_facekit(tmp_path / "a.npz")
    write_packed(tmp_path / "b.npz", kit, expression_names=np.array([f"shape{k}" for k in range(len(EXPRESSIONS))]))
    with pytest.raises(UserError, match="not a packed ICT Face Model Light"):
        read_facekit(tmp_path / "b.npz")


def test_a_damaged_obj_file_is_told_in_one_line(tmp_path, facekit_dir):
    folder = tmp_path / "FaceXModel"
    folder.mkdir()
    source = facekit_dir / "FaceXModel"
    shutil.copy(source / "generic_neutral_mesh.obj", folder)
    text = (source / "jawOpen.obj").read_text()
    (folder / "jawOpen.obj").write_text(text[: len(text) // 12])
    with pytest.raises(UserError, match=r"jawOpen\.obj has \d+ vertices|jawOpen\.obj is damaged") as error:
        read_facekit(folder, missing_shapes="zero")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["", "v 1 2\n", "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n", "v a b c\n", "usemtl M_Face\nf 1 2 3\n"],
)
def test_an_obj_of_something_else_is_told_in_one_line(tmp_path, text):
    (tmp_path / "generic_neutral_mesh.obj").write_text(text)
    with pytest.raises(UserError) as error:
        read_facekit(tmp_path, missing_shapes="zero")
    assert "\n" not in str(error.value)
