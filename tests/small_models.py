"""Small batches and small versions of the models."""

from typing import Any

import torch

from actionunits.faces.mean_face import template_landmarks
from actionunits.types import Batch

AUS = (1, 4, 12, 25)

# Settings that make a model small enough for a test on one core.
SMALL: dict[str, dict[str, Any]] = {
    "eacnet": {"image_size": 64, "width": 4, "crop_units": 16, "dropout": 0.0},
    "hog": {"image_size": 64},
    "hybrid": {
        "image_size": 64,
        "width": 12,
        "stride": 2,
        "fc_units": 32,
        "dropout": 0.0,
        "components": 32,
        "lstm_units": 16,
        "lstm_dropout": 0.0,
        "initial_range": 0.8,
        "fusion_units": 16,
    },
    "ofnet": {"image_size": 64, "width": 4},
    "renet": {
        "image_size": 64,
        "width": 8,
        "aus_per_step": "all",  # of one AU at random, no test would see the others' outputs
        "relations": (1, 0.5, -0.2, 0.1, 0.5, 1, 0.3, 0, -0.2, 0.3, 1, -0.4, 0.1, 0, -0.4, 1),
    },
    "resnet18": {
        "image_size": 64,
        "width": 8,
        "landmark_branch": True,
        "landmark_width": 32,
        "landmark_dropout": 0.0,
        "ccc_weight": 0.5,
        "class_weighting": "inverse",
        "au_rates": (0.1, 0.2, 0.3, 0.05),
    },
    "tcae": {"image_size": 64, "width": 4, "embedding": 16, "au_rates": (0.4, 0.2, 0.3, 0.1)},
}

# Learning rates of the test that eight samples are learned by heart, where 3e-3 is not right: EAC-Net is deep without
# normalisation, and its Eq. (3) hardly pulls on a label that an overshooting step has got very wrong. TCAE's probe is
# one small linear layer.
BY_HEART_LR = {"eacnet": 1.5e-4, "tcae": 3e-2}


def random_batch(rows: int = 8, size: int = 64, seed: int = 0, inputs: tuple[str, ...] = ()) -> Batch:
    """Random images, anchors, labels, meshes and landmarks; the last row has no mesh, and some labels are unknown.

    inputs: of a stage; target frames are there for a stage that reads them.
    Of models that follow time, every four rows are a clip.
    """
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    intensity = rand(rows, len(AUS)) * 5 * (rand(rows, len(AUS)) < 0.5)
    face = rand(1, 478, 3)
    mesh_valid = torch.ones(rows, dtype=torch.bool)
    if rows > 1:
        mesh_valid[-1] = False
    return Batch(
        image=rand(rows, 3, size, size),
        au_present=(intensity >= 1).float(),
        au_present_valid=rand(rows, len(AUS)) < 0.9,
        au_intensity=intensity,
        au_intensity_valid=rand(rows, len(AUS)) < 0.9,
        mesh=face + 0.02 * rand(rows, 478, 3),
        mesh_valid=mesh_valid,
        landmarks=torch.from_numpy(template_landmarks()) + 0.02 * rand(rows, 68, 2),
        anchor=rand(rows, 3, size, size),
        target=rand(rows, 3, size, size) if "target" in inputs else None,
        sequence=torch.arange(rows) // 4,
    )
