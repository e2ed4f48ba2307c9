"""Whether features tell people apart: Fig. 3 and 4 of the hybrid network's paper, with numbers.

    python experiments/hybrid/people.py --data out/long-bp4d-crops --checkpoint out/anet/model.safetensors

`tables.sh` gives the data and the CNN, which saw other people. Landmark shape, Gabor, HOG and fc7 of frames
spread evenly over the data: divergence between people (`report divergence`), and what the ten nearest frames of other
clips share (`report tsne --hand-made`), with 95% intervals over people. Writes results/hybrid_people.csv,
docs/img/hybrid_divergence.png and docs/img/hybrid_tsne.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from actionunits.aus import au_label
from actionunits.files import write_atomically
from actionunits.reports.divergence import divergence_figure, measure
from actionunits.reports.image_file import save_figure
from actionunits.reports.tsne import Embedding, embed, embedding_figure
from actionunits.runtime.provenance import source_commit
from actionunits.scores.bootstrap import draw_subjects

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "hybrid_people.csv"
IMAGES = ROOT / "docs" / "img"
FRAMES = 1200
AUS = (12,)  # Fig. 3
REPLICATES = 1000


def person_interval(e: Embedding, name: str) -> dict[str, float]:
    """Share of the nearest frames that are of the same person: mean over people, interval, and by chance."""
    per_person = np.stack([e.same_person[name][e.subject == person].mean(0) for person in np.unique(e.subject)])
    draws = draw_subjects(len(per_person), REPLICATES, 0) / len(per_person)
    low, high = np.percentile(draws @ per_person[:, 0], [2.5, 97.5])
    share, chance = per_person.mean(0)
    return {"same_person": share, "same_person_low": low, "same_person_high": high, "by_chance": chance}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    options = parser.parse_args()
    divergences = measure([options.checkpoint], [options.data], FRAMES)
    save_figure(divergence_figure(divergences), IMAGES / "hybrid_divergence.png")
    e = embed(options.checkpoint, [options.data], AUS, FRAMES, hand_made=True)
    save_figure(embedding_figure(e, people=True), IMAGES / "hybrid_tsne.png")
    rows = []
    for (name, values), kind in zip(divergences.by_features.items(), e.points, strict=True):
        row = {"features": name, "people": divergences.people, "frames": divergences.frames}
        row |= {"divergence": values.mean(), "divergence_sd": values.std()} | person_interval(e, kind)
        for au, (around, off) in zip(e.aus, e.same_au[kind], strict=True):
            row |= {f"{au_label(au)}_around": around, f"{au_label(au)}_around_others": off}
        rows.append(row | {"commit": source_commit()})
    with write_atomically(RESULTS) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
