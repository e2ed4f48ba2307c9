"""The face finder's networks in torch: many pictures in one pass, on a GPU.

The graphs read one picture. Run under `vmap`, each of their operations takes a whole batch, also those of the mesh
network that look at other places of the features in every picture; the graphs stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor

from actionunits.runtime.device import on_host

MOST_AT_ONCE = 128  # pictures in a pass, so that its memory stays bounded
_FLOAT = onnx.TensorProto.FLOAT
# Operations whose inputs after the first are plain numbers that the graph holds.
_SET_BY_NUMBERS = ("Reshape", "Slice", "Pad", "Resize", "Clip", "ReduceSum", "Unsqueeze")


class TorchNetwork:
    """One of the finder's networks on a torch device."""

    def __init__(self, path: Path, device: str) -> None:
        """path: an ONNX file as `PictureNetwork` has it."""
        self._device = torch.device(device)
        self._graph, self.outputs = _graph(path, device)

    def __call__(self, pictures_rgb: np.ndarray) -> list[np.ndarray]:
        """The outputs for pictures (N, S, S, 3) uint8, in the file's order, each with N as its first axis."""
        starts = range(0, len(pictures_rgb), MOST_AT_ONCE)
        parts = [self._passed(pictures_rgb[start : start + MOST_AT_ONCE]) for start in starts]
        return [np.concatenate(output) for output in zip(*parts, strict=True)]

    @torch.inference_mode()
    def _passed(self, pictures_rgb: np.ndarray) -> list[np.ndarray]:
        # The graph's own first axis, of one picture, lies behind that of the batch.
        outputs = torch.vmap(self._graph)(torch.from_numpy(pictures_rgb).to(self._device)[:, None])
        return list(on_host(dict(zip(self.outputs, outputs, strict=True))).values())


@cache
def _graph(path: Path, device: str) -> tuple[Callable[[Tensor], list[Tensor]], list[str]]:
    """What a file computes of a picture (1, S, S, 3) uint8, and the names of that; one for all finders."""
    graph = onnx.load(path).graph
    known = {entry.name: torch.from_numpy(onnx.numpy_helper.to_array(entry).copy()) for entry in graph.initializer}
    steps: list[tuple[Callable[..., Tensor], list[str], str]] = []
    for node in graph.node:
        step, names = _step(node, known)
        if names and all(name in known for name in names):  # weights that are stored in 16 bits
            known[node.output[0]] = step(*(known[name] for name in names))
        else:
            steps.append((step, names, node.output[0]))
    used = {name for _, names, _ in steps for name in names}
    constants = {name: value.to(device) for name, value in known.items() if name in used}
    outputs = [entry.name for entry in graph.output]
    last_use = {name: number for number, (_, names, _) in enumerate(steps) for name in names}

    def run(image: Tensor) -> list[Tensor]:
        values = constants | {"image": image}
        for number, (step, names, output) in enumerate(steps):
            values[output] = step(*(values[name] for name in names))
            # Kept to the end, they would take nine times the memory.
            for name in {name for name in names if last_use[name] == number}:
                del values[name]
        return [values[name] for name in outputs]

    return run, outputs


def _step(node: onnx.NodeProto, known: dict[str, Tensor]) -> tuple[Callable[..., Tensor], list[str]]:
    """What an operation computes, and the names of the tensors that it computes it from."""
    settings = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    names = list(node.input)
    if node.op_type in _SET_BY_NUMBERS:
        numbers = [known[name].tolist() for name in names[1:] if name]
        return partial(_OPERATIONS[node.op_type], numbers=numbers, **settings), names[:1]
    if node.op_type == "Gather" and names[1] in known and known[names[1]].ndim == 0:
        return partial(torch.select, dim=settings["axis"], index=int(known[names[1]])), names[:1]
    return partial(_OPERATIONS[node.op_type], **settings), names


def _cast(value: Tensor, to: int) -> Tensor:
    return value.float() if to == _FLOAT else value.long()


def _convolved(value: Tensor, weight: Tensor, bias: Tensor | None = None, **settings: Any) -> Tensor:
    top, left, bottom, right = settings.get("pads", (0, 0, 0, 0))
    if (top, left, bottom, right) != (0, 0, 0, 0):
        value = F.pad(value, (left, right, top, bottom))
    return F.conv2d(value, weight, bias, settings.get("strides", 1), groups=settings.get("group", 1))


def _padded(value: Tensor, numbers: list[list[int]]) -> Tensor:
    ((_, front, top, left, _, back, bottom, right),) = numbers
    return F.pad(value, (left, right, top, bottom, front, back))


def _sliced(value: Tensor, numbers: list[list[int]]) -> Tensor:
    for start, end, axis in zip(*numbers[:3], strict=True):  # and steps, which are 1
        value = value.narrow(axis, start, end - start)
    return value


def _resized(value: Tensor, numbers: list[list[float]], **_: Any) -> Tensor:
    return F.interpolate(value, scale_factor=numbers[0][2:], mode="bilinear", align_corners=False)


def _gathered(value: Tensor, index: Tensor, axis: int = 0) -> Tensor:
    chosen = value.index_select(axis, index.flatten())
    return chosen if index.ndim == 1 else chosen.unflatten(axis, index.shape)


def _depth_to_space(value: Tensor, blocksize: int, **_: Any) -> Tensor:
    rows, channels, height, width = value.shape
    parts = value.reshape(rows, blocksize, blocksize, channels // blocksize**2, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(rows, -1, height * blocksize, width * blocksize)


# By their names in ONNX; those that torch computes under other names of its arguments, or not at all, are above.
_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "Cast": _cast,
    "Clip": lambda value, numbers: value.clamp(*torch.tensor(numbers).flatten().tolist()),
    "Concat": lambda *values, axis: torch.cat(values, axis),
    "Conv": _convolved,
    "DepthToSpace": _depth_to_space,
    "Div": torch.div,
    "Floor": torch.floor,
    "Gather": _gathered,
    "GreaterOrEqual": torch.ge,
    "LessOrEqual": torch.le,
    "MatMul": torch.matmul,
    "Max": torch.maximum,
    "MaxPool": lambda value, kernel_shape, strides, **_: F.max_pool2d(value, kernel_shape, strides),
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Pad": _padded,
    "ReduceL2": lambda value, axes, keepdims: torch.linalg.vector_norm(value, dim=axes, keepdim=bool(keepdims)),
    "ReduceMax": lambda value, axes, keepdims: value.amax(axes, bool(keepdims)),
    "ReduceMean": lambda value, axes, keepdims: value.mean(axes, bool(keepdims)),
    "ReduceMin": lambda value, axes, keepdims: value.amin(axes, bool(keepdims)),
    "ReduceSum": lambda value, numbers, keepdims: value.sum(numbers[0], bool(keepdims)),
    "Relu": torch.relu,
    "Reshape": lambda value, numbers: value.reshape(numbers[0]),
    "Resize": _resized,
    "Sigmoid": torch.sigmoid,
    "Slice": _sliced,
    "Sub": torch.sub,
    "Sum": lambda *values: sum(values[1:], values[0]),
    "Transpose": lambda value, perm: value.permute(perm),
    "Unsqueeze": lambda value, numbers: value.unsqueeze(*numbers[0]),
}
