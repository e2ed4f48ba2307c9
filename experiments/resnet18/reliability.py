"""Do the probabilities of the default detector hold? A reliability plot on renders and on photographs coded by eye.

    python experiments/resnet18/reliability.py --faces FACES

Probabilities of all action units are put in ten bins, and the mean of each bin is compared with the share of faces
that have the action unit. Slope, offsets and thresholds of the released weights were set on these photographs, so
they are also set anew on nine tenths of the people each time and judged on the others. Writes
results/reliability.csv, results/decisions.csv (F1 of the released decisions and of those set on other people) and
docs/img/reliability.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from quantize import batches, crops
from release import PRIOR_SD, fit, promised_thresholds
from result_files import write_results
from scipy.special import expit, logit

from actionunits.detection.coded_faces import answers_for
from actionunits.detection.detector import DEFAULT_MODEL, Detector
from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import CodedFaces, read_coded_faces
from actionunits.reports.figure import ReportFigure
from actionunits.reports.palette import BLUE, BLUISH_GREEN, RGB, SKY_BLUE, VERMILLION
from actionunits.scores import metrics

sys.path.insert(0, str(Path(__file__).parents[1]))
from resnet18.results_tables import JUDGED_FACES

PICTURE = Path(__file__).parents[2] / "docs" / "img" / "reliability.png"
EDGES = np.linspace(0, 1, 11)
SMALLEST_P = 1e-6
FOLDS, SEED = 10, 0
COLOURS: dict[str, RGB] = {
    "renders, studio": BLUE,
    "renders, wild": SKY_BLUE,
    "photographs": VERMILLION,
    "photographs, set on other people": BLUISH_GREEN,
}


@dataclass(frozen=True)
class Said:
    """Probabilities and decisions, (N, A) each, and what is true."""

    name: str
    probability: np.ndarray
    called: np.ndarray  # bool
    present: np.ndarray
    valid: np.ndarray


def of_renders(detector: Detector) -> Iterator[Said]:
    """What the detector says of the people of data/synthau-mini."""
    for look in ("studio", "wild"):
        data = crops(look, detector)
        found = [p for b in batches(data, detector.image_size) for p in detector.predict_crops(b["image"], b["mesh"])]
        probability, called = (np.stack([getattr(p, name) for p in found]) for name in ("au_prob", "au_present"))
        yield Said(f"renders, {look}", probability, called > 0, data.au_present, data.au_present_valid)


def of_faces(detector: Detector, faces: CodedFaces) -> Iterator[Said]:
    """What it says of photographs, as released and with slope, offsets and thresholds set on other people."""
    answers = answers_for(detector, faces.pictures, faces.aus, DEFAULT_MODEL)
    yield Said("photographs", answers.probability, answers.called > 0, faces.present, faces.valid)
    odds = logit(answers.probability.clip(SMALLEST_P, 1 - SMALLEST_P))
    probability, called = np.zeros_like(odds), np.zeros(odds.shape, bool)
    people = np.random.default_rng(SEED).permutation(np.unique(faces.person))
    for fold in np.array_split(people, FOLDS):
        judged = np.isin(faces.person, fold)
        slope, offset = fit(odds[~judged], faces.present[~judged], faces.valid[~judged], PRIOR_SD)
        set_anew = expit(slope * odds + offset)
        probability[judged] = set_anew[judged]
        called[judged] = (set_anew >= promised_thresholds(set_anew[~judged]))[judged]
    yield Said("photographs, set on other people", probability, called, faces.present, faces.valid)


def bins(said: Said) -> pd.DataFrame:
    """Mean probability and share present of each bin, over all action units."""
    probability, present = said.probability[said.valid], said.present[said.valid] > 0
    number = np.digitize(probability, EDGES[1:-1])
    rows = [
        {
            "data": said.name,
            "above": EDGES[k],
            "cells": int((number == k).sum()),
            "said": float(probability[number == k].mean()),
            "present": float(present[number == k].mean()),
        }
        for k in range(len(EDGES) - 1)
        if (number == k).any()
    ]
    return pd.DataFrame(rows)


def decisions(said: Said) -> dict[str, object]:
    """Mean F1 over all action units and over those that enough faces have."""
    f1 = metrics.f1(said.present, said.called, said.valid)
    many = (said.present * said.valid).sum(0) >= JUDGED_FACES
    return {"data": said.name, "f1": metrics.mean_over_aus(f1), "f1_judged": metrics.mean_over_aus(f1[many])}


def draw(table: pd.DataFrame) -> None:
    """Share present by probability, a line for each set of pictures."""
    figure = ReportFigure(6.4, 4.8, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
    for name, rows in table.groupby("data", sort=False):
        colour = tuple(value / 255 for value in COLOURS[str(name)])
        axes.plot(rows["said"], rows["present"], color=colour, marker="o", markersize=5, label=name)
    axes.set(xlabel="probability that the detector gives", ylabel="share of faces that have the action unit")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(PICTURE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    options = parser.parse_args()
    try:
        faces, detector = read_coded_faces(options.faces), Detector(DEFAULT_MODEL)
        everything = [*of_renders(detector), *of_faces(detector, faces)]
    except UserError as error:
        print(f"reliability: {error}", file=sys.stderr)
        return 2
    table, decided = pd.concat(map(bins, everything)), pd.DataFrame(map(decisions, everything[2:]))
    write_results(table, "reliability")
    write_results(decided, "decisions")
    draw(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
