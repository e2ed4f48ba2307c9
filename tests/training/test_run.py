"""Whole runs: settings, folders, thresholds, the written checkpoint; batches of the source."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from random_crops import random_crops

from actionunits import configs
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.errors import UserError
from actionunits.models import MODELS, find_model
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.data import check_data
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings
from actionunits.training.run import run
from actionunits.training.run_folder import claim_folder
from actionunits.training.settings import DataSettings, make_settings, parse_assignments, read_config_file
from actionunits.training.source import CropSource
from actionunits.training.validation import neutral_logits, predict_crops, thresholds

CONFIGS = configs.FOLDER
SMALL = {
    "image_size": 42,
    "width": 8,
    "batch_size": 16,
    "epochs": 8,
    "lr": 3e-3,
    "optimizer": "adamw",
    "ccc_weight": 0.5,
    "class_weighting": "inverse",
    "landmark_branch": True,
    "landmark_epochs": 20,
    "ema_decay": 0.9,
    "validate_every_epochs": 4,
    # The patches that carry the labels are small and lie to be seen, unlike faces.
    "erase": 0,
    "low_resolution": 0,
}


@pytest.fixture(scope="module")
def training_crops() -> CropData:
    return random_crops(192, "A", 1)


@pytest.fixture(scope="module")
def validation_crops() -> CropData:
    return random_crops(64, "B", 2)


@pytest.fixture(scope="module")
def finished(training_crops, validation_crops, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "small"
    torch.set_num_threads(1)
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    settings = make_settings("resnet18", SMALL)
    result = run("resnet18", settings, training_crops, validation_crops, out, fabric)
    return out, result, settings, fabric


def test_a_run_learns_and_its_checkpoint_says_what_it_is(finished, training_crops, validation_crops):
    out, result, _, _ = finished
    checkpoint = load_checkpoint(out / "model.safetensors")
    header = checkpoint.header
    assert checkpoint.aus == training_crops.aus and result.finished
    assert header["scores"]["validation"]["auc"] > 0.9
    assert header["scores"]["validation"]["icc"] > 0.5
    assert header["data"]["training_subjects"] == ["A0", "A1", "A2", "A3"]
    assert header["data"]["validation_subjects"] == ["B0", "B1", "B2", "B3"]
    assert set(header["thresholds"]) == set(header["neutral_logit"]) == {"AU01", "AU04", "AU12"}
    assert all(0 < value < 1 for value in header["thresholds"].values())
    assert all(value < 0 for value in header["neutral_logit"].values())
    assert header["config"]["au_rates"] == pytest.approx(
        [training_crops.au_present[training_crops.au_present_valid[:, a], a].mean() for a in range(3)],
        abs=1e-4,
    )


def test_stored_thresholds_give_the_best_f1_of_the_loaded_model(finished, validation_crops):
    out, _, settings, _ = finished
    checkpoint = load_checkpoint(out / "model.safetensors")
    predictions = predict_crops(checkpoint.model, validation_crops, settings.model.image_size)
    known = validation_crops.au_present_valid

    def f1(level):
        return metrics.f1(validation_crops.au_present, predictions.au_prob >= level, known)

    stored = f1(np.array(list(checkpoint.header["thresholds"].values())))
    for level in np.linspace(0.01, 0.99, 50):
        assert (stored >= f1(level) - 1e-9).all()
    assert checkpoint.header["thresholds"] == pytest.approx(thresholds(validation_crops, predictions), abs=1e-4)


def test_neutral_logits_are_means_over_frames_without_any_action(finished, validation_crops):
    out, _, settings, _ = finished
    checkpoint = load_checkpoint(out / "model.safetensors")
    predictions = predict_crops(checkpoint.model, validation_crops, settings.model.image_size)
    rows = [
        n
        for n in range(len(validation_crops))
        if all(validation_crops.au_intensity_valid[n]) and not any(validation_crops.au_intensity[n])
    ]
    assert rows
    found = neutral_logits(validation_crops, predictions)
    for a, name in enumerate(("AU01", "AU04", "AU12")):
        assert found[name] == pytest.approx(np.mean([predictions.au_logit[n, a] for n in rows]), abs=1e-5)


def test_a_folder_keeps_one_run(finished, training_crops, validation_crops):
    out, _, settings, fabric = finished
    with pytest.raises(UserError, match="holds another run"):
        run("resnet18", settings, training_crops, validation_crops, out, fabric)
    with pytest.raises(UserError, match="is finished"):
        run("resnet18", settings, training_crops, validation_crops, out, fabric, resume=True)


def test_a_resumed_run_must_be_the_same(tmp_path):
    claim_folder(tmp_path, {"model": "resnet18", "config": {"lr": 0.1}}, resume=False)
    claim_folder(tmp_path, {"model": "resnet18", "config": {"lr": 0.1}}, resume=True)
    with pytest.raises(UserError, match=r"config lr was 0\.1, is 0\.2"):
        claim_folder(tmp_path, {"model": "resnet18", "config": {"lr": 0.2}}, resume=True)
    with pytest.raises(UserError, match="nothing to resume"):
        claim_folder(tmp_path / "none", {}, resume=True)


def test_data_that_cannot_be_trained_on_is_refused(training_crops, validation_crops):
    nobody = training_crops.subset(np.zeros(0, int))
    with pytest.raises(UserError, match="training data holds no frame"):
        check_data(nobody, validation_crops)
    with pytest.raises(UserError, match=r"subject A0 \(4 in all\) is in the training and in the validation"):
        check_data(training_crops, training_crops)
    # Parts of one data set may name the same people, as long as nobody has rows in both.
    check_data(training_crops.of_subjects(["A0", "A1"]), training_crops.of_subjects(["A2"]))
    with pytest.raises(UserError, match="different action units"):
        check_data(training_crops, validation_crops.of_aus((1, 4, 6)))


def test_settings_find_their_place_and_strangers_are_refused():
    settings = make_settings("resnet18", {"lr": "1e-3", "ema_decay": 0.9, "every": 2, "blur": 0})
    assert (settings.model.lr, settings.loop.ema_decay) == (1e-3, 0.9)
    assert (settings.data.every, settings.augment.blur) == (2, 0.0)
    for line, model, values in (
        ("unknown model 'vgg'", "vgg", {}),
        ("unknown setting 'learning_rate'", "resnet18", {"learning_rate": 1}),
        ("max_minutes is 'long'", "resnet18", {"max_minutes": "long"}),
    ):
        with pytest.raises(UserError, match=line):
            make_settings(model, values)
    with pytest.raises(UserError, match="not of the form"):
        parse_assignments(["lr"])


def test_setting_names_are_unique():
    kinds = [find_model(key).config for key in MODELS]
    shared = [LoopSettings, DataSettings, AugmentConfig]
    for kind in kinds:
        names = [field.name for part in (kind, *shared) for field in dataclasses.fields(part)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_configs_are_usable_and_name_only_what_differs(path):
    model = path.name.split("_")[0]
    values = read_config_file(path)
    settings, default = make_settings(model, values), make_settings(model, {})
    # A paper's file names all of its values; ours name what differs from the defaults.
    of_ours = path.stem.endswith(("_small", "_synthau"))
    for name in values if of_ours else ():
        parts = [(getattr(settings, p.name), getattr(default, p.name)) for p in dataclasses.fields(settings)]
        changed, before = next((c, d) for c, d in parts if hasattr(c, name))
        assert getattr(changed, name) != getattr(before, name), f"{name} is the default"
    for line in path.read_text().splitlines():
        assert line.startswith("#") or "  # " in line, f"no reason given: {line}"


def test_config_files_that_cannot_be_used_are_one_line(tmp_path):
    for name, text in (("list.yaml", "- 1"), ("broken.yaml", "a: [1"), ("empty.yaml", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=name):
            read_config_file(tmp_path / name)
    with pytest.raises(UserError, match="cannot read"):
        read_config_file(tmp_path / "none.yaml")


def test_hardware_that_is_not_there_is_one_line():
    with pytest.raises(UserError, match="unknown precision '8'"):
        make_fabric(Hardware(precision="8"))
    with pytest.raises(UserError, match="cannot be used"):
        make_fabric(Hardware(accelerator="quantum"))


def source(data: CropData, number: int = 0, **options) -> CropSource:
    config = find_model("resnet18").config(image_size=42, batch_size=8, landmark_branch=True)
    stage = find_model("resnet18").model(config, data.aus).stages()[number]
    return CropSource(data, stage, number, 42, 5, **options)


def test_batches_depend_on_seed_and_step_alone(training_crops):
    first, second = source(training_crops), source(training_crops)
    later = first.batches(0)
    for _ in range(3):
        next(later)
    assert torch.equal(next(later).image, second.batch(3).image)
    assert not torch.equal(second.batch(2).image, second.batch(3).image)


def test_processes_share_a_batch(training_crops):
    whole = source(training_crops).batch(4)
    parts = [source(training_crops, rank=rank, world_size=2).batch(4) for rank in (0, 1)]
    rows = torch.stack([part.au_intensity for part in parts], 1).flatten(0, 1)
    assert torch.equal(rows, whole.au_intensity)
    with pytest.raises(UserError, match="does not divide over 3 devices"):
        source(training_crops, world_size=3)


def test_the_landmark_stage_sees_valid_meshes_and_no_images(training_crops):
    meshes = source(training_crops, 1)
    batch = meshes.batch(0)
    assert batch.image.numel() == 0 and batch.mesh.shape == (8, 478, 3) and batch.mesh_valid.all()
    assert meshes.steps_per_epoch == int(training_crops.mesh_valid.sum()) // 8
    with pytest.raises(UserError, match="training data has none"):
        source(dataclasses.replace(training_crops, mesh=None, mesh_valid=None), 1)


def test_the_run_file_holds_the_settings(finished):
    out, _, settings, _ = finished
    written = json.loads((out / "run.json").read_text())
    assert written["loop"] == dataclasses.asdict(settings.loop)
    assert written["config"]["lr"] == 3e-3
