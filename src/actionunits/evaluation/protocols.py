"""Evaluation of a checkpoint on people it was not trained on: a table per AU, means, intervals over subjects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from actionunits.aus import au_label
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.readers.folder_contents import some
from actionunits.errors import UserError
from actionunits.evaluation.over_time import read_over_time
from actionunits.evaluation.predictions import FramePredictions, write_predictions
from actionunits.files import write_atomically
from actionunits.models.config_contract import flow_method
from actionunits.models.contract import reads_mesh
from actionunits.runtime.device import choose_device
from actionunits.scores import bootstrap, events, metrics
from actionunits.training.validation import CropPredictions, predict_crops, row_groups

METRICS = ("f1", "f1_norm", "f1_event", "precision", "recall", "accuracy", "auc", "icc", "mae", "pcc")
# The same on the most probable level, of models that classify levels.
LEVEL_METRICS = ("icc_level", "mae_level")
# Of a results table: whose scores these are, the scores of an AU, and how they came about.
RESULT_COLUMNS = (
    *("run", "data", "fold", "occurrence_level", "frames", "subjects"),
    *("au", "n", "base_rate", *METRICS, *LEVEL_METRICS, "n_intensity", "threshold"),
    *("commit", "seed", "config"),
)
DEFAULT_THRESHOLD = 0.5  # of the probability, for an AU whose threshold the checkpoint does not name


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of one checkpoint on one test set.

    table: one row per AU with au ("AU01"), n (frames whose occurrence is known), base_rate, the METRICS and
    LEVEL_METRICS, n_intensity, and threshold (of the probability). NaN where a score has no value: see `metrics`.
    """

    table: pd.DataFrame
    intervals: dict[str, tuple[float, float]]  # of the means of f1, auc, icc: bootstrap over subjects, 95%
    data: str  # names of the test data sets
    frames: int
    subjects: int
    occurrence_level: float  # intensity from which an AU counts as present

    @property
    def means(self) -> dict[str, float]:
        """Mean of each metric over the AUs that have a value."""
        return {name: metrics.mean_over_aus(self.table[name].to_numpy()) for name in METRICS}


def threshold_of_aus(aus: Sequence[int], thresholds: Mapping[str, float]) -> np.ndarray:
    """Threshold of each AU, (A,), from a checkpoint's thresholds by label."""
    return np.array([thresholds.get(au_label(au), DEFAULT_THRESHOLD) for au in aus])


def score(
    data: CropData,
    predictions: CropPredictions,
    thresholds: Mapping[str, float] | np.ndarray,
    replicates: int = bootstrap.REPLICATES,
    seed: int = 0,
) -> EvaluationResult:
    """Score outputs against the labels of the same rows and AUs.

    thresholds: probability from which an AU counts as detected, by label ("AU01"), or (N, A) for rows of several
    models; the table then has none. replicates: bootstrap draws of subjects behind the intervals; seed: of these
    draws.
    """
    if not isinstance(thresholds, np.ndarray):
        thresholds = threshold_of_aus(data.aus, thresholds)
    return score_frames(FramePredictions.of(data, predictions, thresholds), replicates, seed)


def score_frames(frames: FramePredictions, replicates: int = bootstrap.REPLICATES, seed: int = 0) -> EvaluationResult:
    """Score outputs that are stored beside the labels; parameters as of `score`."""
    present, known, detected = frames.au_present, frames.au_present_valid, frames.au_detected
    cells = metrics.confusion(present, detected, known)
    n = known.sum(0)
    table: dict[str, Any] = {
        "au": [au_label(au) for au in frames.aus],
        "n": n,
        "base_rate": np.divide(cells[:, 0] + cells[:, 2], n, out=np.full(len(n), np.nan), where=n > 0),
        "f1": metrics.f1_from(cells),
        "f1_norm": metrics.f1_norm_from(cells),
        "f1_event": events.f1_event(present, detected, known, frames.timeline()),
        "precision": metrics.precision_from(cells),
        "recall": metrics.recall_from(cells),
        "accuracy": metrics.accuracy_from(cells),
        "auc": metrics.auc(present, frames.au_prob, known),
    }
    intensity, predicted, rated = frames.au_intensity, frames.au_intensity_predicted, frames.au_intensity_valid
    # Of a subset, only the people who are in it are drawn.
    owners, owner = np.unique(frames.subject.number, return_inverse=True)
    draws = bootstrap.draw_subjects(len(owners), replicates, seed)
    spread = {
        "f1": bootstrap.f1(draws, owner, present, detected, known),
        "auc": bootstrap.auc(draws, owner, present, frames.au_prob, known),
    }
    if predicted is not None:
        table["icc"] = metrics.icc_3_1(intensity, predicted, rated)
        table["mae"] = metrics.mae(intensity, predicted, rated)
        table["pcc"] = metrics.pcc(intensity, predicted, rated)
        spread["icc"] = bootstrap.icc_3_1(draws, owner, intensity, predicted, rated)
    else:
        table |= dict.fromkeys(("icc", "mae", "pcc"), np.nan)
    level = frames.au_level_predicted
    if level is not None:
        table["icc_level"] = metrics.icc_3_1(intensity, level, rated)
        table["mae_level"] = metrics.mae(intensity, level, rated)
    else:
        table |= dict.fromkeys(LEVEL_METRICS, np.nan)
    table["n_intensity"] = rated.sum(0)
    table["threshold"] = frames.thresholds
    return EvaluationResult(
        table=pd.DataFrame(table),
        intervals={name: bootstrap.interval_of_mean(values) for name, values in spread.items()},
        data=" + ".join(frames.data.present().names),
        frames=len(frames),
        subjects=len(owners),
        occurrence_level=frames.occurrence_level,
    )


