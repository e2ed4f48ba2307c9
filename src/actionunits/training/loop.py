"""The one training loop: stages of a model over batches, on Lightning Fabric.

Everything random in a step is a function of seed, stage and step, so a run that is killed and resumed goes on
exactly as if it had not been. With a time budget the learning rate follows the clock, and only the batches are
the same.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeAlias

import torch
from annotated_types import Gt, Le
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.settings.ranges import Count, NotNegative, Positive, Seed, Share
from actionunits.training.optim import LearningRate, make_optimizer, set_trainable, update_average
from actionunits.training.source import step_seed
from actionunits.training.step import LossStep, backward

STATE_FILE = "state.pt"
LOG_FILE = "metrics.jsonl"
STATE_VERSION = 4

# Scores of a model in a stage; `score` is the one that decides, higher is better.
Validate: TypeAlias = Callable[[nn.Module, Stage], dict[str, float]]


class BatchSource(Protocol):
    """Where a stage's batches come from."""

    steps_per_epoch: int

    def batches(self, start: int) -> Generator[Batch, None, None]:
        """Endless batches from step `start` (from 0) on."""
        ...


@dataclass(frozen=True)
class LoopSettings:
    """How to run; what to train is the model's own affair (its stages)."""

    seed: Seed = 0
    max_minutes: Positive | None = None  # for all stages together; a stage ends with its epochs or its time
    ema_decay: Share = 0.999
    clip_norm: NotNegative = 1.0  # of the gradient; 0 for none
    accumulate: Count = 1  # parts that a batch passes the network in, one after the other, for less memory
    log_every_steps: Count = 20
    validate_every_epochs: Annotated[float, Gt(0), Le(1_000_000)] = 1.0
    save_every_minutes: NotNegative = 5.0
    init_body_only: bool = False  # --init gives the ResNet-18 alone, as ImageNet would, and no output layer


@dataclass
class Position:
    """Where a run stands; all of it is in the state file."""

    stage: int = 0
    step: int = 0  # of the stage
    elapsed_s: float = 0.0  # of the stage
    spare: int = 0  # steps that the stages before have left to this one


@dataclass(frozen=True)
class TrainResult:
    """What a run left."""

    model: nn.Module  # moving average of the weights, in eval mode
    finished: bool  # False when it was interrupted; its state is saved
    steps: int
    images_per_s: float


def train(
    model: nn.Module,
    source_of: Callable[[Stage, int], BatchSource],
    out: Path,
    settings: LoopSettings,
    fabric: Fabric,
    validate: Validate | None = None,
    resume: bool = False,
) -> TrainResult:
    """Run all stages of a model that have epochs to run, and return the moving average of its weights.

    source_of: makes the batches of a stage from the stage and its number. out: folder for `state.pt` and
    `metrics.jsonl`. validate: scores of a model in a stage; its `score` (higher is better) decides about plateaus.
    Raises UserError where a loss stops being finite, or the state cannot be read or belongs to another model.
    resume: continue from the state in `out`, or from the start where a run was stopped before its first save.
    """
    model.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = _Run(model, out, settings, fabric, validate)
    stages: list[Stage] = [stage for stage in model.stages() if stage.epochs > 0]  # type: ignore[operator]
    saved = run.load_state() if resume else None
    with run.watching_signals(), run.progress:
        for number, stage in enumerate(stages):
            if number < run.position.stage:
                continue
            share = stage.time_share / sum(s.time_share for s in stages)
            budget_s = None if settings.max_minutes is None else settings.max_minutes * 60 * share
            if not run.stage(stage, source_of(stage, number), budget_s, saved):
                return run.result(finished=False)
            saved = None
            run.take_average()
            run.position = Position(stage=number + 1, spare=run.unused)
    return run.result(finished=True)


