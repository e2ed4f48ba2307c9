"""A whole training run: data, start, loop, thresholds, checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import nn

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.rows import even_clips, even_rows
from actionunits.errors import UserError
from actionunits.files import file_sha256
from actionunits.models import find_model
from actionunits.models.config_contract import face_size
from actionunits.models.contract import Stage, TellsSides
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import STORED_TYPES, save_checkpoint
from actionunits.training.data import check_data, load_training_data
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.labels import row_weight, with_label_rates, with_relations
from actionunits.training.loop import BatchSource, TrainResult, Validate, train
from actionunits.training.run_folder import CHECKPOINT_FILE, claim_folder, refuse_used_folder
from actionunits.training.sequence_source import SequenceSource
from actionunits.training.settings import Settings
from actionunits.training.source import CropSource
from actionunits.training.start import Origin, earlier_run, refuse_untrained, start_from, start_from_imagenet
from actionunits.training.teacher import check_teacher, teach
from actionunits.training.validation import judged, pair_scores, predict_crops, scores


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
    start, taught = (earlier_run(path, validation.present_subjects) for path in (init, teacher))
    origin = Origin(start, taught, None if imagenet is None else file_sha256(imagenet), fold)
    if teacher is not None and taught is not None:
        check_teacher(teacher, taught, settings.model, training.aus)
    model = _started_model(model_name, settings, training, init, imagenet)
    _refuse_unknown_sides(model, training)
    _refuse_torn_sequences(model, settings)
    # Last, so that settings that cannot be leave no folder behind.
    if fabric.is_global_zero:
        claim_folder(out, _identity(model_name, settings, training, origin), resume)
        if init is not None and start is not None:
            _tell_of_face_size(init, start, settings.model)
    fabric.barrier()
    soft = None if teacher is None else teach(teacher, training, fabric.device, _in_bf16(fabric))
    place = (fabric.device, fabric.global_rank, fabric.world_size)
    features: np.ndarray | None = None  # stages that read them train nothing that they come from

    def source_of(stage: Stage, number: int) -> BatchSource:
        nonlocal features
        seed = settings.loop.seed
        if stage.sequences is not None:
            source = SequenceSource(training, stage, number, model, seed, *place, features)
            features = source.features
            return source
        size = settings.model.image_size
        return CropSource(training, stage, number, size, seed, settings.augment, weight, *place, soft)

    validate = _quick_validation(settings, model, validation, fabric)
    result = train(model, source_of, out, settings.loop, fabric, validate, resume)
    if result.finished and fabric.is_global_zero:
        _write_checkpoint(out, result, settings, training, validation, fabric, stored_type, origin)
    fabric.barrier()
    return result


def _refuse_torn_sequences(model: Any, settings: Settings) -> None:
    if settings.loop.accumulate > 1 and any(stage.sequences for stage in model.stages()):
        raise UserError("sequences cannot be trained in parts; use --set accumulate=1")


def _refuse_unknown_sides(model: Any, training: CropData) -> None:
    if isinstance(model, TellsSides) and model.tells_sides() and training.aus and training.au_sides is None:
        raise UserError(
            "the settings ask for left and right, and the training data does not tell them; use --set sides=false"
        )


def _started_model(
    model_name: str, settings: Settings, training: CropData, init: Path | None, imagenet: Path | None
) -> Any:
    """The network with the weights that its run starts from: random ones, a checkpoint's, or ImageNet's."""
    torch.manual_seed(settings.loop.seed)
    model = find_model(model_name).model(settings.model, training.aus)
    if init is not None:
        start_from(model, init, settings.loop.init_body_only)
    elif imagenet is not None:
        start_from_imagenet(model, imagenet)
    else:
        refuse_untrained(model)
    return model


def _tell_of_face_size(init: Path, start: dict[str, Any], config: Any) -> None:
    """Say where weights have learned faces of another size than they will see: they then start far worse."""
    usual = face_size(type(config)())  # what older checkpoints do not tell
    for name, shown in face_size(config).items():
        learned = start["config"].get(name, usual[name])
        if shown != learned:
            text = f"{init} has learned faces with {name}={learned}, this run shows them with {name}={shown}"
            Console(stderr=True).print(f"{text}; --set {name}={learned} fits", highlight=False, soft_wrap=True)


def _quick_validation(settings: Settings, model: Any, validation: CropData, fabric: Fabric) -> Validate:
    """What the loop asks while it trains: scores on evenly chosen validation rows, or clips where order matters."""
    over_time = any(stage.sequences for stage in model.stages())
    count, size = settings.data.validation_frames, settings.model.image_size
    chosen = even_clips(validation.clip, count) if over_time else even_rows(len(validation), count)
    quick = validation.subset(chosen)

    def validate(network: nn.Module, stage: Stage) -> dict[str, float]:
        if "target" in stage.inputs:
            return pair_scores(network, validation, size, count, fabric.device, _in_bf16(fabric))
        predictions = predict_crops(network, quick, size, device=fabric.device, bf16=_in_bf16(fabric))
        return scores(quick, predictions)

    return validate


def _in_bf16(fabric: Fabric) -> bool:
    return "bf16" in str(fabric.strategy.precision.precision)


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
            "training_subjects": sorted({*known, *training.present_subjects}),
            "training_frames": len(training),
            "started_from": None if start is None else {"sha256": start["sha256"], "names": before.get("names")},
            "imagenet": origin.imagenet,
            "taught_by": None if taught is None else {"sha256": taught["sha256"], "model": taught["model"]},
            "validation_names": list(validation.names),
            "validation_subjects": list(validation.present_subjects),
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
        training, validation = load_training_data(data, valid, settings, progress=fabric.is_global_zero)
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
