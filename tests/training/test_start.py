"""Runs that start from the weights of another."""

import numpy as np
import pytest
import torch
from random_crops import random_crops
from safetensors.torch import save_file

from actionunits.errors import UserError
from actionunits.files import file_sha256
from actionunits.models import find_model
from actionunits.models.layers.resnet import ResNet18Body
from actionunits.models.layers.vgg import Vgg19Body
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run import run
from actionunits.training.settings import make_settings
from actionunits.training.start import start_from, start_from_imagenet

QUICK = {"image_size": 42, "width": 4, "batch_size": 16, "epochs": 1, "erase": 0, "ema_decay": 0.5}


def write(path, aus=(1, 4, 12), width=4, **header):
    entry = find_model("resnet18")
    model = entry.model(entry.config(image_size=42, width=width), aus)
    save_checkpoint(path, model, {"data": {"names": ["first"], "training_subjects": ["Z0"]}} | header)
    return path


def small(width=4, aus=(1, 4, 12)):
    entry = find_model("resnet18")
    return entry.model(entry.config(image_size=42, width=width), aus)


def test_weights_that_cannot_start_a_model_are_refused(tmp_path):
    path = write(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="this model needs"):
        start_from(small(width=8), path)
    with pytest.raises(UserError, match="no action unit in common"):
        start_from(small(aus=(2, 5)), path)


def test_a_started_run_has_seen_everybody_of_the_first(tmp_path):
    torch.set_num_threads(1)
    path = write(tmp_path / "first.safetensors")
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    training, validation = random_crops(64, "A", 1), random_crops(32, "B", 2)
    settings = make_settings("resnet18", QUICK | {"lr": 0.0})
    out = tmp_path / "run"
    run("resnet18", settings, training, validation, out, fabric, init=path, fold="1 of 3")
    started = load_checkpoint(out / "model.safetensors")
    assert started.header["data"]["training_subjects"] == ["A0", "A1", "A2", "A3", "Z0"]
    assert started.header["data"]["started_from"]["names"] == ["first"]
    assert started.header["data"]["fold"] == "1 of 3"
    # With a rate of zero the weights are the first run's.
    first = load_checkpoint(path).model.state_dict()
    for name, value in started.model.named_parameters():
        np.testing.assert_allclose(value.detach(), first[name], atol=1e-7)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        (
            {"magnification": 1.5},
            "magnification=1.0, this run shows them with magnification=1.5; --set magnification=1.0 fits",
        ),
        ({"image_size": 56}, "image_size=42, this run shows them with image_size=56; --set image_size=42 fits"),
    ],
)
def test_a_start_from_faces_of_another_size_is_told(tmp_path, capsys, changed, told):
    torch.set_num_threads(1)
    path = write(tmp_path / "first.safetensors")
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    training, validation = random_crops(32, "A", 1, size=64), random_crops(32, "B", 2, size=64)
    run(
        "resnet18",
        make_settings("resnet18", QUICK | changed),
        training,
        validation,
        tmp_path / "run",
        fabric,
        init=path,
    )
    lines = [line for line in capsys.readouterr().err.splitlines() if "has learned faces with" in line]
    assert len(lines) == bool(told) and all(line.endswith(told) for line in lines)


def test_nobody_validates_who_was_trained_on_before(tmp_path):
    path = write(tmp_path / "first.safetensors", data={"names": [], "training_subjects": ["B1"]})
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    with pytest.raises(UserError, match="was trained on subject B1"):
        run(
            "resnet18",
            make_settings("resnet18", QUICK),
            random_crops(64, "A", 1),
            random_crops(32, "B", 2),
            tmp_path / "run",
            fabric,
            init=path,
        )


def test_a_body_alone_leaves_the_output_layers_at_their_random_start(tmp_path):
    path = write(tmp_path / "first.safetensors")
    first, model = load_checkpoint(path).model.state_dict(), small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_from(model, path, body_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name] if ".head." in name else first[name]), name
    config = find_model("renet").config(image_size=42, width=4, relations=(1.0, 0.0, 0.0, 1.0))
    save_checkpoint(tmp_path / "renet.safetensors", find_model("renet").model(config, (1, 4)), {"data": {}})
    with pytest.raises(UserError, match="init_body_only wants a resnet18"):
        start_from(small(), tmp_path / "renet.safetensors", body_only=True)


def test_a_model_without_action_units_gives_all_but_the_probe(tmp_path):
    settings = {"image_size": 32, "width": 2, "embedding": 8}
    entry = find_model("tcae")
    unlabelled, labelled = entry.model(entry.config(**settings), ()), entry.model(entry.config(**settings), (1, 4))
    save_checkpoint(tmp_path / "model.safetensors", unlabelled, {})
    probe = labelled.probe.weight.detach().clone()
    start_from(labelled, tmp_path / "model.safetensors")
    for name, value in unlabelled.state_dict().items():
        if name not in ("probe.weight", "probe.intercept"):
            assert torch.equal(labelled.state_dict()[name], value), name
    assert torch.equal(labelled.probe.weight, probe)


