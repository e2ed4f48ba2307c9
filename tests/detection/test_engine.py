"""Engines: both say the same, detection needs no torch, and graphs that do not belong are refused."""

import subprocess
import sys
from collections import Counter

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_models import AUS, SMALL

from actionunits.detection.detector import Detector
from actionunits.detection.engine import OnnxEngine, open_engine
from actionunits.detection.export import export_graph
from actionunits.detection.graph_file import graph_beside, sealed
from actionunits.detection.torch_engine import TorchEngine
from actionunits.errors import EXTRAS, UserError
from actionunits.faces.mean_face import template_landmarks
from actionunits.models import find_model
from actionunits.training.checkpoint import save_checkpoint
from actionunits.weights.checkpoint_file import read_header
from actionunits.weights.locate import find_weights

# Run in a fresh process in which the packages are not there.
WITHOUT_EXTRAS = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sum(EXTRAS.values(), ())}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from actionunits.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def crops(astronaut):
    """Crops around a face, with a mesh and landmarks near the mean face, and one of which both lack a point."""
    random = np.random.default_rng(0)
    template = TorchEngine(find_weights("resnet18"), "cpu", False).model.landmarks.shape.template.numpy()
    mesh = np.float32(0.5 + 0.3 * template + random.normal(0, 0.01, (3, 478, 3)))
    mesh[1, 7] = np.nan
    landmarks = np.float32(template_landmarks() + random.normal(0, 0.01, (3, 68, 2)))
    landmarks[1, 7] = np.nan
    images = [astronaut[y : y + 146, x : x + 146] for y, x in ((45, 150), (40, 155), (50, 145))]
    return {"image": np.stack(images), "mesh": mesh, "landmarks": landmarks}


def in_size_of(weights, images):
    """The crops as a model reads them."""
    size = read_header(weights)["config"]["image_size"]
    return np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in images])


@pytest.mark.parametrize("given", [("image", "mesh", "landmarks"), ("image",)])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("resnet18", 1), ("resnet18", 3), ("fast", 3), ("renet", 3), ("renet-student", 3)),
        *(("eacnet", 3), ("ofnet", 3), ("hybrid", 3), ("tcae", 3)),
    ],
)
def test_engines_agree_on_released_weights(crops, given, name, size):
    weights = find_weights(name)
    inputs = {name: crops[name][:size] for name in given}
    inputs["image"] = in_size_of(weights, inputs["image"])
    flow = name == "ofnet"
    graph, other = open_engine(weights, "auto", flow), TorchEngine(weights, "cpu", flow)
    assert isinstance(graph, OnnxEngine) and graph.image_size == other.image_size
    found, expected = graph.run(inputs, (), None), other.run(inputs, (), None)
    of_detector = {"au_intensity", "au_sides"}
    besides = {"resnet18": of_detector, "fast": of_detector, "ofnet": {"flow"}, "hybrid": set(), "tcae": set()}
    assert found.keys() == expected.keys() == {"au_logit"} | besides.get(name, {"au_intensity"})
    # These graphs compute with 8-bit integers.
    far, mean = (0.5, 0.05) if name in ("resnet18", "renet", "renet-student") else (1e-4, 1e-4)
    for output, values in expected.items():
        np.testing.assert_allclose(found[output], values, atol=far)
        assert np.abs(found[output] - values).mean() < mean * values.std()


def test_the_released_graph_computes_with_integers(tmp_path, monkeypatch):
    """ONNX Runtime rounds the weights when it reads them, and nothing between the ResNet's layers stays in floats."""

    class Options(onnxruntime.SessionOptions):
        def __init__(self):
            super().__init__()
            self.optimized_model_filepath = str(tmp_path / "optimised.onnx")

    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    open_engine(find_weights("resnet18"), "cpu", flow=False)
    count = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    of_resnet, behind_mesh_layers, of_mesh_layers = 20, 3, 59  # the last are not normalised, and stay in floats
    convolutions = count["QLinearConv"], count["QLinearAdd"], count["Conv"]
    assert convolutions == (of_resnet + behind_mesh_layers, 8, of_mesh_layers)
    # Once into the ResNet and out of it; the steps behind the mesh network's layers read maps in floats.
    assert count["QuantizeLinear"] == count["DequantizeLinear"] <= 2 + 2 * behind_mesh_layers


