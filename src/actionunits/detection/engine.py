"""What computes predictions in detection: named arrays in, named arrays out.

ONNX Runtime runs weights that have a graph beside them, as released ones do. torch runs the others, those on an
accelerator; it is imported only then.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from actionunits.detection.graph_file import NEXT_STATE, graph_beside, read_graph
from actionunits.errors import UserError
from actionunits.types import MESH_POINTS
from actionunits.weights.checkpoint_file import read_checkpoint

GRAPH_DEVICES = ("auto", "cpu")
FACE_INPUTS = ("image", "mesh", "landmarks")  # what a graph reads of a face; its other inputs are states


class Engine(Protocol):
    """A model that is ready to predict."""

    header: dict[str, Any]  # of the checkpoint
    image_size: int  # width and height of the crops, pixels
    device: str
    tells_sides: bool  # outputs have `au_sides`

    def memory(self) -> Any:
        """What a model that follows time remembers of every face of one video, at its beginning; else None."""
        ...

    def run(self, inputs: Mapping[str, np.ndarray], face_ids: Sequence[int], memory: Any) -> dict[str, np.ndarray]:
        """Outputs of B registered crops, float32: `au_logit` (B, A), and where the model has them `au_intensity`
        (B, A), 0-5, `au_sides` (B, A, 2), 0-5, and `flow` (B, S, S, 2), pixels.

        inputs: `image` (B, S, S, 3) uint8 RGB; where they are known, `mesh` (B, 478, 3) and `landmarks` (B, 68, 2)
        float32, crop coordinates, with NaN for what is unknown. face_ids, memory: whose crops they are, in time
        order, and what `memory` gave; None for photographs.
        """
        ...


def open_engine(weights: Path, device: str, flow: bool) -> Engine:
    """The engine for a checkpoint. flow: its flow is wanted.

    Raises UserError for unusable weights or a graph of others, a flow that the model does not estimate, and a device
    that is not there.
    """
    graph = graph_beside(weights)
    if graph.is_file() and device in GRAPH_DEVICES:
        return OnnxEngine(weights, graph, flow)
    from actionunits.detection.torch_engine import TorchEngine

    return TorchEngine(weights, device, flow)


_processes = 1  # that share the cores


def share_cores(processes: int) -> None:
    """Leave room for as many processes like this one."""
    global _processes
    _processes = processes


def threads_for_model() -> int:
    """Threads of one forward pass: half of the cores that this process has for itself.

    The other stages need the rest; with all cores in use the threads of a forward pass wait for each other, and
    a pass takes several times as long as with one.
    """
    return max(1, len(os.sched_getaffinity(0)) // (2 * _processes) if hasattr(os, "sched_getaffinity") else 1)


def no_flow(weights: Path, model: str) -> UserError:
    """What to tell where a flow is wanted of a model that estimates none."""
    return UserError(f"{weights} holds weights of '{model}', which estimates no flow; use ofnet's")


class OnnxEngine:
    """ONNX Runtime on the CPU, with the graph of one file and the weights of another."""

    device = "cpu"

    def __init__(self, weights: Path, graph: Path, flow: bool) -> None:
        import onnxruntime

        self.header, tensors = read_checkpoint(weights)
        content = read_graph(graph, self.header["sha256"], weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads_for_model()
        # A thread that waits by spinning takes its core from the stages beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors; a warning would be printed between our lines
        # Float16 is for storing alone: processors compute in float32.
        floats = {
            name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in tensors.items()
        }
        contents = [value.reshape(-1).view(np.uint8) for value in floats.values()]
        options.add_external_initializers_from_files_in_memory(
            list(floats), contents, [content.size for content in contents]
        )
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no base of their own
            raise UserError(f"{graph} cannot be run by this ONNX Runtime: {error}; export it again") from error
        inputs = {entry.name: entry.shape for entry in self._session.get_inputs()}
        outputs = [entry.name for entry in self._session.get_outputs()]
        if flow and "flow" not in outputs:
            raise no_flow(weights, self.header["model"])
        self._inputs = [name for name in inputs if name in FACE_INPUTS]
        self._outputs = [name for name in outputs if flow or name != "flow"]
        # The state of a face before its first frame; faces lie along the second axis.
        self._start = {
            name: np.zeros((shape[0], 1, *shape[2:]), np.float32)
            for name, shape in inputs.items()
            if name not in FACE_INPUTS
        }
        self.image_size = int(self.header["config"]["image_size"])
        self.tells_sides = "au_sides" in self._outputs

    def memory(self) -> GraphMemory | None:
        """See Engine."""
        return GraphMemory(self._start) if self._start else None

    def run(
        self, inputs: Mapping[str, np.ndarray], face_ids: Sequence[int], memory: GraphMemory | None
    ) -> dict[str, np.ndarray]:
        """See Engine."""
        size = len(inputs["image"])
        unknown = {"mesh": (size, MESH_POINTS, 3), "landmarks": (size, 68, 2)}
        given = {
            name: inputs[name] if name in inputs else np.full(unknown[name], np.nan, np.float32)
            for name in self._inputs
        }
        if not self._start:
            return self._answer(given)
        if memory is None:  # each is the first frame of a face of its own
            memory, face_ids = GraphMemory(self._start), range(size)
        rounds = in_rounds(face_ids)
        said = []
        for rows in rounds:
            faces = [face_ids[row] for row in rows]
            answer = self._answer({name: value[rows] for name, value in given.items()} | memory.before(faces))
            memory.take(faces, {name: answer.pop(NEXT_STATE + name) for name in self._start})
            said.append(answer)
        order = np.argsort(np.concatenate(rounds))
        return {name: np.concatenate([answer[name] for answer in said])[order] for name in said[0]}

    def _answer(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._outputs, self._session.run(self._outputs, given), strict=True))


class GraphMemory:
    """What a graph that follows time remembers of every face of one video."""

    def __init__(self, start: dict[str, np.ndarray]) -> None:
        """start: the state of a face before its first frame, arrays with faces along the second axis."""
        self._start = start
        self._states: dict[int, dict[str, np.ndarray]] = {}  # by face_id

    def before(self, face_ids: Sequence[int]) -> dict[str, np.ndarray]:
        """The states of several faces."""
        states = [self._states.get(face_id, self._start) for face_id in face_ids]
        return {name: np.concatenate([state[name] for state in states], 1) for name in self._start}

    def take(self, face_ids: Sequence[int], states: dict[str, np.ndarray]) -> None:
        """Keep the states that these faces have come to."""
        for place, face_id in enumerate(face_ids):
            self._states[face_id] = {name: value[:, place : place + 1] for name, value in states.items()}


def in_rounds(face_ids: Sequence[int]) -> list[list[int]]:
    """Row numbers of first frames of every face, of second ones, and so on.

    >>> in_rounds([7, 7, 2, 7])
    [[0, 2], [1], [3]]
    """
    seen: Counter[int] = Counter()
    rounds: list[list[int]] = []
    for row, face_id in enumerate(face_ids):
        if seen[face_id] == len(rounds):
            rounds.append([])
        rounds[seen[face_id]].append(row)
        seen[face_id] += 1
    return rounds
