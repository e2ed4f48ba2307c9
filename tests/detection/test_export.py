"""Graphs in files of their own say what torch says, for any number of faces, and say what they are."""

import dataclasses
import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_models import AUS, SMALL, random_batch
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.detection.export import DESCRIPTIONS, export_file
from actionunits.detection.graph_file import graph_beside
from actionunits.detection.torch_engine import TorchEngine
from actionunits.errors import UserError
from actionunits.faces.align import cut_out, similarity_transform, transform_points
from actionunits.faces.mean_face import REGISTRATION_POINTS, template_landmarks
from actionunits.models import find_model
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint

DOCUMENT = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
# Of every model: what comes in, and what goes out.
SIGNATURES = {
    "deformae": ("image", "au_logit features"),
    "drml": ("image", "au_logit"),
    "eacnet": ("image landmarks", "au_logit"),
    "frozen": ("image", "au_logit features"),
    "hybrid": ("image hidden cell", "au_logit next_hidden next_cell"),
    "ofnet": ("image", "au_logit flow"),
    "renet": ("image", "au_logit au_intensity"),
    "resnet18": ("image mesh", "au_logit au_intensity"),
    "splitbrain": ("image", "au_logit features"),
    "tcae": ("image", "au_logit features"),
}


def small_checkpoint(key, folder, aus=AUS, **settings):
    """Checkpoint of a small model with random weights and statistics that are not the first ones."""
    torch.manual_seed(0)
    entry = find_model(key)
    model = entry.model(entry.config(**SMALL[key] | settings), aus)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "bn" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
        model.train()(random_batch(8, model.config.image_size))
    path = folder / f"{key}.safetensors"
    save_checkpoint(path, model, {"thresholds": {"AU04": 0.25}})
    return path


def faces(rows, size):
    """Noise, a mesh and landmarks near the mean face; the last face lacks some of them."""
    random = np.random.default_rng(rows)
    mesh = random.random((rows, 478, 3), np.float32)
    landmarks = template_landmarks() + random.normal(0, 0.02, (rows, 68, 2)).astype(np.float32)
    mesh[-1, 7] = landmarks[-1, :17] = np.nan
    return {"image": random.integers(0, 256, (rows, size, size, 3), np.uint8), "mesh": mesh, "landmarks": landmarks}


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def names(entries):
    return " ".join(entry.name for entry in entries)


