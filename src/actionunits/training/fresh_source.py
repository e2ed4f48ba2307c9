"""Batches from people who are rendered while models train: some processes render, others train on what is there.

The device keeps the crops, and every training process draws from the same ones.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from functools import partial
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import STORED_MARGIN
from actionunits.datasets.crops.fresh import FreshPlan, FreshRows, kept_person
from actionunits.datasets.sampling.augment import AugmentConfig, augment
from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.runtime.processes import be_a_worker
from actionunits.synth.dataset import PRESENT_FROM
from actionunits.training.source import step_seed
from actionunits.types import MESH_POINTS

AHEAD = 3  # people that wait for each rendering process
ROW_TENSORS = ("images", "mesh", "mesh_valid", "landmarks", "au_sides")


class FreshFrames:
    """Room for crops of rendered people on one device; torch's own processes share it.

    A frame stays once it is there, so that later batches draw from more and more people.
    """

    def __init__(self, plan: FreshPlan, capacity: int, device: torch.device) -> None:
        """capacity: frames to hold, 3 bytes a pixel of the stored crop each."""
        self.plan, self.capacity, self.device = plan, capacity, device
        size = plan.crop_size
        self.images = torch.zeros(capacity, size, size, 3, dtype=torch.uint8, device=device)
        self.mesh = torch.zeros(capacity, MESH_POINTS, 3, dtype=torch.float16, device=device)
        self.mesh_valid = torch.zeros(capacity, dtype=torch.bool, device=device)
        self.landmarks = torch.zeros(capacity, 68, 2, device=device)
        self.au_sides = torch.zeros(capacity, len(SYNTH_AUS), 2, device=device)
        self._counts = torch.zeros(2, dtype=torch.long).share_memory_()

    @property
    def frames(self) -> int:
        """How many frames are there."""
        return int(self._counts[0])

    @property
    def people(self) -> int:
        """How many people they show."""
        return int(self._counts[1])

    def add(self, rows: FreshRows) -> None:
        """Take in the frames of a person for whom there is room."""
        start, stop = self.frames, self.frames + len(rows.images)
        for name in ROW_TENSORS:
            getattr(self, name)[start:stop] = torch.from_numpy(getattr(rows, name)).to(self.device)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # others read what the counts say is there
        self._counts += torch.tensor([len(rows.images), 1])

    def batch(self, rows: Tensor, mesh: bool) -> Batch:
        """The frames of the given numbers: whole stored crops, or their meshes alone."""
        sides = self.au_sides[rows]
        intensity = sides.amax(-1)
        known = torch.ones_like(intensity, dtype=torch.bool)
        image = sides.new_zeros(len(rows), 3, 0, 0)
        if not mesh:
            image = self.images[rows].permute(0, 3, 1, 2).float().mul_(1 / 255)
        return Batch(
            image=image,
            au_present=(intensity >= PRESENT_FROM).float(),
            au_present_valid=known,
            au_intensity=intensity,
            au_intensity_valid=known,
            au_sides=sides,
            landmarks=self.landmarks[rows],
            mesh=self.mesh[rows].float() if mesh else None,
            mesh_valid=self.mesh_valid[rows] if mesh else None,
        )


class Rendering:
    """Fills the room of `frames` from other processes, until it is full or `stop` is called."""

    def __init__(self, frames: FreshFrames, workers: int, folder: Path | None = None) -> None:
        """folder: where people are kept, so that the next run need not render them again."""
        self.frames, self.folder = frames, folder
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._fill, args=(workers,), daemon=True)
        self._thread.start()

    def wait_for(self, least: int) -> None:
        """Wait until so many frames are there. Raises UserError if rendering has failed."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: self.frames.frames >= least or not self._thread.is_alive() or self._failure
            )
        if self._failure is not None:
            raise UserError(f"rendering stopped: {self._failure}") from self._failure

    def stop(self) -> None:
        """Render nobody else; what is there stays. Raises UserError if rendering has failed."""
        self._stop.set()
        self._thread.join()
        self.wait_for(0)

    def _fill(self, workers: int) -> None:
        try:
            for rows in _rendered(partial(kept_person, self.frames.plan, self.folder), workers, self._stop):
                if self.frames.frames + len(rows.images) > self.frames.capacity:
                    break
                self.frames.add(rows)
                with self._arrived:
                    self._arrived.notify_all()
        except BaseException as error:
            self._failure = error
        with self._arrived:
            self._arrived.notify_all()


def _rendered(render: Callable[[int], FreshRows], workers: int, stop: threading.Event) -> Iterator[FreshRows]:
    """People one after the other as they are finished, until `stop` is set."""
    numbers = count()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
        running: set[Future[FreshRows]] = {pool.submit(render, next(numbers)) for _ in range(AHEAD * workers)}
        try:
            while not stop.is_set():
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    running.add(pool.submit(render, next(numbers)))
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class FreshSource:
    """Augmented batches of one stage, each drawn evenly from all frames that are there by then."""

    def __init__(
        self,
        frames: FreshFrames,
        stage: Stage,
        stage_number: int,
        image_size: int,
        seed: int,
        augment_config: AugmentConfig,
        steps_per_epoch: int,
    ) -> None:
        self.frames, self.stage, self.stage_number, self.image_size = frames, stage, stage_number, image_size
        self.seed, self.augment_config, self.steps_per_epoch = seed, augment_config, steps_per_epoch
        self._mesh = "mesh" in stage.inputs

    def batch(self, step: int) -> Batch:
        """The batch of a step; which people it holds depends on how many have been rendered."""
        generator = torch.Generator().manual_seed(step_seed(self.seed, self.stage_number, step))
        there = self.frames.frames
        if self._mesh:
            usable = self.frames.mesh_valid[:there].nonzero()[:, 0]
            there = len(usable)
        rows = torch.randint(there, (self.stage.batch_size,), generator=generator).to(self.frames.device)
        stored = self.frames.batch(usable[rows] if self._mesh else rows, self._mesh)
        return augment(stored, self.image_size, generator, self.augment_config, STORED_MARGIN)

    def batches(self, start: int) -> Generator[Batch, None, None]:
        """Endless batches from a step on; the next one is made while this one trains."""
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(self.batch, start)
            for step in count(start + 1):
                ready = pending.result()
                pending = pool.submit(self.batch, step)
                yield ready
