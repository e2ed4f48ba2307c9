"""Pictures that a model answers to most, one per action unit, by gradient ascent (hybrid network, Eq. 6, Fig. 5).

Yosinski, Clune, Nguyen, Fuchs & Lipson, "Understanding neural networks through deep visualization", 2015.
Deviations: the gradient has its mean size taken out of it, so that one step size suits every model; shades stay
within 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter
from torch import Tensor

from actionunits.aus import AUS, au_label
from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.contract import HasPictureNetwork, prediction_inputs
from actionunits.reports.figure import ReportFigure
from actionunits.training.checkpoint import load_checkpoint

STEPS = 10_000  # Sec. IV-E


@dataclass(frozen=True)
class Regularisation:
    """Omega of Eq. (6): what is done to the picture between steps, in this order."""

    step: float = 0.02  # mean change of a pixel per step, full scale 1
    decay: float = 0.01  # share that every pixel loses per step
    clip_percentile: float = 20.0  # of the pixels' norms: those below become 0
    clip_every: int = 50
    blur_sigma: float = 1.0  # pixels
    blur_every: int = 2


def maximise(
    model: Any,
    columns: Sequence[int],
    steps: int = STEPS,
    seed: int = 0,
    omega: Regularisation | None = None,
    on_step: Callable[[int], None] = lambda step: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that drive the logits at `columns` up, (K, S, S, 3) 0-1, and their logits (K,).

    model: in eval mode. on_step: called with the number of every step that is done. Raises UserError for a model
    whose outputs have no gradient on the picture.
    """
    omega = omega or Regularisation()
    size = model.config.image_size
    generator = torch.Generator().manual_seed(seed)
    # Zero-centred: 0 is mid grey.
    x = 0.1 * torch.randn(1, 3, size, size, generator=generator).repeat(len(columns), 1, 1, 1)
    for step in range(steps):
        gradient = _gradient(model, x, columns)
        scale = gradient.abs().mean((1, 2, 3), keepdim=True)
        if step == 0 and not (scale > 0).all():
            raise UserError("the model's outputs have no gradient on the picture, so none can be climbed")
        x = regularise(x + omega.step * gradient / scale.clamp(min=1e-12), step, omega)
        on_step(step + 1)
    with torch.inference_mode():
        logit = model(Batch(image=0.5 + x)).au_logit
    return (0.5 + x).permute(0, 2, 3, 1).numpy(), logit[range(len(columns)), list(columns)].numpy()


def _gradient(model: Any, x: Tensor, columns: Sequence[int]) -> Tensor:
    """Gradient of every picture's own logit, (K, 3, S, S); zeros where there is none."""
    picture = x.detach().requires_grad_(True)
    logit = model(Batch(image=0.5 + picture)).au_logit
    # Rows of a batch do not see each other: the gradient of the sum is that of each.
    total = logit[range(len(columns)), list(columns)].sum()
    if not total.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(total, picture, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


def regularise(x: Tensor, step: int, omega: Regularisation) -> Tensor:
    """Decay, clipping of pixels with a small norm, blur, and the bounds of shades; (K, 3, S, S)."""
    x = x * (1 - omega.decay)
    if (step + 1) % omega.clip_every == 0:
        norm = x.norm(dim=1, keepdim=True)
        least = torch.quantile(norm.flatten(1), omega.clip_percentile / 100, dim=1)[:, None, None, None]
        x = torch.where(norm < least, 0, x)
    if (step + 1) % omega.blur_every == 0:
        x = torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, omega.blur_sigma, omega.blur_sigma)))
    return x.clamp(-0.5, 0.5)


@dataclass(frozen=True)
class Activations:
    """Pictures of one model's action units."""

    model: str
    aus: tuple[int, ...]
    pictures: np.ndarray  # (K, S, S, 3) float32, 0-1
    au_logit: np.ndarray  # (K,)
    steps: int


def visualise(
    checkpoint: Path, aus: Sequence[int] = (), steps: int = STEPS, seed: int = 0, progress: bool = False
) -> Activations:
    """`maximise` for a checkpoint's action units, all unless some are named.

    A network in stages that follows time is shown by its part that reads single pictures. Raises UserError for an
    AU that the model does not know, a model that needs more than a picture, and one without gradients.
    """
    from rich.console import Console
    from rich.progress import Progress

    loaded = load_checkpoint(checkpoint)
    key = loaded.header["model"]
    if "image" not in prediction_inputs(loaded.model):
        raise UserError(f"{checkpoint} holds a {key} that reads two pictures; only what reads one can be climbed")
    if not loaded.aus:
        raise UserError(f"{checkpoint} was trained without labels; it has no action unit to climb")
    missing = [au for au in aus if au not in loaded.aus]
    if missing:
        raise UserError(f"{checkpoint} does not know {au_label(missing[0])}")
    chosen = tuple(aus) or loaded.aus
    if isinstance(loaded.model, HasPictureNetwork):
        loaded.model.enter_picture_network()
    loaded.model.requires_grad_(False)
    with Progress(console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task(f"Climbing {len(chosen)} action units", total=steps)
        columns = [loaded.aus.index(au) for au in chosen]
        try:
            pictures, logit = maximise(
                loaded.model, columns, steps, seed, on_step=lambda step: bar.update(task, completed=step)
            )
        except UserError as error:
            raise UserError(f"{checkpoint} holds a {key}: {error}") from None
    return Activations(key, chosen, pictures, logit, steps)


def activation_figure(a: Activations) -> Figure:
    """One picture per action unit with its logit, contrast stretched to what the picture holds."""
    columns = min(6, len(a.aus))
    rows = -(-len(a.aus) // columns)
    figure = ReportFigure(1.75 * columns, 2.0 * rows + 0.4, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, au, picture, logit in zip(panels, a.aus, a.pictures, a.au_logit, strict=False):
        reach = max(float(np.percentile(np.abs(picture - 0.5), 99.5)), 1e-3)
        panel.imshow(np.clip(0.5 + (picture - 0.5) * 0.5 / reach, 0, 1))
        panel.set_title(f"{au_label(au)} {AUS[au].name}\nlogit {logit:.1f}", fontsize=7, loc="left")
    figure.suptitle(f"What {a.model} answers to most, after {a.steps} steps", fontsize=10)
    return figure