def test_questions_go_to_the_device_at_once_and_answers_come_at_once(crops, monkeypatch):
    engine, back, cpu = TorchEngine(find_weights("resnet18"), "cpu", False), [], torch.Tensor.cpu
    there, to = [], torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: back.append(tensor.numel()) or cpu(tensor))
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *how: there.append(tensor) or to(tensor, *how))
    found = engine.run(crops, (), None)
    given = sum(value.nbytes for value in crops.values())
    assert [raw.nbytes for raw in there if raw.dtype == torch.uint8] == [given]
    assert back == [sum(value.size for value in found.values())]
    assert {name: value.shape for name, value in found.items()} == {
        "au_logit": (3, 18),
        "au_intensity": (3, 18),
        "au_sides": (3, 18, 2),
    }


def test_an_accelerator_and_a_checkpoint_without_a_graph_are_run_in_torch(tiny_weights):
    assert isinstance(open_engine(tiny_weights, "auto", flow=False), TorchEngine)
    assert isinstance(open_engine(find_weights("resnet18"), "cpu:0", flow=False), TorchEngine)
    with pytest.raises(UserError, match="estimates no flow"):
        Detector(flow=True)


@pytest.mark.parametrize("model", ["resnet18", "eacnet", "ofnet", "hybrid"])
def test_detection_needs_none_of_the_extras(model, astronaut, tmp_path):
    from PIL import Image

    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    words = ["detect", "photo.png", "--model", model, "--out", "out"]
    command = [sys.executable, "-c", WITHOUT_EXTRAS, *words]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    import pandas as pd

    table = pd.read_csv(tmp_path / "out" / "photo.csv", skipinitialspace=True)
    expected = Detector(model).detect(tmp_path / "photo.png").table
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, atol=0.06)


def test_the_flow_is_drawn_without_torch(astronaut, tmp_path):
    from PIL import Image

    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    program = "import sys; sys.modules['torch'] = None; from actionunits.cli import main; main(sys.argv[1:])"
    for out, words in {"plain": ["--annotate"], "flow": ["--show", "flow"]}.items():
        command = [sys.executable, "-c", program, "detect", "photo.png", "--model", "ofnet", *words, "--out", out]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    plain, flow = (next((tmp_path / out).glob("*.png")).read_bytes() for out in ("plain", "flow"))
    assert plain != flow


@pytest.mark.parametrize(
    ("words", "package"),
    [
        ("detect photo.png --device cuda", "torch"),
        ("detect photo.png --annotate", "matplotlib"),
        ("detect photo.png --format parquet", "pyarrow"),
        ("detect photo.png --on ray", "ray"),
        ("detect s3://bucket/photo.png --allow-network", "fsspec"),
        ("train resnet18 --data . --out out", "pandas"),
        ("evaluate resnet18 --data .", "pandas"),
        ("export resnet18", "onnx"),
    ],
)
def test_a_command_without_its_packages_says_which_extra_brings_them(words, package, astronaut, tmp_path):
    from PIL import Image

    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    command = [sys.executable, "-c", WITHOUT_EXTRAS, *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    extra = next(extra for extra, packages in EXTRAS.items() if package in packages)
    line = f'actionunits: this needs the package {package}; pip install "actionunits[{extra}]"\n'
    assert (done.returncode, done.stderr) == (2, line)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.fixture
def tiny(tiny_weights, tmp_path):
    """A checkpoint with the graph of the released weights beside it, which is not its own."""
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(tiny_weights.read_bytes())
    graph_beside(weights).write_bytes(graph_beside(find_weights("resnet18")).read_bytes())
    return weights


def test_a_graph_of_other_weights_is_refused(tiny):
    with pytest.raises(UserError, match=r"graph of other weights than .*tiny\.safetensors; export it again"):
        Detector(weights=tiny)


@pytest.mark.parametrize("place", [0, 1000, -200, -80, -1])
def test_a_changed_byte_of_a_graph_is_noticed(tiny, place):
    graph = graph_beside(tiny)
    content = bytearray(graph.read_bytes())
    content[place] ^= 1
    graph.write_bytes(content)
    with pytest.raises(UserError, match="checksum does not match"):
        Detector(weights=tiny)


@pytest.mark.parametrize("keep", [0, 50, 5000, -1])
def test_a_graph_that_is_cut_off_is_refused(tiny, keep):
    graph = graph_beside(tiny)
    graph.write_bytes(graph.read_bytes()[:keep])
    with pytest.raises(UserError, match="checksum does not match"):
        Detector(weights=tiny)


def test_what_is_no_graph_is_refused(tiny_weights, tiny):
    graph_beside(tiny).write_bytes(sealed(b"no graph", open_engine(tiny_weights, "cpu", False).header["sha256"]))
    with pytest.raises(UserError, match="cannot be run by this ONNX Runtime"):
        Detector(weights=tiny)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["resnet18", "renet", "ofnet", "eacnet"])
