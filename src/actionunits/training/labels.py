"""What a run takes from its training labels before it starts: how often rows are shown, rates, relations."""

from __future__ import annotations

import dataclasses

import numpy as np

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.balance import balance_weight
from actionunits.models.config_contract import RelatesByLabels, WeighsByRates
from actionunits.scores.relations import label_relations
from actionunits.training.settings import Settings


def row_weight(settings: Settings, training: CropData) -> np.ndarray | None:
    """How often each training row is shown per epoch. Raises UserError for settings that cannot be."""
    chosen = settings.data
    return balance_weight(
        chosen.balance,
        training.aus,
        training.au_present,
        training.au_present_valid,
        chosen.balance_aus,
        chosen.balance_times,
    )


def with_label_rates(settings: Settings, training: CropData) -> Settings:
    """Fill in the base rates of the AUs for a model whose losses weigh by them."""
    config = settings.model
    if not isinstance(config, WeighsByRates) or config.au_rates:
        return settings
    return dataclasses.replace(settings, model=dataclasses.replace(config, au_rates=label_rates(training)))


def label_rates(training: CropData) -> tuple[float, ...]:
    """How often each AU is present, of the rows where that is known; 0 where it never is."""
    known = training.au_present_valid
    rates = ((training.au_present > 0) & known).sum(0) / np.maximum(known.sum(0), 1)
    return tuple(round(float(rate), 5) for rate in rates)


def with_relations(settings: Settings, training: CropData) -> Settings:
    """Fill in how the AUs go together for a model that builds on it. Raises UserError for labels that do not tell."""
    config = settings.model
    if not isinstance(config, RelatesByLabels) or config.relations or config.relation_labels is None:
        return settings
    labels = config.relation_labels
    relations = label_relations(getattr(training, labels), getattr(training, f"{labels}_valid"), training.aus)
    flat = tuple(round(float(value), 5) for value in relations.flatten())
    return dataclasses.replace(settings, model=dataclasses.replace(config, relations=flat))
