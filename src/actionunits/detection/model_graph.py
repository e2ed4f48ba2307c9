"""A model as a function from named arrays to named arrays, and that function as an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from actionunits.detection.graph_file import NEXT_STATE
from actionunits.detection.torch_engine import as_batch
from actionunits.models.contract import EntersStages, TransfersByProbe, over_time
from actionunits.types import MESH_POINTS

OPSET = 18


class ModelGraph(nn.Module):
    """What a model says of faces, B of them, in arrays of `inputs` and of `outputs`, in this order.

    `image`, `mesh` and `landmarks` come in as in `engine.Engine`. Of a model that follows time, so does the state of
    every face under its names; the frame is the next one of each, and the state that it comes to goes out under the
    same names behind "next_". wanted: outputs to have besides; by default all of `say`.

    The model is changed for good: what its stages decide is no buffer of it any longer.
    """

    def __init__(self, model: Any, wanted: Sequence[str] | None = None) -> None:
        super().__init__()
        if isinstance(model, EntersStages):
            _fix_stage(model)
        self.model = model.eval()
        temporal = over_time(model)
        self.start = None if temporal is None else temporal.begin()
        self.state_names = () if self.start is None else tuple(self.start.tensors())
        self.inputs = ("image", "mesh", "landmarks", *self.state_names)
        with torch.no_grad():
            told = self.say(self.example())
        kept = {*(told if wanted is None else wanted), *(NEXT_STATE + name for name in self.state_names)}
        self.outputs = tuple(name for name in told if name in kept)

    def example(self, rows: int = 2) -> dict[str, Tensor]:
        """Arrays that could come in."""
        size = int(self.model.config.image_size)
        state = {} if self.start is None else self.start.tensors()
        return {
            "image": torch.randint(0, 256, (rows, size, size, 3), dtype=torch.uint8),
            "mesh": torch.rand(rows, MESH_POINTS, 3),
            "landmarks": torch.rand(rows, 68, 2),
            **{name: value.repeat_interleave(rows, 1) for name, value in state.items()},
        }

    def say(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """All outputs: of `engine.Engine`, where the model has them; `features` that a linear probe reads; states.

        A model that was trained without labels has no outputs for action units.
        """
        batch = as_batch(given["image"], given["mesh"], given["landmarks"])
        state = None
        if self.start is None:
            output = self.model(batch)
        else:
            before = type(self.start).of_tensors({name: given[name] for name in self.state_names})
            output, state = self.model.stream(batch, before)
        told = {name: getattr(output, name) for name in ("au_logit", "au_intensity", "au_sides")}
        told = told if self.model.aus else {}
        told["flow"] = None if output.flow is None else output.flow.permute(0, 2, 3, 1)
        told["features"] = self.model.features(batch) if isinstance(self.model, TransfersByProbe) else None
        after = {} if state is None else {NEXT_STATE + name: value for name, value in state.tensors().items()}
        return {name: value for name, value in (told | after).items() if value is not None}

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        told = self.say(dict(zip(self.inputs, arrays, strict=True)))
        return tuple(told[name] for name in self.outputs)


def converted(graph: ModelGraph, optimize: bool) -> onnx.ModelProto:
    """The function as ONNX; the number of faces is free where the model leaves it so.

    optimize: what depends on weights alone is computed now; without, weights are named and stay as in `model`.
    Raises OnnxExporterError for operations that ONNX does not have.
    """
    batch = torch.export.Dim("batch")
    axes = tuple({1 if name in graph.state_names else 0: batch} for name in graph.inputs)
    with torch.no_grad(), _remarks_left_out():
        program = torch.onnx.export(
            graph,
            tuple(graph.example().values()),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamic_shapes=(axes,),
            dynamo=True,
            optimize=optimize,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _fix_stage(model: Any) -> None:
    """Make constants of the numbers among the buffers: a graph cannot branch on what it reads while it runs."""
    for module in model.modules():
        for name, value in list(module.named_buffers(recurse=False)):
            if value.ndim == 0 and not value.is_floating_point():
                delattr(module, name)
                setattr(module, name, value)


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