class _Run:
    """State of a running training: what the loop reads and writes at every step."""

    def __init__(
        self,
        model: nn.Module,
        out: Path,
        settings: LoopSettings,
        fabric: Fabric,
        validate: Validate | None,
    ) -> None:
        self.model, self.out, self.settings, self.fabric, self.validate = model, out, settings, fabric, validate
        self.average = AveragedModel(model).eval().requires_grad_(False)
        self.position = Position()
        self.interrupted = False
        self.steps = self.images = 0
        self.unused = 0  # steps of the last stage that were not needed
        self.busy_s = 0.0
        console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
            disable=not (fabric.is_global_zero and console.is_terminal),
        )

    def stage(self, stage: Stage, source: BatchSource, budget_s: float | None, saved: dict[str, Any] | None) -> bool:
        """Train one stage to its end; False when interrupted."""
        settings, position, fabric = self.settings, self.position, self.fabric
        trained = set_trainable(self.model, stage)
        # A fused step is faster; under float16 its gradients could not be clipped.
        optimizer = make_optimizer(trained, stage, fused=str(fabric.strategy.precision.precision) != "16-mixed")
        loss_step, optimizer = fabric.setup(LossStep(self.model), optimizer, move_to_device=False)
        rate = LearningRate(stage)
        if saved is not None:
            optimizer.load_state_dict(saved["optimizer"])
            rate.load_state_dict(saved["rate"])
            fabric.strategy.precision.load_state_dict(saved["precision"])
        total_steps = stage.epochs * source.steps_per_epoch + (position.spare if stage.takes_unused else 0)
        validate_every = max(1, round(settings.validate_every_epochs * source.steps_per_epoch))
        report = _Report(self, stage)
        clock = time.monotonic
        began_s, saved_s = clock() - position.elapsed_s, clock()
        batches = source.batches(position.step)

        while True:
            share = position.step / total_steps
            if budget_s is not None:
                share = max(share, position.elapsed_s / budget_s)
            if share >= 1 or rate.saturated or self.interrupted:
                break
            lr = rate.at(position.step, share)
            for group in optimizer.param_groups:
                group["lr"] = lr * group.get("lr_factor", 1.0)
            batch = next(batches)
            torch.manual_seed(step_seed(settings.seed, position.stage, position.step, fabric.global_rank))

            optimizer.zero_grad(set_to_none=True)
            losses = backward(fabric, loss_step, batch, settings.accumulate)
            if settings.clip_norm > 0:
                fabric.clip_gradients(loss_step, optimizer, max_norm=settings.clip_norm, error_if_nonfinite=False)
            optimizer.step()
            update_average(self.average, self.model, settings.ema_decay, position.step)

            position.step += 1
            position.elapsed_s = clock() - began_s
            self._agree()
            report.losses(losses, len(batch.image), lr, share)
            if self.validate is not None and position.step % validate_every == 0:
                rate.observe(report.validation(self.validate))
                position.elapsed_s = clock() - began_s
            if clock() - saved_s > settings.save_every_minutes * 60:
                self.save_state(optimizer, rate)
                saved_s = clock()

        batches.close()
        report.close()
        self.unused = total_steps - position.step
        if self.interrupted:
            self.save_state(optimizer, rate)
        return not self.interrupted

    def take_average(self) -> None:
        """Go on from the averaged weights: what a later stage freezes is then what the result holds."""
        self.model.load_state_dict(self.average.module.state_dict())

    def _agree(self) -> None:
        """Let all processes see one clock and one wish to stop: each must take the same number of steps."""
        if self.fabric.world_size == 1:
            return
        mine = torch.tensor([float(self.interrupted), self.position.elapsed_s], device=self.fabric.device)
        stop, elapsed_s = self.fabric.all_reduce(mine, reduce_op="max").tolist()  # type: ignore[union-attr]
        self.interrupted, self.position.elapsed_s = stop > 0, elapsed_s

    def save_state(self, optimizer: Any, rate: LearningRate) -> None:
        """Write all that a resumed run needs."""
        if self.fabric.is_global_zero:
            state = {
                "version": STATE_VERSION,
                "seed": self.settings.seed,
                "position": vars(self.position),
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "rate": rate.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
            }
            content = io.BytesIO()
            torch.save(state, content)
            with write_atomically(self.out / STATE_FILE) as temporary:
                temporary.write_bytes(content.getbuffer())
        self.fabric.barrier()

    def load_state(self) -> dict[str, Any] | None:
        """Put the saved weights and position in place; optimiser and rate are left to the stage.

        None where the run was stopped before its first save: it then begins anew, with the same steps.
        """
        path = self.out / STATE_FILE
        if not path.is_file():
            self._forget_log()
            return None
        try:
            # weights_only: a state file can hold tensors and plain values, never code.
            state = torch.load(path, map_location=self.fabric.device, weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
            raise UserError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
        if not isinstance(state, dict) or state.get("version") != STATE_VERSION:
            raise UserError(f"{path} was written by another version; train again without --resume")
        if state["seed"] != self.settings.seed:
            raise UserError(f"{path} is of a run with seed {state['seed']}, not {self.settings.seed}")
        try:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
        except RuntimeError:
            raise UserError(f"{path} is of a run with another model or other settings") from None
        self.position = Position(**state["position"])
        self._forget_log()
        return state

    def _forget_log(self) -> None:
        """Drop the log's lines of steps that were done after the last save and will be done again."""
        path, position = self.out / LOG_FILE, self.position
        if not self.fabric.is_global_zero or not path.is_file():
            return
        kept = []
        for text in path.read_text().splitlines(keepends=True):
            line = json.loads(text) if text.endswith("\n") else None
            if line and (line["stage_number"], line["step"]) <= (position.stage, position.step):
                kept.append(text)
        with write_atomically(path) as temporary:
            temporary.write_text("".join(kept))

    def result(self, finished: bool) -> TrainResult:
        """What the caller gets."""
        rate = self.images / self.busy_s if self.busy_s else 0.0
        return TrainResult(self.average.module, finished, self.steps, rate)

    @contextmanager
    def watching_signals(self) -> Iterator[None]:
        """Interrupts let the step end and the state be saved; a second one stops at once."""

        def stop(number: int, _frame: Any) -> None:
            self.interrupted = True
            signal.signal(number, previous[number])

        previous: dict[int, Any] = {}
        try:
            for watched in (signal.SIGINT, signal.SIGTERM):
                previous[watched] = signal.signal(watched, stop)
        except ValueError:
            pass  # not the main thread: whoever runs this one decides about signals
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


class _Report:
    """Losses and scores of one stage: to the log file, and to the progress bar or as lines."""

    def __init__(self, run: _Run, stage: Stage) -> None:
        self.run, self.stage = run, stage
        self.task = run.progress.add_task(stage.name, total=1.0, text="")
        self.sums: dict[str, Any] = {}
        self.count = self.images = 0
        self.since_s = self.began_s = time.monotonic()

    def losses(self, losses: dict[str, Tensor], images: int, lr: float, share: float) -> None:
        """Add a step; every so many steps their mean is written."""
        run = self.run
        for name, value in losses.items():
            # Stays on the device: reading every value would stall it.
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()
        self.count += 1
        self.images += images * run.fabric.world_size
        run.steps += 1
        run.images += images * run.fabric.world_size
        if self.count < run.settings.log_every_steps:
            return
        # Over all processes, which also makes each of them stop at a loss that is not finite in one.
        means = {
            name: float(run.fabric.all_reduce(value / self.count, reduce_op="mean"))  # type: ignore[arg-type]
            for name, value in self.sums.items()
        }
        now_s = time.monotonic()
        images_per_s = self.images / max(now_s - self.since_s, 1e-9)
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise UserError(
                    f"the {name} loss is not finite at step {run.position.step} of stage "
                    f"'{self.stage.name}'; lower the learning rate or use another precision"
                )
        self._write(loss=means, lr=lr, images_per_s=round(images_per_s, 1))
        text = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        run.progress.update(self.task, completed=share, text=f"{text}  {images_per_s:.0f} img/s")
        self.sums, self.count, self.images, self.since_s = {}, 0, 0, now_s

    def validation(self, validate: Validate) -> float:
        """Scores of the averaged weights, measured by the first process; returns `score`."""
        run, began_s = self.run, time.monotonic()
        scores: dict[str, float] = {}
        if run.fabric.is_global_zero:
            scores = validate(run.average.module, self.stage)
            self._write(validation=scores)
            text = " ".join(f"{name} {value:.3f}" for name, value in scores.items())
            minutes = (began_s - self.began_s) / 60
            run.progress.console.print(
                f"{self.stage.name} step {run.position.step}, {minutes:.1f} min: {text}", highlight=False
            )
        scores = run.fabric.broadcast(scores)
        self.since_s += time.monotonic() - began_s
        return scores.get("score", math.nan)

    def close(self) -> None:
        """End the stage's bar."""
        self.run.busy_s += time.monotonic() - self.began_s
        self.run.progress.update(self.task, completed=1.0)

    def _write(self, **values: Any) -> None:
        if self.run.fabric.is_global_zero:
            position = self.run.position
            line = {
                "stage": self.stage.name,
                "stage_number": position.stage,
                "step": position.step,
                "elapsed_s": round(position.elapsed_s, 1),
                **values,
            }
            with (self.run.out / LOG_FILE).open("a") as file:
                file.write(json.dumps(line) + "\n")
