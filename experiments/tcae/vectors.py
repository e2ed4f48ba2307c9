"""What TCAE's two vectors tell of head pose and of action units, on renders: whether they are told apart.

    python experiments/tcae/vectors.py --data STUDIO WILD --checkpoints TCAE FABNET --out out/probe

From each vector of a frame (the AU vector, the pose vector; Fab-Net has one) a ridge regression says the head's yaw
and pitch in degrees and the intensity of every AU, 0-5. It is fitted on the training people of `probe.py`, its
penalty chosen for each on the tuning people, and judged on the test people by R2, the share of the variance that it
tells: 1 for all, 0 for what the mean tells. *frames* are as they are; in *changes* the mean over its clip is taken
from vector and truth alike, so that what a person looks like is gone, as in a pair of frames. Roll is gone from
registered crops. The untrained encoder is that of `probe.py`. A vector that knows of action units alone has R2
near 0 for the head. Intervals draw people with replacement, 95%. Writes results/tcae_vectors.csv.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from probe import UNTRAINED, parts_of, untrained
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.synthau import read_frames
from actionunits.datasets.sampling.augment import center_crop
from actionunits.evaluation.protocols import run_name
from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit
from actionunits.scores.bootstrap import REPLICATES, draw_subjects
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.run_folder import CHECKPOINT_FILE

RESULTS = Path(__file__).parents[2] / "results" / "tcae_vectors.csv"
PENALTIES = np.logspace(0, 6, 13)
HEAD = ("pose_yaw_deg", "pose_pitch_deg")
BATCH_SIZE = 128


@torch.inference_mode()
def vectors_of(model: Any, data: CropData) -> dict[str, np.ndarray]:
    """The vectors of every row's plain registered crop, (N, D) each."""
    parts = []
    for start in range(0, len(data), BATCH_SIZE):
        rows = np.arange(start, min(start + BATCH_SIZE, len(data)))
        parts.append(model.encoder(center_crop(data.batch(rows), model.config.image_size, data.margin).image))
    found = {"AU": torch.cat([part.au for part in parts]).numpy()}
    if model.encoder.pose is not None:
        found["pose"] = torch.cat([part.pose for part in parts]).numpy()
    return found


def head_pose(folder: Path) -> Callable[[CropData], np.ndarray]:
    """What gives yaw and pitch of every row of data from a folder, (N, 2) degrees."""
    table = read_frames(folder, HEAD).set_index(["clip", "frame"])[list(HEAD)]

    def of(data: CropData) -> np.ndarray:
        clips = [Path(data.clips[number]).relative_to(folder).as_posix() for number in data.clip]
        return table.loc[list(zip(clips, data.frame.tolist(), strict=True))].to_numpy()

    return of


def r2(subject: np.ndarray, true: np.ndarray, said: np.ndarray) -> np.ndarray:
    """R2 of every column of all rows, then of draws of the people: (1 + replicates, K)."""
    people = np.unique(subject)
    draws = np.concatenate([np.ones((1, len(people)), int), draw_subjects(len(people), REPLICATES, 0)])
    columns = np.stack([np.ones_like(true), true, true**2, (true - said) ** 2])  # (4, N, K)
    sums = np.stack([columns[:, subject == person].sum(1) for person in people])
    count, first, second, error = np.moveaxis(np.tensordot(draws, sums, 1), 1, 0)
    return 1 - error / (second - first**2 / count)


def less_clip_means(values: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """Rows (N, K) less the mean over the rows of their clip."""
    _, number = np.unique(clip, return_inverse=True)
    sums = np.zeros((number.max() + 1, values.shape[1]))
    np.add.at(sums, number, values)
    return values - (sums / np.bincount(number)[:, None])[number]


def rows_of(vectors: list[np.ndarray], truths: list[np.ndarray], subject: np.ndarray) -> list[dict[str, Any]]:
    """R2 on the test people, with intervals, for yaw, pitch and the mean AU.

    vectors (N, D) and truths (N, 2 + A): of the training, tuning and test people; subject: of the last.
    """
    scaler = StandardScaler().fit(vectors[0])
    train, tune, test = (scaler.transform(part) for part in vectors)
    fits = [Ridge(penalty).fit(train, truths[0]) for penalty in PENALTIES]
    errors = np.stack([((fit.predict(tune) - truths[1]) ** 2).mean(0) for fit in fits])
    said = np.stack([fit.predict(test) for fit in fits])
    values = r2(subject, truths[2], said[errors.argmin(0), :, np.arange(errors.shape[1])].T)
    rows = []
    for name, part in (("yaw", values[:, :1]), ("pitch", values[:, 1:2]), ("AUs", values[:, 2:])):
        mean = part.mean(1)
        low, high = np.percentile(mean[1:], (2.5, 97.5))
        rows.append({"tells": name, "value": mean[0], "low": low, "high": high})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--checkpoints", type=Path, nargs="+", required=True)
    parser.add_argument("--people", type=int, nargs=3, default=[1000, 200, 800], help="as in probe.py")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the untrained encoders; found ones are read"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    like = load_checkpoint(options.checkpoints[0]).model
    rows: list[dict[str, Any]] = []
    for folder in options.data:
        parts = parts_of(folder, like.config.image_size, options.people)
        pose = head_pose(folder)
        truths = [np.concatenate([pose(part), part.au_intensity], 1) for part in parts]
        look = parts[0].names[0]
        models = {run_name(path): path for path in options.checkpoints}
        models[UNTRAINED] = untrained(like, parts[0], options.out / look / UNTRAINED / CHECKPOINT_FILE)
        for name, path in models.items():
            model = load_checkpoint(path).model
            of_parts = [vectors_of(model, part) for part in parts]
            about = {
                "data": look,
                "run": name,
                "commit": source_commit(),
                "test_people": len(np.unique(parts[2].subject)),
            }
            for vector in of_parts[0]:
                values = [found[vector] for found in of_parts]
                changes = [
                    [less_clip_means(some, part.clip) for some, part in zip(whole, parts, strict=True)]
                    for whole in (values, truths)
                ]
                for of, (x, y) in (("frames", (values, truths)), ("changes", changes)):
                    found = rows_of(x, y, parts[2].subject)
                    rows += [about | {"vector": vector, "of": of} | row for row in found]
    table = pd.DataFrame(rows)
    with write_atomically(options.results) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
