"""How the features of a model lie, action unit by action unit, on the plane of t-SNE (RE-Net, Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from actionunits.aus import AUS, au_label
from actionunits.datasets.augment import center_crop
from actionunits.datasets.crops import CropData, stored_size
from actionunits.datasets.load import coded_aus, load_data
from actionunits.datasets.sampling import even_rows
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.reports.image_file import image_format
from actionunits.reports.palette import BLUE, BLUISH_GREEN
from actionunits.training.checkpoint import load_checkpoint

PAPERS_AUS = (4, 10, 12, 24)  # RE-Net, Fig. 3
FRAMES = 1000
COMPONENTS = 50  # features are brought down to by PCA first, as van der Maaten & Hinton do (JMLR 2008, Sec. 4.2)
LEAST_FRAMES = 10
BATCH_SIZE = 16
DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Embedding:
    """Frames on the plane, once for each AU. A is the number of chosen AUs, N of frames."""

    model: str
    data: str
    aus: tuple[int, ...]
    points: np.ndarray  # (A, N, 2)
    au_present: np.ndarray  # (N, A) 0 or 1
    au_present_valid: np.ndarray  # (N, A) bool
    subject: np.ndarray  # (N,) number of the person


def embed(
    checkpoint: Path, folders: Sequence[Path], aus: Sequence[int] = (), frames: int = FRAMES, seed: int = 0
) -> Embedding:
    """t-SNE of a model's features for frames spread evenly over the data.

    aus: those of RE-Net's figure that model and data know, or else all, unless some are named. Raises UserError for
    AUs that one of them does not know, too few frames, and a model whose features are no vectors.
    """
    loaded = load_checkpoint(checkpoint)
    if not hasattr(loaded.model, "features"):
        raise UserError(f"{checkpoint} holds a {loaded.header['model']}, which has no features to look at")
    known = [au for au in loaded.aus if any(au in coded_aus(folder) for folder in folders)]
    missing = [au for au in aus if au not in known]
    if missing or not known:
        what = au_label(missing[0]) if missing else "any action unit of the other"
        raise UserError(f"{checkpoint} or {', '.join(map(str, folders))} does not know {what}")
    chosen = tuple(aus or [au for au in PAPERS_AUS if au in known] or known)
    data = load_data(list(folders), stored_size(loaded.model.config.image_size), aus=chosen)
    data = data.subset(even_rows(len(data), frames))
    if len(data) < LEAST_FRAMES:
        raise UserError(f"{len(data)} frames are too few to spread out; {LEAST_FRAMES} are the least")
    features = au_features(loaded.model, data, [loaded.aus.index(au) for au in chosen])
    return Embedding(
        loaded.header["model"],
        " + ".join(data.names),
        chosen,
        plane(features, len(chosen), seed),
        data.au_present,
        data.au_present_valid,
        data.subject,
    )


@torch.inference_mode()
def au_features(model: torch.nn.Module, data: CropData, columns: Sequence[int]) -> np.ndarray:
    """Features of all rows: (N, D) where the AUs share them, (N, A, D) of the AUs at `columns` where they do not."""
    size: int = model.config.image_size  # type: ignore[union-attr, assignment]
    parts = []
    for start in range(0, len(data), BATCH_SIZE):
        rows = np.arange(start, min(start + BATCH_SIZE, len(data)))
        batch = center_crop(data.batch(rows, torch.device("cpu")), size, data.margin)
        features = model.features(batch)  # type: ignore[operator]
        parts.append((features[:, list(columns)] if features.ndim == 3 else features).float().numpy())
    return np.concatenate(parts)


def plane(features: np.ndarray, aus: int, seed: int) -> np.ndarray:
    """t-SNE of each AU's features, (A, N, 2); shared features are laid out once."""
    if features.ndim == 2:
        return np.repeat(_plane(features, seed)[None], aus, 0)
    return np.stack([_plane(features[:, a], seed) for a in range(features.shape[1])])


def _plane(features: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count, width = features.shape
    reduced = PCA(min(COMPONENTS, count, width), random_state=seed).fit_transform(features)
    perplexity = min(30.0, (count - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)


def embedding_figure(e: Embedding, people: bool = False) -> Figure:
    """One panel per AU: frames that show it in green, others in blue, unknown ones left out.

    people: one more panel, the first AU's frames with a colour for every person.
    """
    count = len(e.aus) + people
    columns = min(4, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(3.1 * columns, 3.1 * rows + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    if people:
        _draw_people(panels[len(e.aus)], e)
    for a, au in enumerate(e.aus):
        for present, colour, word in ((0, BLUE, "absent"), (1, BLUISH_GREEN, "present")):
            some = e.au_present_valid[:, a] & ((e.au_present[:, a] > 0) == bool(present))
            x, y = e.points[a, some].T
            panels[a].scatter(x, y, s=5, lw=0, color=tuple(v / 255 for v in colour), alpha=0.7, label=word)
        share = (e.au_present[:, a] > 0)[e.au_present_valid[:, a]]
        rate = f", {100 * share.mean():.0f}% present" if len(share) else ", never coded"
        panels[a].set_title(f"{au_label(au)} {AUS[au].name}{rate}", fontsize=8.5, loc="left")
        panels[a].set_xticks([])
        panels[a].set_yticks([])
        panels[a].set_aspect("equal", "datalim")
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=2, fontsize=8.5, markerscale=3, frameon=False)
    figure.suptitle(f"t-SNE of {len(e.au_present)} frames of {e.data}, features of {e.model}", fontsize=10.5)
    return figure


def _draw_people(panel: Axes, e: Embedding) -> None:
    """Frames coloured by person; colours are spread over a wheel, so that only neighbours on it look alike."""
    persons, number = np.unique(e.subject, return_inverse=True)
    x, y = e.points[0].T
    panel.scatter(x, y, s=5, lw=0, c=number / len(persons), cmap="hsv", vmin=0, vmax=1, alpha=0.7)
    panel.set_title(f"{len(persons)} people", fontsize=8.5, loc="left")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_aspect("equal", "datalim")


def draw_embedding(e: Embedding, path: Path, people: bool = False) -> Path:
    """Write the figure to a picture file. Raises UserError for a suffix that is not one."""
    kind = image_format(path)
    figure = embedding_figure(e, people)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH, format=kind.lower())
    return path