def refuse_seen_subjects(header: Mapping[str, Any], test_subjects: Sequence[str], name: str) -> None:
    """Raise UserError when a test subject took part in training or in the choice of thresholds.

    header: of a checkpoint; `data` holds `training_subjects` and, where there were any,
    `validation_subjects`, named as in `CropData.subjects`. A checkpoint that does not name them is refused
    as well.
    """
    used = header.get("data")
    if not isinstance(used, Mapping) or "training_subjects" not in used:
        raise UserError(f"{name} does not say which subjects it was trained on; its scores would mean nothing")
    for role in ("training_subjects", "validation_subjects"):
        shared = sorted(set(used.get(role, ())) & set(test_subjects))
        if shared:
            purpose = "trained on" if role == "training_subjects" else "tuned on"
            raise UserError(
                f"{name} was {purpose} subject {some(shared, 1)} of this data; evaluate it on other subjects"
            )


def refuse_other_alignment(header: Mapping[str, Any], data: CropData, name: str) -> None:
    """Raise UserError when a checkpoint was trained on aligned faces and the data's are not, or the other way."""
    aligned = bool(header["data"].get("aligned", True))
    if aligned != data.aligned:
        words = {True: "aligned", False: "not aligned"}
        raise UserError(f"{name} was trained on faces that are {words[aligned]}, and these are {words[data.aligned]}")


def evaluate_checkpoint(
    checkpoint: Path | str,
    data_folders: Sequence[Path | str],
    *,
    subjects: Sequence[str] | None = None,
    every: int = 1,
    batch_size: int = 128,
    device: str = "auto",
    cache: Path | str | None = None,
    replicates: int = bootstrap.REPLICATES,
    progress: bool = False,
    predictions_file: Path | str | None = None,
    over_time: str | None = None,
) -> tuple[EvaluationResult, dict[str, Any]]:
    """Scores of a checkpoint (file, or the name of released weights) on folders of data, and its header.

    subjects: only these of the data; every: only each n-th frame; cache: where registered crops are kept.
    predictions_file: where labels and outputs of every frame are written, see `predictions`. over_time: a reading of
    `over_time.READINGS` of the outputs of every clip. Thresholds are the
    checkpoint's own. Raises UserError for unusable input, and when a test subject was seen in training.
    """
    from actionunits.datasets.crops.crop_data import stored_size
    from actionunits.datasets.crops.load import coded_aus, load_data, subject_names
    from actionunits.training.checkpoint import load_checkpoint
    from actionunits.weights.locate import find_weights

    path = find_weights(str(checkpoint))
    loaded = load_checkpoint(path)
    target = choose_device(device)
    seen_names = {name for folder in data_folders for name in subject_names(folder)}
    refuse_seen_subjects(loaded.header, subjects if subjects is not None else sorted(seen_names), str(checkpoint))
    if not any(au in coded_aus(folder) for folder in data_folders for au in loaded.aus):
        raise UserError(f"{path} and {', '.join(map(str, data_folders))} have no action unit in common")
    config = loaded.model.config
    data = load_data(
        data_folders,
        stored_size(config.image_size),
        aus=loaded.aus,
        every=every,
        subjects=subjects,
        meshes=reads_mesh(loaded.model.stages()),
        flow=flow_method(config),
        cache=cache,
        progress=progress,
    )
    refuse_other_alignment(loaded.header, data, str(checkpoint))
    # Channels last: convolutions on the CPU take two thirds of the time.
    model = loaded.model.to(target, memory_format=torch.channels_last)
    predictions = predict(model, data, batch_size, target, progress)
    header = loaded.header
    frames = FramePredictions.of(
        data,
        predictions,
        threshold_of_aus(data.aus, header.get("thresholds", {})),
        fold=fold_of(header),
        about={"run": run_name(checkpoint), "model": header["model"], "commit": header.get("commit", "")},
    )
    if over_time is not None:
        frames = read_over_time(frames, over_time, header.get("neutral_logit", {}))
    result = score_frames(frames, replicates)
    if predictions_file is not None:
        write_predictions(predictions_file, frames)
    return result, header


