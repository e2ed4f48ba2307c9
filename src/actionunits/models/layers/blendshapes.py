"""MediaPipe's blendshape network: 146 points of the face mesh to the 52 scores of ARKit, as a frozen part of models.

Source: "MediaPipe BlendShape V2" model card, 2022; the weights are those of MediaPipe's `face_landmarker.task`
(Apache-2.0), see `faces/models/NOTICE.md`. The network mixes 97 tokens of 64 channels: 96 sums of the points' places,
and one that gathers the answer.
Deviations: none; the scores equal MediaPipe's to 3e-6, with its weights rounded to 16 bits as its own file has them.
"""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from actionunits.faces.network import MODELS

WEIGHTS = MODELS / "blendshapes.safetensors"
# fmt: off
POINTS: tuple[int, ...] = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249,
    251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314,
    317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382,
    384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
    474, 475, 476, 477,
)
NAMES: tuple[str, ...] = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
# fmt: on
TOKENS, CHANNELS, BLOCKS = 97, 64, 4
SCALE = 0.5  # of points whose mean distance from their middle is one
EPSILON = 1.0132789611816406e-06  # of the normalisations, as stored


class _Mixing(nn.Module):
    """Two layers with a ReLU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.relu(self.up(x)))


class _Block(nn.Module):
    """Mixes the tokens of each channel, then the channels of each token; (B, 97, 64) to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(CHANNELS, EPSILON, bias=False)
        self.channel_norm = nn.LayerNorm(CHANNELS, EPSILON, bias=False)
        self.tokens = _Mixing(TOKENS, 384)
        self.channels = _Mixing(CHANNELS, 256)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.channel_norm(x))


class BlendshapeNet(nn.Module):
    """The network with the weights that come with the package; it does not train."""

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Linear(len(POINTS), TOKENS - 1)
        self.embed = nn.Linear(2, CHANNELS)
        self.answer = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.blocks = nn.Sequential(*(_Block() for _ in range(BLOCKS)))
        self.head = nn.Linear(CHANNELS, len(NAMES))
        if not self.answer.is_meta:
            self.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
        self.requires_grad_(False)

    def forward(self, mesh: Tensor) -> Tensor:
        """Log-odds of the 52 scores of NAMES, (B, 52).

        mesh: (B, 478, 2 or 3), any unit that is the same along x and y, with the head upright.
        """
        points = mesh[:, list(POINTS), :2]
        points = points - points.mean(1, keepdim=True)
        size = points.norm(dim=-1, keepdim=True).mean(1, keepdim=True).clamp(min=1e-6)
        tokens = self.embed(self.points((points / size * SCALE).transpose(1, 2)).transpose(1, 2))
        tokens = torch.cat([self.answer.expand(tokens.shape[0], -1, -1), tokens], 1)
        return self.head(self.blocks(tokens)[:, 0])
