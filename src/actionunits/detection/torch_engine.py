"""The engine in torch: any checkpoint, on any device, over time and with flow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actionunits.detection.engine import no_flow, threads_for_model
from actionunits.errors import UserError
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import EstimatesFlow, FollowsTime, TellsSides, over_time, prediction_inputs
from actionunits.runtime.device import choose_device, on_device, on_host
from actionunits.training.checkpoint import load_checkpoint


class FaceMemory:
    """What a model that follows time remembers of every face of one video."""

    def __init__(self, model: FollowsTime) -> None:
        self.model = model
        self.states: dict[int, Any] = {}  # by face_id

    def predict(self, batch: Batch, face_ids: Sequence[int]) -> Output:
        """Outputs of faces in time order, each from where its person stood. face_ids: of every row."""
        known = sorted(set(face_ids))
        states = [self.states.get(face_id) or self.model.begin() for face_id in known]
        sequence = torch.tensor([known.index(face_id) for face_id in face_ids], device=batch.image.device)
        output, state = self.model.stream(dataclasses.replace(batch, sequence=sequence), type(states[0]).join(states))
        self.states |= {face_id: state.of(k) for k, face_id in enumerate(known)}
        return output


class TorchEngine:
    """A checkpoint's model on a torch device; see `engine.Engine`."""

    def __init__(self, weights: Path, device: str, flow: bool) -> None:
        target = choose_device(device)
        checkpoint = load_checkpoint(weights)
        self.device, self.header = str(target), checkpoint.header
        self.image_size = int(checkpoint.model.config.image_size)
        if "image" not in prediction_inputs(checkpoint.model):
            raise UserError(
                f"{weights} computes flow from two frames, and detection sees single ones; "
                "use weights of a learned flow"
            )
        if flow and not isinstance(checkpoint.model, EstimatesFlow):
            raise no_flow(weights, self.header["model"])
        self._flow = flow
        self.tells_sides = isinstance(checkpoint.model, TellsSides) and checkpoint.model.tells_sides()
        # Channels last: convolutions on the CPU take two thirds of the time.
        self.model = checkpoint.model.to(target, memory_format=torch.channels_last)

    def memory(self) -> FaceMemory | None:
        """What the faces of one video are remembered in."""
        temporal = over_time(self.model)
        return None if temporal is None else FaceMemory(temporal)

    def run(
        self, inputs: Mapping[str, np.ndarray], face_ids: Sequence[int], memory: FaceMemory | None
    ) -> dict[str, np.ndarray]:
        """See Engine."""
        # OpenMP keeps the number for each thread that calls.
        torch.set_num_threads(threads_for_model())
        with torch.inference_mode():
            batch = as_batch(**on_device(inputs, self.device))
            output = self.model(batch) if memory is None else memory.predict(batch, face_ids)
        flow = output.flow.permute(0, 2, 3, 1) if self._flow and output.flow is not None else None
        told = {name: getattr(output, name) for name in ("au_logit", "au_intensity", "au_sides")}
        return on_host({name: value for name, value in (told | {"flow": flow}).items() if value is not None})


def as_batch(image: Tensor, mesh: Tensor | None = None, landmarks: Tensor | None = None) -> Batch:
    """What a model sees of crops (B, S, S, 3) uint8 RGB, and of points with NaN for unknown ones."""
    # A permuted view of RGB bytes is channels last already.
    picture = image.permute(0, 3, 1, 2).float() / 255
    if mesh is None:
        return Batch(image=picture, landmarks=landmarks)
    valid = mesh.isfinite().all(dim=2).all(dim=1)
    return Batch(image=picture, mesh=mesh.nan_to_num(), mesh_valid=valid, landmarks=landmarks)