def predict(model: Any, data: CropData, batch_size: int, device: torch.device, progress: bool) -> CropPredictions:
    """`predict_crops` with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import track

    groups = row_groups(model, data, 16 * batch_size)
    console = Console(stderr=True)
    parts = [
        predict_crops(model, data.subset(rows), model.config.image_size, batch_size, device)
        for rows in track(groups, "Predicting", console=console, disable=not progress)
    ]
    place = np.argsort(np.concatenate(groups))
    return CropPredictions.concatenate(parts).select(place)


def run_name(checkpoint: Path | str) -> str:
    """Short name of a checkpoint for tables: of released weights, of the file, or of the folder of a training run.

    >>> run_name("resnet18"), run_name("runs/first/model.safetensors"), run_name("old/b.safetensors")
    ('resnet18', 'first', 'b')
    """
    path = Path(checkpoint)
    return path.resolve().parent.name if path.name == "model.safetensors" else path.stem


def fold_of(header: Mapping[str, Any]) -> str:
    """Fold that a checkpoint was trained in, empty where there is none."""
    used = header.get("data", {})
    fold = used.get("fold") if isinstance(used, Mapping) else None
    return "" if fold is None else str(fold)


def write_results(path: Path | str, result: EvaluationResult, run: str, header: Mapping[str, Any]) -> None:
    """Write or extend a results table: one CSV row per AU. Rows of the same run, data and fold are replaced.

    A table of an earlier version gets the columns it lacks, empty.
    """
    fixed = {
        "run": run,
        "data": result.data,
        "fold": fold_of(header),
        "occurrence_level": result.occurrence_level,
        "frames": result.frames,
        "subjects": result.subjects,
    }
    rows = result.table.copy()
    for position, (name, value) in enumerate(fixed.items()):
        rows.insert(position, name, value)
    rows["commit"] = header.get("commit", "")
    rows["seed"] = header.get("seed", "")
    rows["config"] = json.dumps({"model": header["model"], **header["config"]}, sort_keys=True)
    merge_rows(path, rows, ("run", "data", "fold"))


def refuse_outputs(results: Path | None, predictions: Path | None) -> None:
    """Raises UserError, before anything is computed, for files that an evaluation could not be written to."""
    if results is not None and predictions is not None and results.resolve() == predictions.resolve():
        raise UserError(f"{results} cannot hold both the results and the predictions; name two files")
    if results is not None:
        refuse_other_table(results, RESULT_COLUMNS)
    if predictions is not None and (predictions.suffix != ".parquet" or predictions.is_dir()):
        raise UserError(
            f"{predictions} cannot hold predictions, which are a Parquet file; name one that ends in .parquet"
        )


def refuse_other_table(path: Path | str, columns: Sequence[str]) -> None:
    """Raises UserError where a results table of these columns could not be written or extended."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file for the results table")
    if not path.exists() or not path.stat().st_size:
        return
    try:
        held = list(pd.read_csv(path, dtype=str, nrows=0).columns)
    except (OSError, ValueError):
        held = []
    if not held or set(held) - set(columns):
        raise UserError(f"{path} is not a results table of this kind; name another file")


def merge_rows(path: Path | str, rows: pd.DataFrame, same: Sequence[str]) -> None:
    """Write or extend a results table; old rows that agree with a new one in the columns `same` are dropped.

    Raises UserError where the file is another kind of table.
    """
    path = Path(path)
    refuse_other_table(path, list(rows.columns))
    if path.exists() and path.stat().st_size:
        try:
            old = pd.read_csv(path, dtype=str, keep_default_na=False)
            new_keys = set(rows[list(same)].astype(str).itertuples(index=False, name=None))
            replaced = [key in new_keys for key in old[list(same)].itertuples(index=False, name=None)]
        except (ValueError, KeyError):
            raise UserError(f"{path} is not a results table of this program; name another file") from None
        if set(old.columns) < set(rows.columns):
            # Of an earlier version, which did not have all scores yet.
            old = old.reindex(columns=rows.columns, fill_value="")
        if list(old.columns) != list(rows.columns):
            raise UserError(f"{path} has other columns than this version writes; name another file")
        rows = pd.concat([old[~np.array(replaced, bool)], rows.astype(object)], ignore_index=True)
    with write_atomically(path) as temporary:
        rows.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
