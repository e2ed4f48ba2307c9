"""A new action unit for a trained RE-Net, from its relations to the known ones alone (Sec. 4.6, Table 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from actionunits.aus import au_label
from actionunits.errors import UserError
from actionunits.models.renet.graph import fixed_relations
from actionunits.models.renet.model import ReNet


def add_au(model: ReNet, au: int, relations: Sequence[float]) -> ReNet:
    """The model with one more AU, last in its `aus`, that no image was trained on.

    relations: w of the new AU to each of `model.aus`, such as the correlation of their training labels. Scale, bias,
    running statistics and row of the last layer of the new AU are the weighted means of the trained ones (Eq. 4 and
    5); what the model says of the others stays. Raises UserError for an AU that is known, relations that do not match
    the AUs or add up to about 0, and for learned relations, on whose scale labels do not lie.
    """
    if au in model.aus:
        raise UserError(f"the model knows {au_label(au)} already")
    if model.config.variant == "learnable":
        raise UserError("relations of labels do not fit a model that learned its own; train it with variant=fixed")
    count = len(model.aus)
    if len(relations) != count:
        raise UserError(f"{len(relations)} relations are given for {count} action units of the model")
    w = torch.eye(count + 1, dtype=torch.float64)
    w[:count, :count] = fixed_relations(model.config.relations, model.aus)
    w[count, :count] = w[:count, count] = torch.tensor(relations, dtype=torch.float64)
    config = replace(model.config, relations=tuple(w.flatten().tolist()), unseen_aus=(*model.config.unseen_aus, au))
    extended = ReNet(config, (*model.aus, au)).to(model.head.weight)
    state, known = extended.state_dict(), model.state_dict()
    for name, value in known.items():
        # Rows that the new AU owns stay at their start: they are never read.
        state[name][:count].copy_(value) if name.startswith(tuple(ReNet.au_outputs)) else state[name].copy_(value)
    return extended.train(model.training)
