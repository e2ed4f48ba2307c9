"""A whole training run: settings, data, loop, thresholds, checkpoint."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import nn

from actionunits.datasets import load
from actionunits.datasets.crops import CropData, stored_size
from actionunits.datasets.folder_contents import some
from actionunits.datasets.folds import VALIDATION_FRACTION, hold_out
from actionunits.datasets.sampling import even_clips, even_rows
from actionunits.datasets.sequences import single_frame_clips
from actionunits.errors import UserError
from actionunits.files import file_sha256, write_atomically
from actionunits.models import MODELS
from actionunits.training.checkpoint import STORED_TYPES, save_checkpoint
from actionunits.training.labels import row_weight, with_label_rates, with_relations
from actionunits.training.loop import STATE_FILE, BatchSource, TrainResult, train
from actionunits.training.sequence_source import SequenceSource
from actionunits.training.settings import Settings
from actionunits.training.source import CropSource
from actionunits.training.start import Origin, earlier_run, refuse_untrained, start_from, start_from_imagenet
from actionunits.training.teacher import check_teacher, teach
from actionunits.training.validation import judged, pair_scores, predict_crops, scores
from actionunits.types import Stage

CHECKPOINT_FILE = "model.safetensors"
RUN_FILE = "run.json"
RECIPE_AUS = (1, 2)  # a model's stages do not depend on its AUs
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True)
class Hardware:
    """Where a run computes; the words are Lightning Fabric's."""

    precision: str = "auto"  # "auto" | "32" | "bf16" | "16"
    accelerator: str = "auto"
    devices: str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"


def make_fabric(hardware: Hardware) -> Fabric:
    """Fabric on the wanted devices. Raises UserError where they do not exist."""
    precision = hardware.precision
    if precision != "auto" and precision not in PRECISIONS:
        raise UserError(f"unknown precision '{precision}'; known are auto, {', '.join(PRECISIONS)}")
    on_gpu = hardware.accelerator in ("gpu", "cuda") or (hardware.accelerator == "auto" and torch.cuda.is_available())
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if on_gpu else torch.cpu._is_avx512_bf16_supported()
        precision = "bf16" if fast else "32"
    devices: Any = hardware.devices
    if hardware.devices.lstrip("-").isdigit():
        devices = int(hardware.devices)
    elif devices == "auto" and not on_gpu:
        devices = 1
    # It announces every precision; warnings still come through.
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        return Fabric(
            accelerator=hardware.accelerator,
            devices=devices,
            num_nodes=hardware.num_nodes,
            strategy=hardware.strategy,
            precision=PRECISIONS[precision],  # type: ignore[arg-type]
        )
    except (ValueError, RuntimeError, TypeError) as error:
        raise UserError(f"these devices cannot be used: {' '.join(str(error).split())}") from None


def load_data(
    data: Sequence[Path], valid: Sequence[Path], settings: Settings, progress: bool
) -> tuple[CropData, CropData]:
    """Training and validation crops; without validation folders, a fifth of the training people is held out.

    Raises UserError where subjects are in both, or where a model that learns from labels gets none.
    """
    size = stored_size(settings.model.image_size)
    recipe = _stages_of(settings)
    if not reads_pairs(settings) and not any(load.coded_aus(folder) for folder in data):
        raise UserError("the training data codes no action unit, which this model learns from; tcae learns without")
    meshes = any("mesh" in stage.inputs for stage in recipe)
    common: dict[str, Any] = {
        "meshes": meshes,
        "mesh_every": settings.data.mesh_every,
        "progress": progress,
    }
    training = load.load_data(list(data), size, every=settings.data.every, **common)
    if progress and reads_pairs(settings) and (single := single_frame_clips(training)):
        text = f"{len(single)} tracks have one frame, which makes no pair, and are left out: {some(single, 12)}"
        Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    if not valid:
        rest, held = hold_out(_present(training), VALIDATION_FRACTION, settings.loop.seed)
        return training.of_subjects(rest), training.of_subjects(held)
    coded = {au for folder in valid for au in load.coded_aus(folder)}
    if training.aus and not coded.intersection(training.aus):
        raise UserError("the training and the validation data have no action unit in common")
    # What the validation data does not code is unknown there, and does not count.
    validation = load.load_data(list(valid), size, aus=training.aus, every=settings.data.every, **common)
    check_data(training, validation)
    return training, validation


def check_data(training: CropData, validation: CropData) -> None:
    """Raises UserError where data is missing, AUs differ, or a subject is in both parts."""
    for what, part in (("training", training), ("validation", validation)):
        if len(part) == 0:
            raise UserError(f"the {what} data holds no frame")
    if training.aus != validation.aus:
        raise UserError(
            f"training and validation data code different action units: {training.aus} and {validation.aus}"
        )
    if training.aligned != validation.aligned:
        raise UserError("faces are aligned in one of training and validation data; prepare both alike")
    both = sorted(set(_present(training)) & set(_present(validation)))
    if both:
        raise UserError(
            f"subject {both[0]} ({len(both)} in all) is in the training and in the validation data; "
            "scores would be of known faces"
        )


