"""The released graph in 8-bit arithmetic: what it costs in scores, and what it saves in time.

    python experiments/resnet18/quantize.py [--weights resnet18] [--faces DIR]

Exports the graph of the weights anew and writes its convolutions, and what lies between them, for integers:
activations as 8 bits without a sign, weights as 7 bits with their sign, and a scale for every channel of them. Seven
bits, because processors with AVX2 alone add pairs of products in 16 bits. The weights stay in the checkpoint; ONNX
Runtime rounds them when it reads the graph. The landmark branch, the mesh network's layers, the pooling and the last
layers stay in float32. RE-Net has a normalisation for each action unit, and these stay in float32 as well.

The ranges of activations are those of a few crops of data/synthau-mini. Both graphs are then scored on all of it and,
with --faces, on photographs coded by eye. Takes eight minutes on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import helper, numpy_helper

from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.detection.coded_faces import answers_for
from actionunits.detection.detector import DEFAULT_MODEL, Detector
from actionunits.detection.export import export_graph
from actionunits.detection.graph_file import graph_beside, sealed
from actionunits.evaluation.coded_faces import read_coded_faces, score_answers
from actionunits.runtime.provenance import instruction_set, source_commit
from actionunits.scores import metrics
from actionunits.weights.checkpoint_file import read_checkpoint
from actionunits.weights.locate import find_weights

ROOT = Path(__file__).parents[2]
DATA, OUT = ROOT / "data" / "synthau-mini", ROOT / "results" / "quantized.csv"
LOOKS = ("studio", "wild")
RANGES_EVERY = 90  # frames: one or two of each clip
WEIGHT_STEPS, ACTIVATION_STEPS = 63, 255
BATCHES, TURNS = (1, 8), 20
Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Scale:
    """Value = step * (integer - zero)."""

    step: np.float32
    zero: np.uint8

    @classmethod
    def of_range(cls, low: float, high: float) -> Scale:
        """Of 8 bits that reach from `low` to `high` and have a 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        step = np.float32(max(high - low, 1e-9) / ACTIVATION_STEPS)
        return cls(step, np.uint8(round(-low / step)))

    def told_to(self, value: str) -> list[onnx.NodeProto | onnx.TensorProto]:
        """Constants and operations that make `value` an integer and let its readers have that."""
        named = {f"{value}.step": self.step, f"{value}.zero": self.zero}
        return [
            *(numpy_helper.from_array(np.asarray(number), name) for name, number in named.items()),
            helper.make_node("QuantizeLinear", [value, *named], [f"{value}.integers"]),
            helper.make_node("DequantizeLinear", [f"{value}.integers", *named], [f"{value}.rounded"]),
        ]


def readers(model: onnx.ModelProto, value: str) -> list[onnx.NodeProto]:
    """The operations that read a value."""
    return [node for node in model.graph.node if value in node.input]


def rounded_convolutions(model: onnx.ModelProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto | None]]:
    """The convolutions that become integers, each with the normalisation that follows it.

    The layers of the mesh network have none. They stay in float32: most of them are convolutions of single channels.
    RE-Net's normalisations are of one action unit each and no part of a convolution: all of its convolutions become
    integers, and the normalisations stay in float32.
    """
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    followed = ((node, readers(model, node.output[0])[0]) for node in convolutions)
    normalised = [(node, norm) for node, norm in followed if norm.op_type == "BatchNormalization"]
    return normalised or [(node, None) for node in convolutions]


def rounded_values(model: onnx.ModelProto) -> list[str]:
    """Values that become integers: what convolutions read, and what they and sums around them give."""
    values = []
    for node, norm in rounded_convolutions(model):
        if norm is None:
            values += [node.input[0], node.output[0]]
            continue
        (reader, *_) = readers(model, norm.output[0])
        values += [node.input[0], reader.output[0] if reader.op_type == "Relu" else norm.output[0]]
        if reader.op_type == "Add":
            (activation,) = readers(model, reader.output[0])
            values.append(activation.output[0])
    return list(dict.fromkeys(values))


