"""How features lie, action unit by action unit and person by person, on the plane of t-SNE.

Fig. 3 of RE-Net, and Fig. 3 of the hybrid network, which lays hand-made features beside learned ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actionunits.aus import AUS, au_label
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.load import coded_aus, load_data
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.datasets.sampling.rows import even_rows
from actionunits.errors import UserError
from actionunits.evaluation.divergence import hand_made_features
from actionunits.evaluation.neighbours import same_au, same_person
from actionunits.models.contract import HasFeatures
from actionunits.reports.figure import ReportFigure
from actionunits.reports.palette import PERSON_COLOURS, SKY_BLUE, VERMILLION
from actionunits.training.checkpoint import load_checkpoint

PAPERS_AUS = (4, 10, 12, 24)  # RE-Net, Fig. 3
FRAMES = 1000
COMPONENTS = 50  # features are brought down to by PCA first, as van der Maaten & Hinton do (JMLR 2008, Sec. 4.2)
LEAST_FRAMES = 10
BATCH_SIZE = 16
OTHER_PEOPLE = "0.82"  # light grey


@dataclass(frozen=True)
class Embedding:
    """Frames on the plane, by the name of the features, once for each AU. A: number of chosen AUs, N: of frames."""

    data: str
    aus: tuple[int, ...]
    points: Mapping[str, np.ndarray]  # (A, N, 2) each
    same_person: Mapping[str, np.ndarray]  # (N, 2) share of the nearest frames of other clips, and by chance
    same_au: Mapping[str, np.ndarray]  # (A, 2) share of the nearest that show it, around those that do and do not
    au_present: np.ndarray  # (N, A) 0 or 1
    au_present_valid: np.ndarray  # (N, A) bool
    subject: np.ndarray  # (N,) number of the person


def embed(
    checkpoint: Path,
    folders: Sequence[Path],
    aus: Sequence[int] = (),
    frames: int = FRAMES,
    seed: int = 0,
    hand_made: bool = False,
) -> Embedding:
    """t-SNE of a model's features for frames spread evenly over the data.

    aus: those of RE-Net's figure that model and data know, or else all, unless some are named. hand_made: landmark
    shape, Gabor and HOG of the same crops come first. Raises UserError for
    AUs that one of them does not know, too few frames, and a model whose features are no vectors.
    """
    loaded = load_checkpoint(checkpoint)
    model = loaded.model
    if not isinstance(model, HasFeatures):
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
    found = hand_made_features(data, loaded.model.config.image_size) if hand_made else {}
    found[loaded.header["model"]] = au_features(loaded.model, data, [loaded.aus.index(au) for au in chosen])
    return Embedding(
        " + ".join(data.names),
        chosen,
        {name: plane(features, len(chosen), seed) for name, features in found.items()},
        {name: same_person(f.reshape(len(f), -1), data.clip, data.subject) for name, f in found.items()},
        {name: _au_shares(features, data) for name, features in found.items()},
        data.au_present,
        data.au_present_valid,
        data.subject,
    )


@torch.inference_mode()
def au_features(model: torch.nn.Module, data: CropData, columns: Sequence[int]) -> np.ndarray:
    """Features of all rows: (N, D) where the AUs share them, (N, A, D) of the AUs at `columns` where they do not."""
    size: int = model.config.image_size  # type: ignore[union-attr, assignment]
    parts = []
    for batch in plain_batches(data, size, batch_size=BATCH_SIZE):
        features = model.features(batch)  # type: ignore[operator]
        parts.append((features[:, list(columns)] if features.ndim == 3 else features).float().numpy())
    return np.concatenate(parts)


def plane(features: np.ndarray, aus: int, seed: int) -> np.ndarray:
    """t-SNE of each AU's features, (A, N, 2); shared features are laid out once."""
    if features.ndim == 2:
        return np.repeat(_plane(features, seed)[None], aus, 0)
    return np.stack([_plane(features[:, a], seed) for a in range(features.shape[1])])


def _au_shares(features: np.ndarray, data: CropData) -> np.ndarray:
    """`same_au` of every AU, (A, 2), in the AU's own features where it has some."""
    shares = [
        same_au(
            features[:, a] if features.ndim == 3 else features,
            data.clip,
            data.au_present[:, a],
            data.au_present_valid[:, a],
        )
        for a in range(len(data.aus))
    ]
    return np.array(shares)