def run(
    model_name: str,
    settings: Settings,
    training: CropData,
    validation: CropData,
    out: Path,
    fabric: Fabric,
    resume: bool = False,
    stored_type: str = "float32",
    init: Path | None = None,
    fold: str | None = None,
    teacher: Path | None = None,
    imagenet: Path | None = None,
) -> TrainResult:
    """Train, choose thresholds on the validation crops, and write `out/model.safetensors`.

    out: folder of this run alone. init: checkpoint whose weights the run starts from; everybody it was trained on
    counts as a training subject of the new one. fold: which part of a protocol this is, for the checkpoint's header.
    teacher: checkpoint whose outputs for the training crops are learned beside their labels; its people count too.
    imagenet: official weights for the model's body, in place of `init`.
    Raises UserError where the folder belongs to another run or cannot be written.
    """
    check_data(training, validation)
    if training.aus and teacher is None and not training.au_present_valid.any():
        raise UserError("no frame of the training data has a known occurrence label; nothing can be learned from it")
    weight = row_weight(settings, training)
    settings = with_relations(with_label_rates(settings, training), training)
    start, taught = (earlier_run(path, _present(validation)) for path in (init, teacher))
    origin = Origin(start, taught, None if imagenet is None else file_sha256(imagenet), fold)
    if teacher is not None and taught is not None:
        check_teacher(teacher, taught, settings.model, training.aus)
    torch.manual_seed(settings.loop.seed)
    model = MODELS[model_name].model(settings.model, training.aus)
    if init is not None:
        start_from(model, init, settings.loop.init_body_only)
    elif imagenet is not None:
        start_from_imagenet(model, imagenet)
    else:
        refuse_untrained(model)
    # Last, so that settings that cannot be leave no folder behind.
    if fabric.is_global_zero:
        claim_folder(out, _identity(model_name, settings, training, origin), resume)
    fabric.barrier()
    bf16 = "bf16" in str(fabric.strategy.precision.precision)
    soft = None if teacher is None else teach(teacher, training, fabric.device, bf16)
    size = settings.model.image_size
    over_time = any(stage.sequences for stage in model.stages())
    choose = (
        even_clips(validation.clip, settings.data.validation_frames)
        if over_time
        else even_rows(len(validation), settings.data.validation_frames)
    )
    quick = validation.subset(choose)
    place = (fabric.device, fabric.global_rank, fabric.world_size)

    def source_of(stage: Stage, number: int) -> BatchSource:
        if stage.sequences is not None:
            return SequenceSource(training, stage, number, model, settings.loop.seed, *place)
        return CropSource(
            training,
            stage,
            number,
            size,
            settings.loop.seed,
            settings.augment,
            weight,
            *place,
            soft,
        )

    def validate(network: nn.Module, stage: Stage) -> dict[str, float]:
        if "target" in stage.inputs:
            return pair_scores(network, validation, size, settings.data.validation_frames, fabric.device, bf16)
        predictions = predict_crops(network, quick, size, device=fabric.device, bf16=bf16)
        return scores(quick, predictions)

    result = train(model, source_of, out, settings.loop, fabric, validate, resume)
    if result.finished and fabric.is_global_zero:
        _write_checkpoint(out, result, settings, training, validation, fabric, stored_type, origin)
    fabric.barrier()
    return result


def claim_folder(out: Path, identity: dict[str, Any], resume: bool) -> None:
    """Write `run.json` into the folder, or see that a resumed run is the same one. Raises UserError if not."""
    path = out / RUN_FILE
    identity = json.loads(json.dumps(identity))
    if resume:
        if (out / CHECKPOINT_FILE).exists():
            raise UserError(f"the run in {out} is finished; there is nothing to resume")
        try:
            before = json.loads(path.read_text())
        except FileNotFoundError:
            raise UserError(f"nothing to resume: {path} does not exist; start without --resume") from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path}: {error}") from None
        for name, value in identity.items():
            if before.get(name) != value:
                changed = _first_difference(before.get(name), value)
                raise UserError(f"{out} holds a run with other settings ({name}: {changed}); name another folder")
        return
    refuse_used_folder(out)
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(identity, indent=1) + "\n")


def refuse_used_folder(out: Path) -> None:
    """Raises UserError where the folder already holds a run."""
    if any((out / name).exists() for name in (RUN_FILE, STATE_FILE, CHECKPOINT_FILE)):
        raise UserError(f"{out} holds another run; continue it with --resume or name another folder")


def source_commit() -> str:
    """Commit of the source tree this package runs from, with `+` when files differ; empty outside a checkout."""
    folder = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "-C", str(folder.parent), "status", "--porcelain", "."],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changed else "")