def test_the_document_tells_every_model_and_array():
    assert {*SIGNATURES, "hog"} == set(SMALL)
    rows = re.findall(r"^\| `(\w+)` \| (`.*`) \| (`.*`) \|$", DOCUMENT, re.MULTILINE)
    assert {key: tuple(re.sub("[`,]", "", names) for names in told) for key, *told in rows} == SIGNATURES
    arrays = re.findall(r"^\| `(\w+)` \| batch x .* \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert dict(arrays) == DESCRIPTIONS


@pytest.mark.parametrize("face_px", [60, 146, 400, 900])
def test_the_code_of_the_document_cuts_out_the_same_crop(face_px, astronaut):
    random = np.random.default_rng(face_px)
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    code = {}
    exec(blocks[0], code)
    image = np.ascontiguousarray(cv2.resize(astronaut, (1501, 1407), interpolation=cv2.INTER_CUBIC))
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = (template_landmarks() - 0.5) @ turn.T * face_px + (700, 650)
    landmarks = np.float32(landmarks + random.normal(0, face_px / 50, (68, 2)))
    mesh = np.float32(random.normal((700, 650, 0), face_px / 4, (478, 3)))
    crop, *moved = code["cut_out"](image, landmarks[list(REGISTRATION_POINTS)], 146)
    matrix = similarity_transform(landmarks, 146)
    difference = np.abs(crop.astype(int) - cut_out(image, matrix, 146))
    # OpenCV rounds places to 1/32 of a pixel, which the last digit of a matrix can tip.
    assert difference.mean() < 0.002 and difference.max() <= 8
    expected = transform_points(mesh, matrix)
    expected[:, :2] += 0.5
    np.testing.assert_allclose(code["in_crop"](mesh, *moved, 146), expected / 146, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("key", sorted(set(SIGNATURES) - {"hybrid"}))
def test_a_file_says_what_torch_says(key, tmp_path):
    weights, out = small_checkpoint(key, tmp_path), tmp_path / "model.onnx"
    export_file(weights, out)
    session, engine = session_of(out), TorchEngine(weights, "cpu", flow=key == "ofnet")
    assert (names(session.get_inputs()), names(session.get_outputs())) == SIGNATURES[key]
    for rows in (1, 5):
        given = faces(rows, engine.image_size)
        found = session.run(None, {entry.name: given[entry.name] for entry in session.get_inputs()})
        found = dict(zip(SIGNATURES[key][1].split(), found, strict=True))
        features = found.pop("features", None)
        expected = engine.run(given, (), None)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert np.ptp(values) > 0
            np.testing.assert_allclose(found[name], values, atol=1e-4)
        if features is not None:
            image = torch.from_numpy(given["image"]).permute(0, 3, 1, 2) / 255
            with torch.inference_mode():
                own = engine.model.features(dataclasses.replace(random_batch(rows), image=image))
            np.testing.assert_allclose(features, own, atol=1e-4)


@pytest.mark.slow
def test_memory_goes_in_and_out(tmp_path):
    weights, out = small_checkpoint("hybrid", tmp_path), tmp_path / "model.onnx"
    export_file(weights, out)
    session, model = session_of(out), load_checkpoint(weights).model
    assert (names(session.get_inputs()), names(session.get_outputs())) == SIGNATURES["hybrid"]
    # Three faces in four frames; torch sees each as a whole clip.
    image = faces(12, 64)["image"].reshape(4, 3, 64, 64, 3)
    state = {name: value.repeat(1, 3, 1).numpy() for name, value in model.begin().tensors().items()}
    found = []
    for frame in image:
        logit, *after = session.run(None, {"image": frame, **state})
        state = dict(zip(state, after, strict=True))
        found.append(logit)
    clips = torch.from_numpy(image).flatten(0, 1).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        batch = dataclasses.replace(random_batch(12), image=clips, sequence=torch.arange(12) % 3)
        expected = model(batch).au_logit
    assert float(expected[::3].std(0).min()) > 0
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-4)


@pytest.mark.slow
def test_an_encoder_without_labels_gives_its_features(tmp_path):
    weights, out = small_checkpoint("tcae", tmp_path, aus=(), au_rates=()), tmp_path / "encoder.onnx"
    export_file(weights, out)
    session = session_of(out)
    assert (names(session.get_inputs()), names(session.get_outputs())) == ("image", "features")
    assert session.run(None, {"image": faces(2, 64)["image"]})[0].shape == (2, 16)


@pytest.mark.slow
def test_the_command_tells_what_the_file_holds(tmp_path):
    weights, out = small_checkpoint("drml", tmp_path), tmp_path / "new" / "model.onnx"
    told = CliRunner().invoke(app, ["export", str(weights), "--format", "onnx", "--out", str(out)])
    assert told.exit_code == 0, told.output
    assert [line.split()[:2] for line in told.output.splitlines()[:2]] == [["in", "image"], ["out", "au_logit"]]
    graph = onnx.load(out)
    onnx.checker.check_model(graph, full_check=True)
    assert graph.graph.input[0].doc_string == "registered face crops, RGB, 0-255"
    assert [d.dim_param or d.dim_value for d in graph.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        66,
        66,
        3,
    ]
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    assert metadata.pop("weights_sha256") == load_checkpoint(weights).header["sha256"]
    assert metadata == {
        "model": "drml",
        "image_size": "66",
        "aus": "AU01,AU04,AU12,AU25",
        "thresholds": "0.5,0.25,0.5,0.5",
        "registered": "by landmarks",
    }


@pytest.mark.parametrize(
    ("key", "settings", "name", "line"),
    [
        ("ofnet", {"variant": "dis"}, "model.onnx", "its model reads flow"),
        ("drml", {}, "model.pt", r"ends in \.onnx"),
        ("drml", {}, "drml.onnx", "name another file"),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_nothing(key, settings, name, line, tmp_path):
    torch.manual_seed(0)
    entry = find_model(key)
    weights = tmp_path / f"{key}.safetensors"
    save_checkpoint(weights, entry.model(entry.config(**SMALL[key] | settings), AUS), {})
    with pytest.raises(UserError, match=line) as caught:
        export_file(weights, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [weights.name]
    assert not graph_beside(weights).exists()
