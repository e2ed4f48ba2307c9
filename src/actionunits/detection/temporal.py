"""What earlier frames of a person tell of the present one: `--temporal`.

A frame reader errs in single frames, and reads some people too high or too low. A small network that is given its
outputs frame by frame corrects them: one gated recurrent unit (Cho et al., "Learning phrase representations using RNN
encoder-decoder for statistical machine translation", EMNLP 2014, as PyTorch has it) for all action units, which is
told by numbers of its own which one it follows. It looks back and never ahead, so that a webcam can have it. It counts
frames, not seconds.

Symbols: B faces, A AUs, F features, E numbers that name an AU, H memory cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionunits.aus import INTENSITY_MAX
from actionunits.detection.calibration import logit_of, prob_of
from actionunits.detection.engine import Engine
from actionunits.errors import UserError
from actionunits.weights.checkpoint_file import read_checkpoint
from actionunits.weights.locate import BUNDLED

FOLDER = BUNDLED / "temporal"
# Log-odds and activations beyond this are as good as certain; a reader may saturate.
LARGEST = 8.0


def features_of(au_logit: np.ndarray, au_intensity: np.ndarray) -> np.ndarray:
    """What a frame reader says, (..., A) log-odds and (..., A) intensities 0-5, as log-odds of both, (..., A, 2)."""
    said = np.stack([au_logit, logit_of(au_intensity / INTENSITY_MAX)], -1)
    return np.clip(said, -LARGEST, LARGEST).astype(np.float32)


@dataclass(frozen=True)
class TemporalNet:
    """The weights; the input is standardised by mean and scale. Of a face it reads what is said of the AU, and of all.

    F = 4 + E: log-odds of presence and of intensity, and their means over all AUs.
    """

    mean: np.ndarray  # (A, 2)
    scale: np.ndarray  # (A, 2)
    names: np.ndarray  # (A, E)
    weight_ih: np.ndarray  # (3 H, F): rows of reset gate, update gate and candidate
    weight_hh: np.ndarray  # (3 H, H)
    bias_ih: np.ndarray  # (3 H,)
    bias_hh: np.ndarray  # (3 H,)
    weight_out: np.ndarray  # (2, H)
    bias_out: np.ndarray  # (A, 2)

    def begin(self) -> np.ndarray:
        """The memory of a face before its first frame, (A, H)."""
        return np.zeros((len(self.names), self.weight_hh.shape[1]), np.float32)

    def step(self, said: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is to be added to `features_of` one face, (A, 2), and its memory (A, H) behind this frame."""
        own = (said - self.mean) / self.scale
        features = np.concatenate([own, np.broadcast_to(own.mean(0), own.shape), self.names], 1)
        given = features @ self.weight_ih.T + self.bias_ih
        kept = memory @ self.weight_hh.T + self.bias_hh
        cells = memory.shape[1]
        reset, update = np.split(1 / (1 + np.exp(-(given + kept)[:, : 2 * cells])), 2, axis=1)
        candidate = np.tanh(given[:, 2 * cells :] + reset * kept[:, 2 * cells :])
        memory = (1 - update) * candidate + update * memory
        return memory @ self.weight_out.T + self.bias_out, memory


def find_temporal(weights_sha256: str, model: str) -> TemporalNet:
    """The network that was trained on the outputs of these weights. Raises UserError where there is none."""
    path = FOLDER / f"{model}.safetensors"
    if path.is_file():
        header, tensors = read_checkpoint(path)
        if header["data"]["reader_sha256"] == weights_sha256:
            return TemporalNet(**{name: value.astype(np.float32) for name, value in tensors.items()})
    raise UserError("--temporal is for the default detector's own weights; leave it out, or take --smooth")


class TemporalEngine:
    """An engine whose outputs for videos are corrected by what was seen before; see `engine.Engine`."""

    def __init__(self, engine: Engine) -> None:
        self.header, self.image_size, self.device = engine.header, engine.image_size, engine.device
        self.tells_sides = engine.tells_sides
        self._engine = engine
        self._net = find_temporal(str(engine.header["sha256"]), str(engine.header["model"]))

    def memory(self) -> dict[int, np.ndarray]:
        """The network's memory of every face, by face_id."""
        return {}

    def run(
        self, inputs: Mapping[str, np.ndarray], face_ids: Sequence[int], memory: dict[int, np.ndarray] | None
    ) -> dict[str, np.ndarray]:
        """See Engine; photographs are left as they are."""
        told = self._engine.run(inputs, face_ids, None)
        if memory is None:
            return told
        features = features_of(told["au_logit"], told["au_intensity"])
        moves = np.empty_like(features)
        for row, face_id in enumerate(face_ids):
            before = memory.get(face_id)
            moves[row], memory[face_id] = self._net.step(
                features[row], self._net.begin() if before is None else before
            )
        return told | _moved(told, *np.split(moves, 2, axis=1))


def _moved(told: Mapping[str, np.ndarray], of_logit: np.ndarray, of_activation: np.ndarray) -> dict[str, Any]:
    """Presence, intensity and its sides, (B, A) each, with the corrections of log-odds and activations."""
    moved = {"au_logit": told["au_logit"] + of_logit, "au_intensity": _stronger(told["au_intensity"], of_activation)}
    if "au_sides" in told:
        moved["au_sides"] = _stronger(told["au_sides"], of_activation[..., None])
    return moved


def _stronger(intensity: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Intensities 0-5 whose activations are moved."""
    return INTENSITY_MAX * prob_of(logit_of(intensity / INTENSITY_MAX) + move)