def lines(e: Embedding) -> list[str]:
    """What the ten nearest frames of other clips share, one line per kind of features.

    Where each person has one clip, nothing of people.
    """
    width = max(map(len, e.points))
    found = []
    for name in e.points:
        known = np.isfinite(e.same_person[name]).all(1)
        cells = []
        if known.any():
            person, chance = e.same_person[name][known].mean(0)
            cells.append(f"same person {person:.1%} (by chance {chance:.1%})")
        for au, (around, off) in zip(e.aus, e.same_au[name], strict=True):
            cells.append(f"{au_label(au)} {around:.1%} around frames with it, {off:.1%} around others")
        found.append(f"{name:<{width}}  {'; '.join(cells)}")
    return found


def _plane(features: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count, width = features.shape
    reduced = PCA(min(COMPONENTS, count, width), random_state=seed).fit_transform(features)
    perplexity = min(30.0, (count - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)


def embedding_figure(e: Embedding, people: bool = False) -> Figure:
    """A panel per AU, a column per kind of features: frames that show it in red, others in blue, unknown left out.

    people: one more panel, with a colour for each of the people with most frames and grey for the others. Of one kind
    of features, panels stand in rows.
    """
    count, kinds = len(e.aus) + people, len(e.points)
    columns = min(4, count) if kinds == 1 else kinds
    rows = -(-count // columns) if kinds == 1 else count
    figure = ReportFigure(3.1 * columns, 3.1 * rows + 0.7, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    panels = panels.reshape(-1, 1) if kinds == 1 else panels
    for panel in panels[count:].ravel():
        panel.set_axis_off()
    for column, (name, points) in zip(panels.T, e.points.items(), strict=True):
        before = "" if kinds == 1 else f"{name}: "
        for a in range(len(e.aus)):
            _draw_au(column[a], e, points[a], a, before)
        if people:
            _draw_people(column[len(e.aus)], e, points[0], before)
    handles, words = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=2, fontsize=8.5, markerscale=3, frameon=False)
    of = f", features of {next(iter(e.points))}" if kinds == 1 else ""
    figure.suptitle(f"t-SNE of {len(e.au_present)} frames of {e.data}{of}", fontsize=10.5)
    return figure


def _draw_au(panel: Axes, e: Embedding, points: np.ndarray, a: int, before: str) -> None:
    """Frames coloured by one AU."""
    au = e.aus[a]
    for present, colour, word in ((0, SKY_BLUE, "absent"), (1, VERMILLION, "present")):
        some = e.au_present_valid[:, a] & ((e.au_present[:, a] > 0) == bool(present))
        x, y = points[some].T
        panel.scatter(x, y, s=5, lw=0, color=tuple(v / 255 for v in colour), alpha=0.7, label=word)
    share = (e.au_present[:, a] > 0)[e.au_present_valid[:, a]]
    rate = f", {100 * share.mean():.0f}% present" if len(share) else ", never coded"
    _frame(panel, f"{before}{au_label(au)} {AUS[au].name}{rate}")


def _draw_people(panel: Axes, e: Embedding, points: np.ndarray, before: str) -> None:
    """Frames coloured by person, as far as there are colours that everybody can tell apart."""
    persons, frames = np.unique(e.subject, return_counts=True)
    shown = persons[np.argsort(-frames, kind="stable")[: len(PERSON_COLOURS)]]
    others = ~np.isin(e.subject, shown)
    x, y = points.T
    panel.scatter(x[others], y[others], s=5, lw=0, color=OTHER_PEOPLE, alpha=0.7)
    for person, colour in zip(shown, PERSON_COLOURS, strict=False):
        own = e.subject == person
        panel.scatter(x[own], y[own], s=7, lw=0, color=tuple(v / 255 for v in colour))
    in_colour = "" if len(shown) == len(persons) else f", {len(shown)} of them in colour"
    _frame(panel, f"{before}{len(persons)} people{in_colour}")


def _frame(panel: Axes, title: str) -> None:
    panel.set_title(title, fontsize=8.5, loc="left")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_aspect("equal", "datalim")
