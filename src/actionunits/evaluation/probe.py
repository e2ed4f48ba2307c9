"""How much a representation knows of action units: a linear probe on frozen features, from all or few of the labels.

Protocol of TCAE (CVPR 2019, Sec. 4.1). Each share of the labels has a folder of its own, like any protocol's: every
fold's checkpoint there is the pretrained network with its probe, which detection reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.errors import UserError
from actionunits.evaluation import fold_scores, questions, regression
from actionunits.evaluation.crossval import System, read_threshold_rule
from actionunits.evaluation.divisions import Protocol
from actionunits.evaluation.plan import Run
from actionunits.evaluation.questions import Question
from actionunits.evaluation.reproduction import run_protocol
from actionunits.evaluation.result_rows import Request, described_rows, refuse_unusable_places, write_rows
from actionunits.models import find_model
from actionunits.runtime.provenance import source_commit
from actionunits.settings.checks import make_config
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings
from actionunits.training.settings import DataSettings, Settings
from actionunits.training.start import start_from, start_from_imagenet
from actionunits.weights.checkpoint_file import read_header
from actionunits.weights.locate import find_weights

PROTOCOLS = ("folds", "own-split")
BACKBONE_FILE = "backbone.safetensors"


def probe(
    protocol: str, request: Request, shares: Sequence[float] = (1.0,), every: int = 1, progress: bool = False
) -> pd.DataFrame:
    """Scores of the probe on `request.init` for each share of the labels (ROW_COLUMNS), which are also written.

    protocol: one of PROTOCOLS; everyone tested on is new to the network and to the probe. every: of the training and
    tuning frames, each n-th of a recording. Raises UserError where the data or the checkpoint does not allow it, and
    crossval.Interrupted when stopped.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"unknown protocol '{protocol}' of a probe; known are {', '.join(PROTOCOLS)}")
    read_threshold_rule(request.threshold)
    refuse_unusable_places(request)
    assert request.init is not None
    trained = load_checkpoint(request.init)
    key = str(trained.header["model"])
    regression.refuse_without_features(key, "probe")
    settings = Settings(trained.model.config, LoopSettings(), DataSettings(every=every), AugmentConfig())
    question = Question(protocol, request.data, folds=request.folds, fold_seeds=request.fold_seeds)
    divided = questions.load_protocol(question, settings, progress)
    fabric = make_fabric(Hardware(precision="32", accelerator=request.accelerator, devices="1"))
    found = []
    for share in shares:
        part = with_label_share(divided, share)
        folder = request.out / f"labels-{percent(share)}"
        outputs = run_protocol(System(key, settings), part, folder, fabric, request)
        scores = fold_scores.score_folds(outputs, request.threshold)
        found.append(described_rows(scores, "", Run(key), request, question, part, settings))
        write_rows(found[-1], request)
    return pd.concat(found, ignore_index=True)


def backbone_checkpoint(network: str, weights: str, out: Path) -> Path:
    """Write a frozen network with an empty probe and return the file, for `probe` to start from.

    network: of frozen.config.NETWORKS. weights: a file of weights with torchvision's names, or the name or file of a
    checkpoint that has such a body, as the released detector. Raises UserError where they do not fit.
    """
    entry = find_model("frozen")
    path = Path(weights)
    if path.is_file() and not is_checkpoint(path):
        model = entry.model(entry.config(network=network), ())
        start_from_imagenet(model, path)
        header: dict[str, Any] = {"data": {"names": [path.stem], "training_subjects": []}, "seed": 0}
    else:
        found = find_weights(weights)
        before = read_header(found)
        shown = {k: v for k, v in before["config"].items() if k in ("image_size", "width", "magnification")}
        model = entry.model(make_config(entry.config, {**shown, "network": network}, weights), ())
        start_from(model, found)
        header = {"data": before["data"], "seed": before.get("seed", 0)}
    out.mkdir(parents=True, exist_ok=True)
    save_checkpoint(out / BACKBONE_FILE, model, {**header, "commit": source_commit()})
    return out / BACKBONE_FILE


def is_checkpoint(path: Path) -> bool:
    """Whether a file of weights tells what model it is of."""
    try:
        read_header(path)
    except UserError:
        return False
    return True


def parse_shares(text: str) -> tuple[float, ...]:
    """Shares of the labels of a list with commas.

    >>> parse_shares("0.01, 0.1,1")
    (0.01, 0.1, 1.0)
    """
    try:
        shares = tuple(float(word) for word in text.split(","))
    except ValueError:
        shares = ()
    if not shares or not all(0 < share <= 1 for share in shares) or len(set(shares)) < len(shares):
        raise UserError(f"'{text}' is no list of different shares above 0 and up to 1, such as 0.01,0.1,1")
    return shares


def percent(share: float) -> str:
    """A share in percent, without zeros that say nothing.

    >>> percent(0.01), percent(0.005), percent(1.0)
    ('1%', '0.5%', '100%')
    """
    return f"{100 * share:.6g}%"


def with_label_share(protocol: Protocol, share: float) -> Protocol:
    """The protocol where only this share of the training and of the tuning frames is labelled; tests stay whole."""
    folds = tuple(
        dataclasses.replace(
            fold,
            training=labelled_share(fold.training, share),
            validation=labelled_share(fold.validation, share),
        )
        for fold in protocol.folds
    )
    return Protocol("probe", f"{protocol.division}; {percent(share)} of the labels", folds)


def labelled_share(data: CropData, share: float, seed: int = 0) -> CropData:
    """A share of the frames at random, as if coders had looked at single frames of everybody; at least two."""
    if share == 1:
        return data
    count = min(len(data), max(2, round(share * len(data))))
    return data.subset(np.sort(np.random.default_rng((seed, 5)).permutation(len(data))[:count]))
