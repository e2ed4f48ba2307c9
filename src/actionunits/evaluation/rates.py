"""Tables of occurrence rates, which the labels of the data answer without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actionunits.aus import au_label
from actionunits.datasets.load import load_labels
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


def occurrence_rates(published: PublishedTable, folders: Sequence[Path]) -> pd.Series:
    """How often each AU of a table of rates is present among the known labels of the data, by label, 0-1."""
    aus = aus_in_data(published, folders)
    labels = [load_labels(folder).of_aus(aus) for folder in folders]
    known = np.sum([data.au_present_valid.sum(0) for data in labels], 0)
    present = np.sum([((data.au_present > 0) & data.au_present_valid).sum(0) for data in labels], 0)
    rates = np.divide(present, known, out=np.full(len(aus), np.nan), where=known > 0)
    return pd.Series(rates, index=[au_label(au) for au in aus], name="rate")