def reads_pairs(settings: Settings) -> bool:
    """Whether a model learns from pairs of frames, which need no label."""
    return any("target" in stage.inputs for stage in _stages_of(settings))


def _stages_of(settings: Settings) -> list[Stage]:
    for entry in MODELS.values():
        if type(settings.model) is entry.config:
            # On the meta device no memory is taken: only the recipe is wanted.
            with torch.device("meta"):
                return entry.model(_for_recipe(settings.model), RECIPE_AUS).stages()
    raise ValueError(f"{type(settings.model).__name__} is not a config of MODELS")


def _for_recipe(config: Any) -> Any:
    """The config of a model that is built for its stages alone, before any label is known."""
    stands_in = {"class_weighting": "none", "relations": (1.0, 0.0, 0.0, 1.0), "unseen_aus": (), "au_rates": ()}
    return dataclasses.replace(config, **{name: value for name, value in stands_in.items() if hasattr(config, name)})


def _present(data: CropData) -> list[str]:
    """Subjects that have a row."""
    return [data.subjects[i] for i in np.unique(data.subject)]


def _identity(model_name: str, settings: Settings, training: CropData, origin: Origin) -> dict[str, Any]:
    return {
        "teacher": None if origin.taught is None else origin.taught["sha256"],
        "init": None if origin.start is None else origin.start["sha256"],
        "imagenet": origin.imagenet,
        "fold": origin.fold,
        "model": model_name,
        "aus": training.aus,
        "data": training.names,
        "frames": len(training),
        **{
            f.name: dataclasses.asdict(getattr(settings, f.name))
            for f in dataclasses.fields(settings)
            if f.name != "model"
        },
        "config": dataclasses.asdict(settings.model),
    }


def _first_difference(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in now:
            if before.get(name) != now[name]:
                return f"{name} was {before.get(name)}, is {now[name]}"
    return f"was {before}, is {now}"


def _write_checkpoint(
    out: Path,
    result: TrainResult,
    settings: Settings,
    training: CropData,
    validation: CropData,
    fabric: Fabric,
    stored_type: str,
    origin: Origin,
) -> None:
    start, taught = origin.start, origin.taught
    found = judged(result.model, validation, settings.model.image_size, fabric.device)
    before = {} if start is None else start["data"]
    known = {name for header in (start, taught) if header for name in header["data"].get("training_subjects", ())}
    header = {
        "data": {
            "names": list(training.names),
            "fold": origin.fold,
            "training_subjects": sorted({*known, *_present(training)}),
            "training_frames": len(training),
            "started_from": None if start is None else {"sha256": start["sha256"], "names": before.get("names")},
            "imagenet": origin.imagenet,
            "taught_by": None if taught is None else {"sha256": taught["sha256"], "model": taught["model"]},
            "validation_names": list(validation.names),
            "validation_subjects": _present(validation),
            "occurrence_level": training.occurrence_level,
            "aligned": training.aligned,
        },
        "seed": settings.loop.seed,
        "commit": source_commit(),
        **found,
    }
    path = out / CHECKPOINT_FILE
    save_checkpoint(path, result.model, header, stored_type)
    text = ", ".join(f"{name} {value:.3f}" for name, value in found["scores"]["validation"].items())
    Console(stderr=True).print(f"{path}: {text} on {len(validation)} validation frames", highlight=False)


def split_paths(text: str) -> list[Path]:
    """Paths of a list with commas.

    >>> [str(path) for path in split_paths("a, b/c")]
    ['a', 'b/c']
    """
    paths = [Path(word.strip()) for word in text.split(",") if word.strip()]
    if not paths:
        raise UserError("no data folder is named")
    return paths


def run_from_folders(
    model_name: str,
    settings: Settings,
    data: Sequence[Path],
    valid: Sequence[Path],
    out: Path,
    hardware: Hardware,
    resume: bool = False,
    stored_type: str = "float32",
    init: Path | None = None,
    teacher: Path | None = None,
    imagenet: Path | None = None,
) -> bool:
    """`run` on folders of data; whether it finished (False: interrupted, state saved)."""
    if init is not None and imagenet is not None:
        raise UserError("a run starts from --init or from --imagenet; give one of them")
    if stored_type not in STORED_TYPES:
        raise UserError(f"unknown stored type '{stored_type}'; known are {', '.join(STORED_TYPES)}")
    if not resume:
        refuse_used_folder(out)
    fabric = make_fabric(hardware)
    fabric.launch()
    # The first process decodes the clips into the cache, the others then read it.
    with fabric.rank_zero_first():
        training, validation = load_data(data, valid, settings, progress=fabric.is_global_zero)
    return run(
        model_name,
        settings,
        training,
        validation,
        out,
        fabric,
        resume,
        stored_type,
        init,
        teacher=teacher,
        imagenet=imagenet,
    ).finished
