import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from skimage import data

from actionunits.errors import UserError
from actionunits.evaluation.blendshapes import (
    BLENDSHAPES,
    BlendshapeReader,
    agreement,
    lip_gap,
    median_r,
    read_blendshapes,
)
from actionunits.faces import FaceFinder
from actionunits.models.layers.blendshapes import POINTS, BlendshapeNet
from actionunits.types import Frame


def tables(frames=60, seed=0):
    rng = np.random.default_rng(seed)
    smile, brow = rng.random(frames), 0.1 * rng.random(frames)
    readings = pd.DataFrame({"frame": np.arange(1, frames + 1), "AU01": brow, "AU12": smile, "AU09": 1e-6 * smile})
    detections = pd.DataFrame(
        {"frame": np.arange(1, frames + 1), "face_id": 0, "success": 1, "AU12_r": 5 * smile, "AU01_r": 0.5}
    )
    return detections.assign(AU09_r=rng.random(frames)), readings


def test_r_is_one_for_what_follows_and_missing_for_what_is_flat():
    table = agreement(*tables()).set_index("au")
    assert table.loc["AU12", "r"] == pytest.approx(1) and table.loc["AU12", "varies"]
    assert np.isnan(table.loc["AU01", "r"]) and table.loc["AU01", "varies"]
    assert not table.loc["AU09", "varies"]
    # AU01 should move and does not: it counts as 0, AU09 does not count.
    assert median_r(table) == pytest.approx(0.5)


def test_presence_is_compared_by_its_log_odds():
    detections, readings = tables()
    odds = np.exp(6 * readings["AU12"] - 3)
    table = agreement(detections.assign(AU12_p=odds / (1 + odds)), readings).set_index("au")
    assert table.loc["AU12", "presence_r"] == pytest.approx(1)
    assert np.isnan(table.loc["AU01", "presence_r"])  # the table does not tell its probability


def test_only_frames_with_a_face_in_both_count_and_names_may_have_blanks():
    detections, readings = tables()
    detections.loc[:9, "success"] = 0
    detections.loc[:9, "AU12_r"] = np.nan
    readings.loc[50:, "AU12"] = np.nan
    detections = detections.rename(columns=lambda name: f" {name}")
    table = agreement(detections, readings).set_index("au")
    assert table.loc["AU12", "frames"] == 40 and table.loc["AU12", "r"] == pytest.approx(1)


def test_the_person_seen_longest_is_compared():
    detections, readings = tables()
    other = detections.iloc[:20].assign(face_id=1, AU12_r=-detections["AU12_r"])
    table = agreement(pd.concat([other, detections]), readings).set_index("au")
    assert table.loc["AU12", "r"] == pytest.approx(1)


def test_what_cannot_be_compared_is_told():
    detections, readings = tables()
    with pytest.raises(UserError, match="openface"):
        agreement(detections.drop(columns="success"), readings)
    with pytest.raises(UserError, match="no intensity column"):
        agreement(detections[["frame", "face_id", "success"]], readings)
    with pytest.raises(UserError, match="only 7 frames"):
        agreement(detections.iloc[:7], readings)


def test_a_smile_is_read_whichever_way_the_head_is_rolled():
    picture = data.astronaut()
    turned = np.ascontiguousarray(np.rot90(picture))
    reader = BlendshapeReader()
    with FaceFinder(video=False) as finder:
        meshes = [finder(Frame(image, 0, 0.0, "photo"))[0].mesh_px for image in (picture, turned)]
    upright, rolled = (reader(mesh) for mesh in meshes)
    assert upright["mouthSmileLeft"] > 0.6 and upright["mouthFrownLeft"] < 0.2
    assert rolled["mouthSmileLeft"] == pytest.approx(upright["mouthSmileLeft"], abs=0.2)


def test_the_network_is_the_one_in_the_task_file(models_dir):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT comes with the extra `landmarker`")
    with zipfile.ZipFile(models_dir / "face_landmarker.task") as bundle:
        original = interpreter.Interpreter(model_content=bundle.read("face_blendshapes.tflite"))
    original.allocate_tensors()
    mesh = np.random.default_rng(0).normal(200, 50, (3, 478, 3)).astype(np.float32)
    ours = torch.sigmoid(BlendshapeNet()(torch.from_numpy(mesh))).numpy()
    for row, scores in zip(mesh, ours, strict=True):
        original.set_tensor(original.get_input_details()[0]["index"], row[None, list(POINTS), :2])
        original.invoke()
        np.testing.assert_allclose(scores, original.get_tensor(original.get_output_details()[0]["index"]), atol=2e-5)


def test_lip_gap_is_in_eye_distances():
    mesh = np.zeros((478, 3))
    mesh[33], mesh[263], mesh[13], mesh[14] = (0, 0, 9), (100, 0, -9), (50, 80, 3), (50, 105, 0)
    assert lip_gap(mesh) == pytest.approx(0.25)


@pytest.mark.slow
def test_readings_of_a_real_clip(samples_dir):
    (clip,) = samples_dir.glob("*.mp4")
    readings = read_blendshapes(clip)
    assert list(readings["frame"]) == list(range(1, len(readings) + 1))
    assert set(readings.columns) == {"frame", "AU25", *(f"AU{au:02d}" for au in BLENDSHAPES)}
    assert readings["AU25"].notna().mean() > 0.9
    # Lips that part are seen by both: by the mesh, and by the blendshape of the upper lip.
    assert readings["AU25"].corr(readings["AU10"]) > 0.7


def test_an_output_that_follows_but_hardly_moves_is_told_by_its_highest_value():
    frame = np.arange(1, 101)
    reading = 0.5 + 0.5 * np.sin(frame / 5)
    weak = pd.DataFrame({"frame": frame, "face_id": 0, "success": 1, "AU01_r": 0.2 * reading})
    row = agreement(weak, pd.DataFrame({"frame": frame, "AU01": reading})).iloc[0]
    assert row["r"] > 0.999 and row["highest"] == pytest.approx(0.2, abs=1e-3)
