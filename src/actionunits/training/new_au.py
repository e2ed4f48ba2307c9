"""A new action unit for a stored RE-Net, from training labels alone (RE-Net, Sec. 4.6 and Table 6)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actionunits.aus import au_label
from actionunits.datasets.crops.load import load_labels
from actionunits.errors import UserError
from actionunits.models.renet import ReNet, add_au
from actionunits.scores.relations import label_relations
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.validation import DEFAULT_THRESHOLD

KEPT_FIELDS = ("data", "seed", "commit", "thresholds", "neutral_logit")  # scores are of the model as it was


def add_au_to_checkpoint(checkpoint: Path, au: int, folders: Sequence[Path], out: Path) -> ReNet:
    """Write `checkpoint` with one more AU, related to the known ones as in the labels of the folders.

    No picture is read, so the people who count as trained on stay. The threshold of the new AU is 0.5: nothing was
    there to choose another by. Raises UserError for a model that is no RE-Net, an AU that it knows or that the labels
    do not relate, and where the file cannot be written.
    """
    loaded = load_checkpoint(checkpoint)
    if not isinstance(loaded.model, ReNet):
        raise UserError(f"{checkpoint} holds a {loaded.header['model']}; only renet takes new action units")
    kind = loaded.model.config.relation_labels or "au_present"
    aus = (*loaded.aus, au)
    parts = [load_labels(folder) for folder in folders]
    if not any(au in part.aus for part in parts):
        raise UserError(f"{', '.join(map(str, folders))} does not code {au_label(au)}")
    values = np.concatenate([getattr(part.of_aus(aus), kind) for part in parts])
    known = np.concatenate([getattr(part.of_aus(aus), f"{kind}_valid") for part in parts])
    told = [k for k, name in enumerate(aus) if known[:, k].any()]
    relations = np.zeros(len(aus))
    relations[told] = label_relations(values[:, told], known[:, told], [aus[k] for k in told])[-1]
    extended = add_au(loaded.model, au, [round(float(value), 5) for value in relations[:-1]])
    fields = {name: loaded.header[name] for name in KEPT_FIELDS if name in loaded.header}
    fields["thresholds"] = fields.get("thresholds", {}) | {au_label(au): DEFAULT_THRESHOLD}
    fields["added"] = [*loaded.header.get("added", ()), {"au": au, "data": [str(f.name) for f in folders]}]
    save_checkpoint(out, extended, fields)
    return extended
