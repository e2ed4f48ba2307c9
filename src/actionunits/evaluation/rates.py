"""Tables of occurrence rates, which the labels of the data answer without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actionunits.aus import au_label
from actionunits.datasets.crops.load import load_labels
from actionunits.datasets.sampling.balance import repeat_weight
from actionunits.errors import UserError
from actionunits.evaluation.published import PublishedTable
from actionunits.evaluation.reproduction import aus_in_data


def is_of_rates(published: PublishedTable) -> bool:
    """Whether a table holds occurrence rates, which the data alone answers."""
    return published.metric == "rate" and bool(published.aus)


def refuse_training_options(published: PublishedTable, given: Mapping[str, Any]) -> None:
    """Raises UserError where an option of training was given, by flag: nothing would come of it."""
    flags = [flag for flag, value in given.items() if value is not None]
    if flags:
        raise UserError(f"{published.key} holds occurrence rates: nothing is trained; leave out {', '.join(flags)}")


def occurrence_rates(published: PublishedTable, folders: Sequence[Path], repeated: bool = False) -> pd.Series:
    """How often each AU of a table of rates is present among the known labels of the data, by label, 0-1.

    repeated: as an epoch with `balance: repeat` shows them, frames with scarce AUs 4 to 7 times.
    """
    aus = aus_in_data(published, folders)
    labels = [load_labels(folder).of_aus(aus) for folder in folders]
    valid = np.concatenate([data.au_present_valid for data in labels])
    present = np.concatenate([data.au_present for data in labels]) > 0
    weight = repeat_weight(present, valid) if repeated else np.ones(len(valid))
    known = weight @ valid
    rates = np.divide(weight @ (present & valid), known, out=np.full(len(aus), np.nan), where=known > 0)
    return pd.Series(rates, index=[au_label(au) for au in aus], name="rate")
