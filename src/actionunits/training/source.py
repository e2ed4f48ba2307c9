"""Training batches of registered crops, as a function of seed, stage and step alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import AugmentConfig, augment
from actionunits.datasets.sampling.rows import Sampler, rank_slice, rows_of_people
from actionunits.datasets.sampling.sequences import MovingPairSampler, PairSampler
from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.training.validation import OF_SEQUENCES, CropPredictions


def step_seed(seed: int, stage: int, step: int, rank: int = 0) -> int:
    """Seed of the random numbers of one step, so that a resumed run draws the same ones."""
    return int(np.random.SeedSequence((seed, stage, step, rank)).generate_state(1, np.uint64)[0]) >> 1


def known_landmarks(data: CropData, stage: Stage) -> np.ndarray:
    """Landmarks of all rows, (N, 68, 2). Raises UserError where there is none."""
    if data.landmarks is None or not np.isfinite(data.landmarks).any():
        raise UserError(f"stage '{stage.name}' reads landmarks, and the training data has none; prepare it again")
    return data.landmarks


def usable_rows(data: CropData, stage: Stage) -> np.ndarray:
    """Numbers of the rows that have what the stage reads. Raises UserError where there is none."""
    usable = np.ones(len(data), bool)
    motion = [name for name in OF_SEQUENCES if name in stage.inputs]
    for name in motion:
        if getattr(data, name) is None:
            raise UserError(
                f"stage '{stage.name}' reads {OF_SEQUENCES[name]}, and not every part of the training data has them; "
                "prepare the data again or leave the part without them out"
            )
    if motion:
        # The only frame of a sequence is its own anchor and shows no motion.
        usable &= np.bincount(data.clip)[data.clip] >= 2
        if not usable.any():
            raise UserError(
                f"stage '{stage.name}' learns motion to an anchor, and every training sequence has one frame alone; "
                "take data of sequences, or a smaller --set every"
            )
    if "landmarks" in stage.inputs:
        usable &= np.isfinite(known_landmarks(data, stage)).all(2).any(1)
    if "mesh" in stage.inputs:
        if data.mesh_valid is None or not data.mesh_valid.any():
            raise UserError(
                f"stage '{stage.name}' reads mesh points, and the training data has none; "
                "prepare the data with meshes or train without the landmark branch"
            )
        usable &= data.mesh_valid
    if not usable.any():
        raise UserError(
            f"stage '{stage.name}' reads {', '.join(stage.inputs)}, and no training frame has all of them"
        )
    return np.flatnonzero(usable)


def rows_of_stage(data: CropData, stage: Stage, seed: int) -> np.ndarray:
    """Numbers of the rows whose people the stage learns from. Raises UserError where there is nobody."""
    rows = rows_of_people(data.subject, stage.people, seed)
    if not len(rows):
        raise UserError(
            f"stage '{stage.name}' learns from a part of the training people of its own, and there are too few; "
            "train on more people, or let all stages learn from all of them"
        )
    return rows


class CropSource:
    """Augmented batches for one stage; each process of several takes its part of every batch.

    A stage that reads target frames gets pairs of frames of one clip; an epoch shows as many frames as there are.

    weight: (N,) how often each row appears per epoch, or None for once. teacher: another model's outputs for every
    row, which batches then carry. A stage that does not read images gets batches whose image has no pixels. Raises
    UserError where no row has what the stage reads.
    """

    def __init__(
        self,
        data: CropData,
        stage: Stage,
        stage_number: int,
        image_size: int,
        seed: int,
        augment_config: AugmentConfig | None = None,
        weight: np.ndarray | None = None,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
        teacher: CropPredictions | None = None,
    ) -> None:
        rows = np.intersect1d(usable_rows(data, stage), rows_of_stage(data, stage, seed))
        self.data = data
        self.stage = stage
        self.stage_number = stage_number
        self.image_size = image_size
        self.seed = seed
        self.augment_config = augment_config or AugmentConfig()
        self.device = torch.device(device)
        self.rank = rank
        self.world_size = world_size
        self.teacher = teacher
        if stage.batch_size % world_size:
            raise UserError(f"batch size {stage.batch_size} does not divide over {world_size} devices")
        self._rows = rows
        self._sampler: Sampler | PairSampler | MovingPairSampler
        if "target" in stage.inputs:
            if weight is not None:
                raise UserError(f"stage '{stage.name}' draws pairs evenly over people; leave balance out")
            levels = (data.subject[rows], data.clip[rows])
            if stage.face_pairs or stage.head_pairs:
                landmarks = known_landmarks(data, stage)[rows]
                self._sampler = MovingPairSampler(
                    levels, stage.batch_size, seed, landmarks, stage.face_pairs, stage.head_pairs
                )
            else:
                self._sampler = PairSampler(levels, stage.batch_size, seed)
        else:
            weight = None if weight is None else np.asarray(weight)[rows]
            self._sampler = Sampler(len(rows), stage.batch_size, seed, weight)
        self.steps_per_epoch = self._sampler.steps_per_epoch

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs of the stage."""
        indices = rank_slice(self._rows[self._sampler.batch_indices(step)], self.rank, self.world_size)
        generator = torch.Generator().manual_seed(step_seed(self.seed, self.stage_number, step, self.rank))
        stored = self.data.batch(indices, self.device, self.stage.inputs)
        batch = augment(stored, self.image_size, generator, self.augment_config, self.data.margin)
        return batch if self.teacher is None else self._taught(batch, indices, self.teacher)

    def _taught(self, batch: Batch, indices: np.ndarray, teacher: CropPredictions) -> Batch:
        """The batch with what the teacher says of the plain crops: augmentation moves no action unit."""
        intensity = teacher.au_intensity
        return dataclasses.replace(
            batch,
            teacher_logit=torch.from_numpy(teacher.au_logit[indices]).to(self.device),
            teacher_intensity=None if intensity is None else torch.from_numpy(intensity[indices]).to(self.device),
        )

    def batches(self, start: int) -> Generator[Batch, None, None]:
        """Endless batches from a step on; on an accelerator the next one is made while this one trains."""
        if self.device.type == "cpu":
            # Both cores are busy with the step itself: a second thread would only get in its way.
            step = start
            while True:
                yield self.batch(step)
                step += 1
        with ThreadPoolExecutor(1) as pool:
            step = start
            pending = [pool.submit(self.batch, step + ahead) for ahead in range(2)]
            while True:
                ready = pending.pop(0).result()
                pending.append(pool.submit(self.batch, step + 2))
                step += 1
                yield ready