def ranges(content: bytes, tensors: Inputs, batches: Iterator[Inputs]) -> dict[str, Scale]:
    """The scale of every value that becomes an integer, over the batches, by its name."""
    model = onnx.load_from_string(content)
    values = rounded_values(model)
    model.graph.output.extend(helper.make_empty_tensor_value_info(value) for value in values)
    for tensor in model.graph.initializer:
        if tensor.external_data:
            tensor.CopyFrom(numpy_helper.from_array(tensors[tensor.name], tensor.name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = [session.run(values, inputs) for inputs in batches]
    low = {name: min(float(each[k].min()) for each in found) for k, name in enumerate(values)}
    high = {name: max(float(each[k].max()) for each in found) for k, name in enumerate(values)}
    return {name: Scale.of_range(low[name], high[name]) for name in values}


def for_integers(content: bytes, tensors: Inputs, scales: dict[str, Scale]) -> bytes:
    """The graph with integers around all convolutions, whose normalisations go into their weights."""
    model = onnx.load_from_string(content)
    norm_after = {node.output[0]: norm for node, norm in rounded_convolutions(model)}
    norms = [norm for norm in norm_after.values() if norm is not None]
    made: list[onnx.NodeProto | onnx.TensorProto] = []
    for node in model.graph.node:
        if node.op_type == "MaxPool" and node.input[0] in scales:  # the largest of integers: no new scale
            scales[node.output[0]] = scales[node.input[0]]
        if node.output[0] in norm_after:
            norm = norm_after[node.output[0]]
            made += folded(node, norm, tensors, scales[node.input[0]])
            node.input[:] = [node.input[0], f"{node.input[1]}.rounded", f"{node.input[1]}.bias.rounded"]
            if norm is not None:
                node.output[:] = norm.output[:1]
        if node not in norms:
            node.input[:] = [f"{name}.rounded" if name in scales else name for name in node.input]
            made.append(node)
            made += [each for value in node.output if value in scales for each in scales[value].told_to(value)]
    nodes = [each for each in made if isinstance(each, onnx.NodeProto)]
    model.graph.initializer.extend(each for each in made if isinstance(each, onnx.TensorProto))
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    model.ClearField("metadata_props")  # of the float32 graph's file
    spread_colours(model)
    return model.SerializeToString()


def spread_colours(model: onnx.ModelProto) -> None:
    """Repeat a number of each colour, with which pictures are normalised, over the whole picture.

    Integers have the colours last, and ONNX Runtime would compute with three numbers at a time.
    """
    colours = {tensor.name for tensor in model.graph.initializer if tuple(tensor.dims) == (1, 3, 1, 1)}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type in ("Sub", "Div") and node.input[1] in colours:
            name = node.input[1]
            nodes.append(helper.make_node("Shape", node.input[:1], [f"{name}.size"], start=1))
            nodes.append(helper.make_node("Expand", [name, f"{name}.size"], [f"{name}.spread"]))
            node.input[1] = f"{name}.spread"
        nodes.append(node)
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)


def folded(
    node: onnx.NodeProto, norm: onnx.NodeProto | None, tensors: Inputs, given: Scale
) -> list[onnx.NodeProto | onnx.TensorProto]:
    """Constants and operations that make a convolution's weights and bias what its normalisation makes of them.

    The integers are computed from the checkpoint's weights when the graph is read; only their scales are in it.
    """
    name = node.input[1]
    factor, added = np.ones((len(tensors[name]), 1, 1, 1), np.float32), np.zeros(len(tensors[name]), np.float32)
    if norm is not None:
        scale, bias, mean, variance = norm.input[1:5]
        epsilon = next(entry.f for entry in norm.attribute if entry.name == "epsilon")
        factor = (tensors[scale] / np.sqrt(tensors[variance] + np.float32(epsilon))).reshape(-1, 1, 1, 1)
        added = tensors[bias] - tensors[mean] * factor.ravel()
    steps = np.abs(tensors[name] * factor).max((1, 2, 3)) / WEIGHT_STEPS
    steps = np.maximum(steps, 1e-9).astype(np.float32)
    # A bias is added to sums of products: its step is theirs.
    sum_steps = steps * given.step
    constants = {
        f"{name}.factor": factor.astype(np.float32),
        f"{name}.step": steps,
        f"{name}.zero": np.zeros(len(steps), np.int8),
        f"{name}.bias": np.round(added / sum_steps).astype(np.int32),
        f"{name}.bias.step": sum_steps,
    }
    step, zero = f"{name}.step", f"{name}.zero"
    return [
        *(numpy_helper.from_array(value, constant) for constant, value in constants.items()),
        helper.make_node("Mul", [name, f"{name}.factor"], [f"{name}.folded"]),
        helper.make_node("QuantizeLinear", [f"{name}.folded", step, zero], [f"{name}.integers"], axis=0),
        helper.make_node("DequantizeLinear", [f"{name}.integers", step, zero], [f"{name}.rounded"], axis=0),
        helper.make_node("DequantizeLinear", [f"{name}.bias", f"{name}.bias.step"], [f"{name}.bias.rounded"], axis=0),
    ]


def crops(look: str, detector: Detector) -> CropData:
    """Crops and meshes of rendered people."""
    return load_data(DATA / look, stored_size(detector.image_size), aus=detector.aus, meshes=True)


def batches(data: CropData, size: int) -> Iterator[Inputs]:
    """The same as detection has them."""
    for batch in plain_batches(data, size, batch_size=max(BATCHES)):
        assert batch.mesh is not None and batch.mesh_valid is not None
        mesh = np.where(batch.mesh_valid[:, None, None], batch.mesh, np.nan).astype(np.float32)
        image = (255 * batch.image).round().byte().permute(0, 2, 3, 1).numpy()
        yield {"image": image, "mesh": mesh, "landmarks": np.full((len(mesh), 68, 2), np.nan, np.float32)}


def render_scores(detector: Detector, data: CropData) -> dict[str, float]:
    """Means over action units."""
    found = [
        prediction
        for batch in batches(data, detector.image_size)
        for prediction in detector.predict_crops(batch["image"], batch["mesh"])
    ]
    prob, called, strength = (
        np.stack([getattr(each, name) for each in found]) for name in ("au_prob", "au_present", "au_intensity")
    )
    assert data.au_intensity is not None and data.au_intensity_valid is not None
    told = {
        "auc": metrics.auc(data.au_present, prob, data.au_present_valid),
        "auc_intensity": metrics.auc(data.au_present, strength, data.au_present_valid),
        "f1": metrics.f1(data.au_present, called, data.au_present_valid),
        "icc": metrics.icc_3_1(data.au_intensity, strength, data.au_intensity_valid),
    }
    return {name: metrics.mean_over_aus(values) for name, values in told.items()}


def milliseconds(detectors: dict[str, Detector], data: CropData) -> dict[str, dict[str, float]]:
    """Processor time of a face in batches of several sizes, the shortest of some turns."""
    inputs = next(batches(data, next(iter(detectors.values())).image_size))
    found: dict[str, dict[str, float]] = {name: {} for name in detectors}
    for size in BATCHES:
        times: dict[str, list[float]] = {name: [] for name in detectors}
        for _ in range(TURNS):
            for name, detector in detectors.items():
                start = time.process_time()
                detector.predict_crops(inputs["image"][:size], inputs["mesh"][:size])
                times[name].append(time.process_time() - start)
        for name, spent in times.items():
            found[name][f"ms_batch_{size}"] = 1000 * min(spent) / size
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=DEFAULT_MODEL, help="name or file")
    parser.add_argument("--faces", type=Path, help="folder of coded photographs")
    parser.add_argument("--every", type=int, default=1, help="score every n-th frame of the renders")
    parser.add_argument("--results", type=Path, default=OUT, help="table of scores and times")
    options = parser.parse_args()
    weights = find_weights(options.weights)
    header, stored = read_checkpoint(weights)
    tensors = {
        name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in stored.items()
    }
    content = export_graph(weights).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / weights.name
        shutil.copy(weights, copy)
        graph_beside(copy).write_bytes(content)
        detectors = {"float32": Detector(weights=copy)}
        renders = {look: crops(look, detectors["float32"]) for look in LOOKS}
        few = [data.subset(np.arange(0, len(data), RANGES_EVERY)) for data in renders.values()]
        seen = (batch for data in few for batch in batches(data, detectors["float32"].image_size))
        scales = ranges(content, tensors, seen)
        graph_beside(weights).write_bytes(sealed(for_integers(content, tensors, scales), header["sha256"]))
        detectors["int8"] = Detector(weights=weights)
        renders = {look: data.subset(np.arange(0, len(data), options.every)) for look, data in renders.items()}
        rows = compared(detectors, renders, options.faces)
    pd.DataFrame(rows).assign(processor=instruction_set(), commit=source_commit()).to_csv(
        options.results, index=False, float_format="%.4f", lineterminator="\n"
    )
    print(f"written to {graph_beside(weights)} and {options.results}")
    return 0


def compared(
    detectors: dict[str, Detector], renders: dict[str, CropData], faces: Path | None
) -> list[dict[str, Any]]:
    """Scores and times of all detectors, set by set."""
    rows: list[dict[str, Any]] = []
    for look, data in renders.items():
        spent = milliseconds(detectors, data)
        for name, detector in detectors.items():
            rows.append(
                {"data": look, "arithmetic": name, "faces": len(data)} | render_scores(detector, data) | spent[name]
            )
            print(rows[-1], flush=True)
    if faces is not None:
        coded = read_coded_faces(faces)
        for name, detector in detectors.items():
            table = score_answers(coded, answers_for(detector, coded.pictures, coded.aus, name))
            means = table[["auc", "auc_intensity", "f1", "level_r"]].mean().to_dict()
            rows.append({"data": coded.name, "arithmetic": name, "faces": len(coded.ids)} | means)
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