# Official ImageNet weights

TINY_NET = {"image_size": 42, "width": 2, "epochs": 1, "batch_size": 16, "lr": 0.0, "validate_every_epochs": 9}


def body_weights(model, width=2, seed=3):
    """Weights of a body as torchvision names them, with the classifier that no model here has."""
    torch.manual_seed(seed)
    body = Vgg19Body(width) if model == "eacnet" else ResNet18Body(width)
    return body.state_dict() | {"fc.weight": torch.zeros(1000, 8), "classifier.6.bias": torch.zeros(1000)}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("model", "body"), [("eacnet", "vgg."), ("resnet18", "image.body.")])
def test_a_run_starts_from_official_weights(tmp_path, model, body, suffix):
    torch.set_num_threads(1)
    weights, path = body_weights(model), tmp_path / f"imagenet{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, path)
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    training, validation = (random_crops(32, name, k, points=True) for k, name in enumerate("AB"))
    settings = make_settings(model, TINY_NET)
    run(model, settings, training, validation, tmp_path / "run", fabric, imagenet=path)
    done = load_checkpoint(tmp_path / "run" / "model.safetensors")
    # With a rate of zero the weights stay.
    for name, value in done.model.named_parameters():
        if name.startswith(body):
            torch.testing.assert_close(value.detach(), weights[name.removeprefix(body)])
    assert done.header["data"]["imagenet"] == file_sha256(path)


def test_every_normalisation_of_renet_takes_the_official_weights():
    entry = find_model("renet")
    model = entry.model(entry.config(width=2, relations=(1.0, 0.2, 0.2, 1.0)), (1, 2))
    weights = body_weights("renet")
    model.take_body(weights)
    torch.testing.assert_close(model.body.conv1.weight.detach(), weights["conv1.weight"])


class Payload:
    """What would run if a file were unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code of the file was run')",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"not a file of weights", "no readable file of weights"),
        (Payload(), "no readable file of weights"),
        ([torch.zeros(2)], "holds no state dict"),
        ({"state_dict": {"conv1.weight": torch.zeros(2)}}, "holds no state dict"),
        ({"conv1.weight": torch.zeros(2)}, "not weights of a VGG-19: 34 are missing"),
        (body_weights("eacnet", width=4), r"has shape \(4, 3, 3, 3\), the model wants \(2, 3, 3, 3\)"),
    ],
)
def test_other_files_are_refused_in_one_line_and_run_no_code(tmp_path, content, message):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    entry = find_model("eacnet")
    with pytest.raises(UserError, match=f"weights.pth: .*{message}") as told:
        start_from_imagenet(entry.model(entry.config(width=2), (1, 2)), path)
    assert "\n" not in str(told.value)


def test_a_model_without_such_a_body_is_refused(tmp_path):
    entry = find_model("hog")
    with pytest.raises(UserError, match=r"these have: .*eacnet.*resnet18"):
        start_from_imagenet(entry.model(entry.config(), (1, 2)), tmp_path / "any.pth")


def test_layers_that_would_stay_random_are_refused(tmp_path):
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    data = [random_crops(32, name, k, points=True) for k, name in enumerate("AB")]
    with pytest.raises(UserError, match=r"vgg\.features\.0\.weight and 7 more are trained in no stage"):
        run("eacnet", make_settings("eacnet", TINY_NET | {"freeze": True}), *data, tmp_path / "run", fabric)


# One network after the other


def networks(*variants):
    entry = find_model("eacnet")
    return [entry.model(entry.config(width=2, variant=name, crop_units=4), (1, 4)) for name in variants]


@pytest.mark.parametrize(
    ("first", "then", "stages"),
    [
        ("fvgg", "enet", ["enet"]),
        ("fvgg", "eacnet", ["enet", "eacnet"]),
        ("enet", "eacnet", ["eacnet"]),
        ("eacnet", "eacnet", ["eacnet"]),
    ],
)
def test_a_recipe_goes_on_where_the_start_ended(tmp_path, first, then, stages):
    earlier, later = networks(first, then)
    save_checkpoint(tmp_path / "a.safetensors", earlier, {"data": {}})
    before = {name: value.clone() for name, value in later.state_dict().items()}
    start_from(later, tmp_path / "a.safetensors")
    assert [stage.name for stage in later.stages()] == stages
    given = load_checkpoint(tmp_path / "a.safetensors").model.state_dict()
    for name, value in later.state_dict().items():
        assert torch.equal(value, given.get(name, before[name])), name
