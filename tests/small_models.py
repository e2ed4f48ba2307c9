"""Small versions of the models, and small batches."""

from typing import Any

from actionunits.testing import AUS, random_batch

__all__ = ["AUS", "BY_HEART_LR", "MIXES_AUS", "SMALL", "random_batch"]

# Settings that make a model small enough for a test on one core.
SMALL: dict[str, dict[str, Any]] = {
    "deformae": {
        "image_size": 64,
        "width": 4,
        "texture_units": 8,
        "shape_units": 8,
        "au_rates": (0.4, 0.2, 0.3, 0.1),
    },
    "drml": {"image_size": 66, "width": 8, "dense_units": (64, 32), "dropout": 0.0},
    "eacnet": {"image_size": 64, "width": 4, "crop_units": 16, "dropout": 0.0},
    "frozen": {"image_size": 64, "width": 8, "au_rates": (0.4, 0.2, 0.3, 0.1)},
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
    "splitbrain": {"image_size": 64, "width": 6, "dense_units": 32, "au_rates": (0.4, 0.2, 0.3, 0.1)},
    "tcae": {"image_size": 64, "width": 4, "embedding": 16, "au_rates": (0.4, 0.2, 0.3, 0.1)},
}

# Learning rates of the test that eight samples are learned by heart, where 3e-3 is not right: EAC-Net is deep without
# normalisation, and its Eq. (3) hardly pulls on a label that an overshooting step has got very wrong. The probe
# of deformae, splitbrain and tcae is one small linear layer.
BY_HEART_LR = {"deformae": 3e-2, "eacnet": 1.5e-4, "splitbrain": 3e-2, "tcae": 3e-2}

# Stages after which every output depends on all AUs, the new one too.
MIXES_AUS = {"hybrid": ("fusion",)}
