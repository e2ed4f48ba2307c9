"""The crops that a run trains and validates on, as its model's recipe asks for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from actionunits.datasets.crops import load
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.readers.folder_contents import some
from actionunits.datasets.sampling.folds import VALIDATION_FRACTION, training_people
from actionunits.datasets.sampling.sequences import single_frame_clips
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.config_contract import HasSettingsPerAu, RelatesByLabels, WeighsByRates, flow_method
from actionunits.models.contract import Stage, reads_mesh
from actionunits.models.registry import key_of
from actionunits.training.settings import Settings

RECIPE_AUS = (1, 2)  # a model's stages do not depend on its AUs


def load_training_data(
    data: Sequence[Path], valid: Sequence[Path], settings: Settings, progress: bool
) -> tuple[CropData, CropData]:
    """Training and validation crops; without validation folders, some of the people are held out: those that data
    without labels names itself, or else a fifth.

    Raises UserError where subjects are in both, or where a model that learns from labels gets none.
    """
    size = stored_size(settings.model.image_size)
    recipe = recipe_of(settings)
    if not reads_pairs(settings) and not any(load.coded_aus(folder) for folder in data):
        raise UserError("the training data codes no action unit, which this model learns from; tcae learns without")
    # Points take longer to find than pictures to read. A branch that is not trained needs them to be judged alone.
    judged = reads_mesh(recipe)
    meshes = reads_mesh(stage for stage in recipe if stage.epochs > 0) or (not valid and judged)
    common: dict[str, Any] = {
        "mesh_every": settings.data.mesh_every,
        "flow": flow_method(settings.model),
        "progress": progress,
    }
    training = load.load_data(list(data), size, every=settings.data.every, meshes=meshes, **common)
    if progress and reads_pairs(settings) and (single := single_frame_clips(training)):
        text = f"tracks of one frame, which makes no pair, are left out ({len(single)}): {some(single, 12)}"
        Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    if not valid:
        own = {} if training.aus else load.own_splits(data)
        rest, held = training_people(training.present_subjects, own, VALIDATION_FRACTION, settings.loop.seed)
        return training.of_subjects(rest), training.of_subjects(held)
    coded = {au for folder in valid for au in load.coded_aus(folder)}
    if training.aus and not coded.intersection(training.aus):
        raise UserError("the training and the validation data have no action unit in common")
    # What the validation data does not code is unknown there, and does not count.
    validation = load.load_data(
        list(valid), size, aus=training.aus, every=settings.data.every, meshes=judged, **common
    )
    check_data(training, validation)
    return training, validation


def check_data(training: CropData, validation: CropData) -> None:
    """Raises UserError where data is missing, AUs differ, or a subject is in both parts."""
    for what, part in (("training", training), ("validation", validation)):
        if len(part) == 0:
            raise UserError(f"the {what} data holds no frame")
    if training.aus != validation.aus:
        raise UserError(
            f"training and validation data code different action units: {training.aus} and {validation.aus}"
        )
    if training.aligned != validation.aligned:
        raise UserError("faces are aligned in one of training and validation data; prepare both alike")
    both = sorted(set(training.present_subjects) & set(validation.present_subjects))
    if both:
        raise UserError(
            f"subject {both[0]} ({len(both)} in all) is in the training and in the validation data; "
            "scores would be of known faces"
        )


def reads_pairs(settings: Settings) -> bool:
    """Whether a model learns from pairs of frames, which need no label."""
    return any("target" in stage.inputs for stage in recipe_of(settings))


def recipe_of(settings: Settings) -> list[Stage]:
    """The stages of a run, before any label is known."""
    config = settings.model.without_aus() if isinstance(settings.model, HasSettingsPerAu) else settings.model
    stands_in: dict[str, Any] = {}
    if isinstance(config, WeighsByRates):
        stands_in |= {"au_rates": (0.5, 0.5)}
    if isinstance(config, RelatesByLabels):
        stands_in |= {"relations": (1.0, 0.0, 0.0, 1.0)}
    # On the meta device no memory is taken: only the recipe is wanted.
    with torch.device("meta"):
        return find_model(key_of(config)).model(dataclasses.replace(config, **stands_in), RECIPE_AUS).stages()