def test_an_exported_checkpoint_is_run_from_its_graph(key, crops, tmp_path):
    weights = small_checkpoint(key, tmp_path)
    inputs = {"image": np.ascontiguousarray(crops["image"][:, :64, :64]), "mesh": crops["mesh"]}
    flow = key == "ofnet"
    expected = open_engine(weights, "cpu", flow).run(inputs, (), None)
    assert export_graph(weights) == graph_beside(weights)
    graph = open_engine(weights, "cpu", flow)
    assert isinstance(graph, OnnxEngine) and ("flow" in expected) == flow
    # Else ONNX Runtime computes normalisations apart from their convolutions.
    assert "CastLike" not in {
        node.op_type for node in onnx.load(graph_beside(weights), load_external_data=False).graph.node
    }
    found = graph.run(inputs, (), None)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4)
    assert "flow" not in open_engine(weights, "cpu", flow=False).run(inputs, (), None)
    predictions = Detector(weights=weights).predict_crops(inputs["image"][:1])
    assert len(predictions) == 1 and predictions[0].au_prob.dtype == np.float32


def test_what_a_graph_cannot_do_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="cannot become a graph") as caught:
        export_graph(small_checkpoint("hog", tmp_path))
    assert "\n" not in str(caught.value) and "detection runs it in torch" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["hog.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize("reads", ["fc7", "each_score"])
def test_a_graph_remembers_every_face_as_torch_does(reads, tmp_path):
    weights = small_checkpoint("hybrid", tmp_path, lstm_reads=reads)
    export_graph(weights)
    graph, other = open_engine(weights, "auto", flow=False), TorchEngine(weights, "cpu", False)
    assert isinstance(graph, OnnxEngine)
    images = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8)
    memories, said = (graph.memory(), other.memory()), []
    # Several frames of a face in a batch, a face that goes and comes back, and one that is new.
    for rows, faces in ((slice(0, 5), [3, 3, 8, 3, 8]), (slice(5, 7), [8, 8]), (slice(7, 9), [3, 1])):
        found, expected = (
            engine.run({"image": images[rows]}, faces, memory)
            for engine, memory in zip((graph, other), memories, strict=True)
        )
        assert found.keys() == expected.keys() == {"au_logit"}
        np.testing.assert_allclose(found["au_logit"], expected["au_logit"], atol=1e-5)
        said.append(found["au_logit"])
    # Photographs have no memory: each is the first frame of somebody.
    alone = graph.run({"image": images}, (), None)["au_logit"]
    np.testing.assert_allclose(alone, other.run({"image": images}, (), None)["au_logit"], atol=1e-5)
    apart = np.abs(np.concatenate(said) - alone).max(1) > 1e-4
    assert apart.tolist() == [False, True, False, True, True, True, True, True, False]


def small_checkpoint(key, folder, **settings):
    """Checkpoint of a small, untrained model."""
    torch.manual_seed(0)
    entry = find_model(key)
    model = entry.model(entry.config(**SMALL[key] | settings), AUS)
    save_checkpoint(folder / f"{key}.safetensors", model, {})
    return folder / f"{key}.safetensors"
