"""Train and test every fold of a protocol, so that an interrupted one goes on where it stopped.

OUT/protocol.json says what the folder holds. OUT/fold-NAME/ is the folder of one training run with, besides,
`plan.json` (settings and data of the fold) and `predictions.parquet` (labels and outputs of every test frame), which
is written last: a fold that has it is finished. Scores are made from the stored outputs every time, so another choice
of thresholds costs no training.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from rich.console import Console

from actionunits.datasets.crops.crop_data import CropData
from actionunits.errors import UserError
from actionunits.evaluation import regression
from actionunits.evaluation.divisions import Fold, Protocol
from actionunits.evaluation.predictions import FramePredictions, read_predictions, write_predictions
from actionunits.evaluation.protocols import predict, refuse_other_alignment, refuse_seen_subjects, threshold_of_aus
from actionunits.files import file_sha256, write_json
from actionunits.training import run_folder
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.run import run
from actionunits.training.settings import Settings
from actionunits.weights.checkpoint_file import read_header
from actionunits.weights.locate import find_weights

PROTOCOL_FILE = "protocol.json"
PLAN_FILE = "plan.json"
PREDICTIONS_FILE = "predictions.parquet"
SOURCE_FOLDER = "source"  # of the network that is trained before the folds
THRESHOLD_RULES = ("validation", "0.5")
BATCH_SIZE = 128  # crops that pass a model at once when it is tested


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop; what it did so far is saved."""


@dataclass(frozen=True)
class FoldOutputs:
    """A trained fold: what its checkpoint says of itself, and its outputs for every test frame."""

    name: str
    seed: int | None  # of the division into folds
    header: dict[str, Any]
    frames: FramePredictions  # with the checkpoint's own thresholds

    def with_rule(self, rule: str) -> FramePredictions:
        """The outputs with thresholds by a rule of THRESHOLD_RULES."""
        if rule == "validation":
            return self.frames
        level = np.full(len(self.frames.aus), float(rule))
        return dataclasses.replace(self.frames, thresholds=level, au_detected=self.frames.au_prob >= level)


@dataclass(frozen=True)
class System:
    """What is trained: a key of MODELS with all settings of a run."""

    model: str
    settings: Settings
    imagenet: Path | None = None  # official weights of the model's body, where no other start is given
    teacher: Path | None = None  # checkpoint, or folder of another run of the same folds, to learn from too


def cross_validate(
    system: System, protocol: Protocol, out: Path, fabric: Fabric, init: Path | None = None
) -> list[FoldOutputs]:
    """Train and test all folds, one after the other; finished ones are read from `out`.

    init: checkpoint that every fold starts from, or folder of another run of the same protocol, from whose network
    of the same fold it does. Raises Interrupted when asked to stop, and UserError where `out` holds another protocol
    or other settings, or data cannot be trained on.
    """
    fabric.launch()
    frozen = protocol.name in regression.FITS
    if frozen:
        regression.refuse_without_features(system.model, protocol.name)
    if fabric.is_global_zero:
        claim_protocol(out, system, protocol)
    fabric.barrier()
    told = _Told(protocol, fabric.is_global_zero)
    try:
        if protocol.source is not None:
            folder = out / SOURCE_FOLDER
            told.fold(protocol.source, folder)
            _train(system, protocol.source, folder, fabric, _of_fold(init, SOURCE_FOLDER))
            init = folder / run_folder.CHECKPOINT_FILE
        found = []
        for fold in protocol.folds:
            folder = out / f"fold-{fold.name}"
            told.fold(fold, folder)
            if frozen:
                assert init is not None
                _regress(system, fold, folder, fabric, init)
            else:
                _train(system, fold, folder, fabric, _of_fold(init, folder.name))
            found.append(_tested(system, fold, folder, fabric))
        return found
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; the same command continues in {out}") from None


def find_start(name_or_path: str) -> Path:
    """Folder of another run, or file of weights as `find_weights` finds it. Raises UserError for neither."""
    folder = Path(name_or_path)
    return folder if folder.is_dir() else find_weights(name_or_path)


def _of_fold(given: Path | None, name: str) -> Path | None:
    """Checkpoint that the fold of this name begins with. Raises UserError where another run's folder has none."""
    if given is None or given.is_file():
        return given
    path = given / name / run_folder.CHECKPOINT_FILE
    if not path.is_file():
        raise UserError(f"there is no {path}; name the folder of a finished run of the same folds")
    return path


def claim_protocol(out: Path, system: System, protocol: Protocol) -> None:
    """Write `protocol.json`, or see that the folder holds this very protocol. Raises UserError if not."""
    identity = {
        "model": system.model,
        "protocol": protocol.name,
        "division": protocol.division,
        "folds": [fold.name for fold in protocol.folds],
    }
    path = out / PROTOCOL_FILE
    if not path.exists():
        run_folder.refuse_used_folder(out)
    _claim(path, identity, f"{out} holds another run")


def read_threshold_rule(text: str) -> str:
    """A rule of THRESHOLD_RULES. Raises UserError for another word."""
    if text not in THRESHOLD_RULES:
        raise UserError(f"unknown threshold '{text}'; known are {', '.join(THRESHOLD_RULES)}")
    return text


