"""Optimisers, learning rates over a stage, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, get_args

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from actionunits.errors import UserError
from actionunits.models.contract import EntersStages, Stage
from actionunits.settings.ranges import Optimizer, Schedule

FINAL_LR_SHARE = 0.01  # of the peak, where a cosine ends
PLATEAU_FACTOR = 0.1
PLATEAU_PATIENCE = 3  # validations without a better score
SCHEDULES = get_args(Schedule)


def set_trainable(model: nn.Module, stage: Stage) -> list[tuple[str, nn.Parameter]]:
    """Let the stage's parameters train, freeze the others, and return the former with their names.

    A module whose parameters are all frozen goes into eval mode, so that its batch statistics stay too. A model that
    computes differently in its stages (EntersStages) is told which one begins.
    """
    if isinstance(model, EntersStages):
        model.enter_stage(stage)
    trained = []
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(stage.parameters))
        if parameter.requires_grad:
            trained.append((name, parameter))
    if not trained:
        raise ValueError(f"stage '{stage.name}' names no parameter: {stage.parameters}")
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()
    return trained


def make_optimizer(
    parameters: Iterable[tuple[str, nn.Parameter]], stage: Stage, fused: bool
) -> torch.optim.Optimizer:
    """The stage's optimiser. Weight decay spares vectors (biases and the scales of normalisations) and `undecayed`.

    Each group holds its factor of the learning rate as `lr_factor`.

    Raises UserError for a name that is not sgd, adam, adamw or rmsprop.
    """
    members: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        spared = parameter.ndim <= 1 or name.startswith(stage.undecayed)
        factor = next((f for prefix, f in stage.lr_factors if name.startswith(prefix)), 1.0)
        members.setdefault((spared, factor), []).append(parameter)
    groups = [
        {"params": members[key], "weight_decay": 0.0 if key[0] else stage.weight_decay, "lr_factor": key[1]}
        for key in sorted(members)
    ]
    options: dict[str, Any] = dict(stage.options)
    if stage.optimizer == "sgd":
        nesterov = bool(options.pop("nesterov", 0.0))
        return torch.optim.SGD(
            groups, lr=stage.lr, momentum=stage.momentum, nesterov=nesterov, fused=fused, **options
        )
    if stage.optimizer == "adam":
        return torch.optim.Adam(groups, lr=stage.lr, fused=fused, **options)
    if stage.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=stage.lr, fused=fused, **options)
    if stage.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=stage.lr, momentum=stage.momentum, **options)
    raise UserError(f"unknown optimizer '{stage.optimizer}'; known are {', '.join(get_args(Optimizer))}")


class LearningRate:
    """Learning rate of a stage: warm-up, then constant, a cosine over the stage, or falling on plateaus."""

    def __init__(self, stage: Stage) -> None:
        if stage.schedule not in SCHEDULES:
            raise UserError(f"unknown schedule '{stage.schedule}'; known are {', '.join(SCHEDULES)}")
        self.stage = stage
        self.factor = 1.0
        self.best = -math.inf
        self.waited = 0  # validations since the best score or the last lowering
        self.stalled = 0  # validations since the best score
        self.ended = False  # the rate was at its least, and a plateau came

    def at(self, step: int, share: float) -> float:
        """Learning rate of a step (from 0); `share` of the stage, 0-1, lies behind it."""
        lr = self.stage.lr * self.factor * min(1.0, (step + 1) / max(1, self.stage.warmup_steps))
        if self.stage.schedule == "cosine":
            lr *= FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
        return lr

    def observe(self, score: float) -> None:
        """Take note of a validation score, higher is better; a plateau lowers the rate."""
        if score > self.best:
            self.best, self.waited, self.stalled = score, 0, 0
            return
        self.waited += 1
        self.stalled += 1
        if self.stage.schedule == "plateau" and self.waited >= PLATEAU_PATIENCE:
            least = self.stage.least_lr_share
            self.ended = 0 < self.factor <= least
            self.factor, self.waited = max(self.factor * PLATEAU_FACTOR, least), 0

    @property
    def saturated(self) -> bool:
        """Whether the stage ends because its score has stopped rising."""
        return self.ended or 0 < self.stage.patience <= self.stalled

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs."""
        return {
            "factor": self.factor,
            "best": self.best,
            "waited": self.waited,
            "stalled": self.stalled,
            "ended": self.ended,
        }

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Continue from a saved state."""
        self.factor, self.best = state["factor"], state["best"]
        self.waited, self.stalled = int(state["waited"]), int(state["stalled"])
        self.ended = bool(state["ended"])


def update_average(average: AveragedModel, model: nn.Module, decay: float, step: int) -> None:
    """Move towards the weights after a step (counted from 0 in its stage); buffers are copied as they are.

    The decay grows with the steps from 0.1 to its full value, so that the start is soon forgotten.
    """
    average.multi_avg_fn = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))
    average.update_parameters(model)
