"""A checkpoint's model as a graph that ONNX Runtime runs without torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto
from torch import Tensor, nn

from actionunits.detection.graph_file import graph_beside, sealed
from actionunits.detection.torch_engine import as_batch
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.models.contract import PREDICTION_INPUTS, over_time, prediction_inputs
from actionunits.training.checkpoint import load_checkpoint
from actionunits.types import MESH_POINTS

OPSET = 18


class _FromCrops(nn.Module):
    """A model from arrays to arrays, as `engine.Engine` names them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, mesh: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        output = self.model(as_batch(image, mesh, landmarks))
        told = (output.au_logit, output.au_intensity, output.au_sides)
        return tuple(value for value in told if value is not None)


def export_graph(weights: Path) -> Path:
    """Write the graph of a checkpoint beside it, from where detection takes it up, and return its path.

    Raises UserError for unusable weights, a model whose outputs need more than one crop and its points, one whose
    operations a graph does not have, and a file that cannot be written.
    """
    checkpoint = load_checkpoint(weights)
    model = checkpoint.model
    beyond = sorted(set(prediction_inputs(model)) - set(PREDICTION_INPUTS))
    if beyond or over_time(model) is not None:
        reason = f"reads {beyond[0]}" if beyond else "follows time"
        raise UserError(f"{weights}: its model {reason}, and a graph sees single faces; detection runs it in torch")
    if not checkpoint.aus:
        raise UserError(f"{weights} was trained without labels; give it action units with `actionunits probe`")
    try:
        graph = _converted(model, int(model.config.image_size))
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise UserError(f"{weights} cannot become a graph, and detection runs it in torch ({reason})") from error
    if not graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise UserError(f"{weights}: a graph of its model would fix the number of faces; detection runs it in torch")
    _write_out_casts(graph)
    _refer_to_weights(graph.graph, model.state_dict())
    path = graph_beside(weights)
    with write_atomically(path) as unfinished:
        unfinished.write_bytes(sealed(graph.SerializeToString(), checkpoint.header["sha256"]))
    return path


def _converted(model: nn.Module, size: int) -> onnx.ModelProto:
    """The model as ONNX, with initialisers named as in its state_dict; the batch may have any size."""
    example = (torch.zeros(2, size, size, 3, dtype=torch.uint8), torch.rand(2, MESH_POINTS, 3), torch.rand(2, 68, 2))
    wrapped = _FromCrops(model).eval()
    with torch.no_grad(), _remarks_left_out():
        # A model that tells left from right tells the whole, too.
        names = ["au_logit", "au_intensity", "au_sides"][: len(wrapped(*example))]
        program = torch.onnx.export(
            wrapped,
            example,
            input_names=["image", "mesh", "landmarks"],
            output_names=names,
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("batch")},) * 3,
            dynamo=True,
            optimize=False,  # it would fold weights into others, and the checkpoint has them as they were trained
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _remarks_left_out() -> Iterator[None]:
    """Without what the exporter logs and warns of its own workings."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def _write_out_casts(model: onnx.ModelProto) -> None:
    """Casts to a named type in place of casts to the type of another value.

    ONNX Runtime takes the latter apart only after it has folded constants. The exporter makes the biases of
    convolutions with them, and a convolution without a constant bias keeps its normalisation as a pass of its own.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info)}
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
        # Where in our sources each operation comes from: twenty times as long as the rest.
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    graph.ClearField("value_info")
    for tensor in graph.initializer:
        if tensor.name in inside:
            tensor.name = inside[tensor.name]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=tensor.name)