def _tested(system: System, fold: Fold, folder: Path, fabric: Fabric) -> FoldOutputs:
    """Outputs of a trained fold for its test people, as far as they are not written yet."""
    assert fold.test is not None
    test = fold.test.of_aus(fold.training.aus)
    checkpoint = folder / run_folder.CHECKPOINT_FILE
    header = read_header(checkpoint)
    refuse_seen_subjects(header, test.present_subjects, str(checkpoint))
    refuse_other_alignment(header, test, str(checkpoint))
    path = folder / PREDICTIONS_FILE
    if not path.is_file() and fabric.is_global_zero:
        model = load_checkpoint(checkpoint).model.to(fabric.device)
        predictions = predict(model, test, BATCH_SIZE, fabric.device, progress=Console(stderr=True).is_terminal)
        about = {"model": system.model, "commit": header["commit"], "checkpoint": header["sha256"]}
        thresholds = threshold_of_aus(test.aus, header["thresholds"])
        write_predictions(path, FramePredictions.of(test, predictions, thresholds, fold.name, about))
    fabric.barrier()
    frames = read_predictions(path)
    if frames.about.get("checkpoint") != header["sha256"] or frames.aus != test.aus or len(frames) != len(test):
        raise UserError(f"{path} is of another checkpoint or other data; remove it, and the fold is tested again")
    return FoldOutputs(fold.name, fold.seed, header, frames)


def _claim_fold(system: System, fold: Fold, folder: Path, fabric: Fabric, init: Path | None) -> None:
    """Say what a fold's folder is for, or see that it is for the same settings and data."""
    if fabric.is_global_zero:
        if not (folder / PLAN_FILE).exists():
            run_folder.refuse_used_folder(folder)
        _claim(folder / PLAN_FILE, _plan(system, fold, folder, init), f"{folder} holds a fold of another run")
    fabric.barrier()


def _regress(system: System, fold: Fold, folder: Path, fabric: Fabric, init: Path) -> None:
    """Fit the output layer of a trained network to a fold, or see that this was done."""
    _claim_fold(system, fold, folder, fabric, init)
    if fabric.is_global_zero and not (folder / run_folder.CHECKPOINT_FILE).exists():
        regression.transfer(system.model, fold, init, folder, fabric.device)
    fabric.barrier()


def _train(system: System, fold: Fold, folder: Path, fabric: Fabric, init: Path | None) -> None:
    """Train one fold, go on with it, or see that it was trained with the same settings on the same data."""
    _claim_fold(system, fold, folder, fabric, init)
    if (folder / run_folder.CHECKPOINT_FILE).exists():
        return
    result = run(
        system.model,
        system.settings,
        fold.training,
        fold.validation,
        folder,
        fabric,
        resume=(folder / run_folder.RUN_FILE).exists(),
        init=init,
        fold=fold.name,
        imagenet=system.imagenet if init is None else None,
        teacher=_of_fold(system.teacher, folder.name),
    )
    if not result.finished:
        raise KeyboardInterrupt


def _plan(system: System, fold: Fold, folder: Path, init: Path | None) -> dict[str, Any]:
    """All that decides about the outcome of a fold, as JSON values."""
    teacher = _of_fold(system.teacher, folder.name)
    parts = {"training": fold.training, "validation": fold.validation, "test": fold.test}
    plan = {
        "model": system.model,
        **{part.name: dataclasses.asdict(getattr(system.settings, part.name)) for part in _settings_fields()},
        "fold": fold.name,
        "init": None if init is None else read_header(init)["sha256"],
        "teacher": None if teacher is None else read_header(teacher)["sha256"],
        "imagenet": None if system.imagenet is None or init is not None else file_sha256(system.imagenet),
        "aus": fold.training.aus,
        "occurrence_level": fold.training.occurrence_level,
        **{name: None if data is None else _description(data) for name, data in parts.items()},
    }
    return json.loads(json.dumps(plan))


def _settings_fields() -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(Settings)


def _description(data: CropData) -> dict[str, Any]:
    """Data in a few words, and a digest of its labels."""
    digest = hashlib.blake2b(digest_size=10)
    labels = (data.au_present, data.au_present_valid, data.au_intensity, data.au_intensity_valid)
    for values in (*labels, data.subject, data.clip, data.frame):
        digest.update(np.ascontiguousarray(values).tobytes())
    return {
        "names": data.names,
        "subjects": data.present_subjects,
        "frames": len(data),
        "crop_size": data.size,
        "labels": digest.hexdigest(),
    }


def _claim(path: Path, identity: dict[str, Any], otherwise: str) -> None:
    """Write what a folder is for, or compare it with what the folder was for."""
    if not path.exists():
        write_json(path, identity)
        return
    before = _read_json(path)
    for name, value in identity.items():
        if before.get(name) != value:
            changed = run_folder.difference(name, before.get(name), value)
            raise UserError(f"{otherwise} ({changed}); name another folder")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged; remove its folder")
    return content


class _Told:
    """Lines on standard error: which fold of how many, and how long the rest will take."""

    def __init__(self, protocol: Protocol, shown: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = len(protocol.folds) + (protocol.source is not None)
        self.done = self.trained = 0
        self.clock, self.busy_s, self.began_s = clock, 0.0, clock()
        self.training = False
        self.console = Console(stderr=True, quiet=not shown)

    def fold(self, fold: Fold, folder: Path) -> None:
        """Announce the next fold."""
        now_s = self.clock()
        if self.training:
            self.busy_s += now_s - self.began_s
            self.trained += 1
        self.began_s, self.done = now_s, self.done + 1
        self.training = not (folder / run_folder.CHECKPOINT_FILE).exists()
        test = f", {len(fold.test.present_subjects)} to test" if fold.test is not None else ""
        state = "" if self.training else "; trained before"
        people = f"{len(fold.training.present_subjects)} people to train, {len(fold.validation.present_subjects)}"
        text = f"fold {fold.name} ({self.done} of {self.total}): {people} to tune{test}{state}{self._left()}"
        self.console.print(text, highlight=False, soft_wrap=True)

    def _left(self) -> str:
        if not self.trained:
            return ""
        minutes = (self.total - self.done + 1) * self.busy_s / self.trained / 60
        return f"; about {minutes:.0f} min left" if minutes >= 1 else "; less than a minute left"
