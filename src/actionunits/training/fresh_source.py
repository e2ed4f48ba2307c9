"""Batches from people who are rendered while the model trains: other processes render, the device keeps the crops."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from itertools import count

import torch

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import STORED_MARGIN
from actionunits.datasets.crops.fresh import FreshPlan, FreshRows, render_person
from actionunits.datasets.sampling.augment import AugmentConfig, augment
from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.runtime.processes import be_a_worker
from actionunits.synth.dataset import PRESENT_FROM
from actionunits.training.source import step_seed
from actionunits.types import MESH_POINTS

AHEAD = 3  # people that wait for each process


class FreshFrames:
    """Crops of rendered people on the training device; more arrive until there is no room.

    A frame stays once it is there, so that later batches draw from more and more people.
    """

    def __init__(self, plan: FreshPlan, capacity: int, device: torch.device, first_person: int = 0) -> None:
        """capacity: frames to hold, 3 bytes a pixel of the stored crop each. first_person: number to begin at."""
        self.plan, self.capacity, self.device, self.first_person = plan, capacity, device, first_person
        size = plan.crop_size
        self.images = torch.zeros(capacity, size, size, 3, dtype=torch.uint8, device=device)
        self.mesh = torch.zeros(capacity, MESH_POINTS, 3, dtype=torch.float16, device=device)
        self.mesh_valid = torch.zeros(capacity, dtype=torch.bool, device=device)
        self.au_sides = torch.zeros(capacity, len(SYNTH_AUS), 2, device=device)
        self.frames = self.people = 0
        self.with_mesh = torch.zeros(0, dtype=torch.long, device=device)  # numbers of the frames that have one
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self, workers: int, least: int) -> None:
        """Begin to render in so many processes, and wait until `least` frames are there.

        Raises what made a process fail, UserError where one was ended from outside.
        """
        self._thread = threading.Thread(target=self._fill, args=(workers,), daemon=True)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self.frames >= min(least, self.capacity) or self._failure is not None)
        self.check()

    def check(self) -> None:
        """Raise what ended the rendering, if something did."""
        if self._failure is not None:
            raise UserError(f"rendering stopped: {self._failure}") from self._failure

    def stop(self) -> None:
        """Render nobody else; what is there stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _fill(self, workers: int) -> None:
        try:
            for rows in _rendered(self.plan, self.first_person, workers, self._stop):
                if not self._add(rows):
                    break
        except BaseException as error:
            self._failure = error
        with self._changed:
            self._changed.notify_all()

    def _add(self, rows: FreshRows) -> bool:
        """Take a person in; False where the last one filled the room."""
        number = min(len(rows.images), self.capacity - self.frames)
        place = slice(self.frames, self.frames + number)
        for name in ("images", "mesh", "mesh_valid", "au_sides"):
            getattr(self, name)[place] = torch.from_numpy(getattr(rows, name)[:number]).to(self.device)
        found = torch.from_numpy(rows.mesh_valid[:number]).nonzero()[:, 0] + self.frames
        with self._changed:
            self.with_mesh = torch.cat([self.with_mesh, found.to(self.device)])
            self.frames, self.people = self.frames + number, self.people + 1
            self._changed.notify_all()
        return self.frames < self.capacity

    def batch(self, rows: torch.Tensor, mesh: bool) -> Batch:
        """The frames of the given numbers as whole stored crops, with their meshes where these are wanted."""
        sides = self.au_sides[rows]
        intensity = sides.amax(-1)
        known = torch.ones_like(intensity, dtype=torch.bool)
        pixels = self.images[rows].permute(0, 3, 1, 2).float().mul_(1 / 255)
        return Batch(
            image=pixels if not mesh else pixels.new_zeros(len(rows), 3, 0, 0),
            au_present=(intensity >= PRESENT_FROM).float(),
            au_present_valid=known,
            au_intensity=intensity,
            au_intensity_valid=known,
            au_sides=sides,
            mesh=self.mesh[rows].float() if mesh else None,
            mesh_valid=self.mesh_valid[rows] if mesh else None,
        )


def _rendered(plan: FreshPlan, first: int, workers: int, stop: threading.Event) -> Iterator[FreshRows]:
    """People one after the other as they are finished, until `stop` is set."""
    numbers = count(first)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
        running: set[Future[FreshRows]] = {
            pool.submit(render_person, plan, next(numbers)) for _ in range(AHEAD * workers)
        }
        try:
            while not stop.is_set():
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    running.add(pool.submit(render_person, plan, next(numbers)))
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
        self.frames.check()
        generator = torch.Generator().manual_seed(step_seed(self.seed, self.stage_number, step))
        numbers = self.frames.with_mesh
        there = len(numbers) if self._mesh else self.frames.frames
        rows = torch.randint(there, (self.stage.batch_size,), generator=generator).to(self.frames.device)
        stored = self.frames.batch(numbers[rows] if self._mesh else rows, self._mesh)
        return augment(stored, self.image_size, generator, self.augment_config, STORED_MARGIN)

    def batches(self, start: int) -> Generator[Batch, None, None]:
        """Endless batches from a step on; the next one is made while this one trains."""
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(self.batch, start)
            for step in count(start + 1):
                ready = pending.result()
                pending = pool.submit(self.batch, step)
                yield ready
