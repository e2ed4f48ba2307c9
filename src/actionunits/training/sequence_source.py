"""Training batches of whole stretches of clips, for stages that learn over time from a frozen part's features.

Every frame passes the frozen part once, as its plain registered crop; a batch is rows of the result. Batches are a
function of seed, stage and step alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.datasets.sampling.rows import rank_slice
from actionunits.datasets.sampling.sequences import pad_sequences, sub_sequences
from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.contract import LearnsFromSequences, Stage
from actionunits.training.source import rows_of_stage


@torch.no_grad()
def frame_features(model: Any, data: CropData, device: torch.device | str) -> np.ndarray:
    """What the model's frozen part says of every row, (N, D) float32; fitted to these rows where it has to be."""
    model.eval()
    size = model.config.image_size
    model.fit(plain_batches(data, size, device))
    return np.concatenate([model.frame_features(b).float().cpu().numpy() for b in plain_batches(data, size, device)])


class SequenceSource:
    """Batches for a stage with `sequences`; each process of several takes its part of every batch.

    features: `frame_features` of the data, where a stage before has computed them. Raises UserError where no clip is
    longer than the frames that the loss leaves out, or none shows enough AUs.
    """

    def __init__(
        self,
        data: CropData,
        stage: Stage,
        stage_number: int,
        model: Any,
        seed: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
        features: np.ndarray | None = None,
    ) -> None:
        assert stage.sequences is not None
        if not isinstance(model, LearnsFromSequences):
            raise ValueError(f"stage '{stage.name}' learns from sequences, and its model is no LearnsFromSequences")
        self._rows = rows_of_stage(data, stage, seed)
        self._sequence, self._place = data.clip, data.frame
        if stage.sequences.joined:
            self._sequence, self._place = data.subject, np.argsort(np.lexsort((data.frame, data.clip)))
        longest = int(np.bincount(self._sequence[self._rows]).max())
        if longest <= stage.sequences.context:
            raise UserError(
                f"stage '{stage.name}' leaves the first {stage.sequences.context} frames of a sequence out of its "
                f"loss, and the longest has {longest}; train on longer clips or set context_frames lower"
            )
        if stage.batch_size % world_size:
            raise UserError(f"batch size {stage.batch_size} does not divide over {world_size} devices")
        self.data, self.stage, self.stage_number, self.seed = data, stage, stage_number, seed
        self.sampling = stage.sequences
        self.device, self.rank, self.world_size = torch.device(device), rank, world_size
        self._epoch, self._order = -1, [np.empty(0, np.int64)]
        self.steps_per_epoch = -(-len(self.order(0)) // stage.batch_size)
        self.features = frame_features(model, data, device) if features is None else features

    def order(self, epoch: int) -> list[np.ndarray]:
        """Stretches of an epoch in the order of use, row numbers each."""
        if epoch != self._epoch:
            s, data, rows = self.sampling, self.data, self._rows
            found = sub_sequences(
                self._sequence[rows],
                self._place[rows],
                data.au_present[rows],
                data.au_present_valid[rows],
                self.seed,
                epoch,
                s.per_clip,
                s.frames,
                s.least_active,
            )
            found = [rows[stretch] for stretch in found if len(stretch) > s.context]
            if not found:
                raise UserError(
                    f"no stretch of the training clips is longer than {s.context} frames and has {s.least_active:g} "
                    "active action units per frame; set context_frames or least_active lower"
                )
            shuffled = np.random.default_rng((self.seed, self.stage_number, epoch)).permutation(len(found))
            self._order, self._epoch = [found[k] for k in shuffled], epoch
        return self._order

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs of the stage."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = self.order(epoch)
        # Epochs may give a few stretches more or fewer than the first, which set their number of steps.
        places = (position * self.stage.batch_size + np.arange(min(self.stage.batch_size, len(order)))) % len(order)
        # Always one for each process, if need be twice the same.
        mine = rank_slice(places, self.rank, self.world_size) if len(places) >= self.world_size else places
        rows, counts = pad_sequences([order[k] for k in mine], self.sampling.context)
        batch = self.data.batch(rows.ravel(), self.device, inputs=())
        assert batch.au_present_valid is not None
        counted = torch.from_numpy(counts.ravel()[:, None]).to(self.device)
        return dataclasses.replace(
            batch,
            au_present_valid=batch.au_present_valid & counted,
            features=torch.from_numpy(self.features[rows.ravel()]).to(self.device),
            sequence=torch.arange(len(rows), device=self.device).repeat_interleave(rows.shape[1]),
        )

    def batches(self, start: int) -> Generator[Batch, None, None]:
        """Endless batches from a step on."""
        step = start
        while True:
            yield self.batch(step)
            step += 1
