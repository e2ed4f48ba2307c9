"""A checkpoint's model as a graph that runs without torch: beside the checkpoint, or in a file of its own.

The graph beside a checkpoint leaves the weights to it and is what detection runs. A file of its own holds everything
that other programs need: weights, names and shapes, and in its metadata the action units and their thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import TensorProto
from torch import Tensor

from actionunits.aus import au_label
from actionunits.detection.graph_file import NEXT_STATE, graph_beside, sealed
from actionunits.detection.model_graph import ModelGraph, converted
from actionunits.errors import UserError
from actionunits.files import check_name, write_atomically
from actionunits.models.contract import PREDICTION_INPUTS, prediction_inputs
from actionunits.training.checkpoint import Checkpoint, load_checkpoint

ENGINE_OUTPUTS = ("au_logit", "au_intensity", "au_sides", "flow")
# What each array is, for its `doc_string`.
DESCRIPTIONS = {
    "image": "registered face crops, RGB, 0-255",
    "mesh": "MediaPipe's 478 points in the crop: 0-1 spans it, z in the same unit; NaN where unknown",
    "landmarks": "68 points in Multi-PIE order in the crop: 0-1 spans it; NaN where unknown",
    "au_logit": "log-odds that each action unit is present; the probability is 1 / (1 + exp(-x))",
    "au_intensity": "intensity of each action unit, 0-5",
    "au_sides": "intensity of each action unit on the person's own left and right, 0-5",
    "flow": "motion to the person's neutral face, pixels of the crop, right and down",
    "features": "what the linear probe reads",
}


def export_graph(weights: Path) -> Path:
    """Write the graph of a checkpoint beside it, from where detection takes it up, and return its path.

    Raises UserError for unusable weights, a model whose outputs need more than one crop and its points, one whose
    operations a graph does not have, and a file that cannot be written.
    """
    checkpoint = _readable(weights)
    model = checkpoint.model
    if not checkpoint.aus:
        raise UserError(f"{weights} was trained without labels; give it action units with `actionunits probe`")
    stored = model.state_dict()
    graph = _converted(weights, ModelGraph(model, ENGINE_OUTPUTS), optimize=False)
    _write_out_casts(graph)
    _refer_to_weights(graph.graph, stored)
    path = graph_beside(weights)
    with write_atomically(path) as unfinished:
        unfinished.write_bytes(sealed(graph.SerializeToString(), checkpoint.header["sha256"]))
    return path


def export_file(weights: Path, out: Path) -> onnx.ModelProto:
    """Write a checkpoint's model with its weights as an ONNX file, and return it.

    Raises UserError as `export_graph` does; models that follow time hand their memory in and out.
    """
    check_name(out)
    if out.suffix != ".onnx":
        raise UserError(f"{out}: the name of an ONNX file ends in .onnx")
    if out.resolve() == graph_beside(weights).resolve():
        raise UserError(f"{out} is where detection looks for the graph without weights; name another file")
    checkpoint = _readable(weights)
    function = ModelGraph(checkpoint.model)
    model = _converted(weights, function, optimize=True)
    _leave_out_unread(model.graph)
    for entry in (*model.graph.input, *model.graph.output):
        entry.doc_string = _description(entry.name)
    onnx.helper.set_model_props(model, _metadata(checkpoint))
    with write_atomically(out) as unfinished:
        unfinished.write_bytes(model.SerializeToString())
    return model


def _readable(weights: Path) -> Checkpoint:
    """The checkpoint, if its model reads what a graph can be given. Raises UserError where it does not."""
    checkpoint = load_checkpoint(weights)
    beyond = sorted(set(prediction_inputs(checkpoint.model)) - set(PREDICTION_INPUTS))
    if beyond:
        raise UserError(f"{weights}: its model reads {beyond[0]}, and a graph sees single faces")
    return checkpoint


def _converted(weights: Path, function: ModelGraph, optimize: bool) -> onnx.ModelProto:
    try:
        graph = converted(function, optimize)
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise UserError(f"{weights} cannot become a graph, and detection runs it in torch ({reason})") from error
    if not graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise UserError(f"{weights}: a graph of its model would fix the number of faces; detection runs it in torch")
    for node in graph.graph.node:
        # Where in our sources each operation comes from: twenty times as long as the rest.
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    graph.graph.ClearField("value_info")
    return graph


def _write_out_casts(model: onnx.ModelProto) -> None:
    """Casts to a named type in place of casts to the type of another value.

    ONNX Runtime takes the latter apart only after it has folded constants. The exporter makes the biases of
    convolutions with them, and a convolution without a constant bias keeps its normalisation as a pass of its own.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info)}
    types |= {weights.name: weights.data_type for weights in graph.initializer}
    for node in model.graph.node:
        if node.op_type == "CastLike":
            node.CopyFrom(onnx.helper.make_node("Cast", node.input[:1], node.output, to=types[node.input[1]]))


def _refer_to_weights(graph: onnx.GraphProto, stored: Mapping[str, Tensor]) -> None:
    """Name the weights as the checkpoint does and leave them to it: names, types and shapes stay.

    stored: the model's state_dict. Each weight is a file of its own in the graph's eyes, under its name.
    """
    inside = {f"model.{name}": name for name in stored}
    for node in graph.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
    for tensor in graph.initializer:
        if tensor.name in inside:
            tensor.name = inside[tensor.name]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=tensor.name)


def _leave_out_unread(graph: onnx.GraphProto) -> None:
    """Without the inputs that no operation reads."""
    read = {name for node in graph.node for name in node.input}
    unread = [entry for entry in graph.input if entry.name not in read]
    for entry in unread:
        graph.input.remove(entry)


def _description(name: str) -> str:
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    after = name.startswith(NEXT_STATE)
    return "memory of each face after the frame" if after else "memory of each face before the frame; zeros at first"


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What programs need beside names and shapes, as ONNX keeps it: strings."""
    header = checkpoint.header
    labels = [au_label(au) for au in checkpoint.aus]
    thresholds = header.get("thresholds", {})
    return {
        "model": header["model"],
        "image_size": str(header["config"]["image_size"]),
        "aus": ",".join(labels),
        "thresholds": ",".join(f"{thresholds.get(label, 0.5):.6g}" for label in labels),
        "registered": "by landmarks" if header.get("data", {}).get("aligned", True) else "by box",
        "weights_sha256": header["sha256"],
    }
