"""A frozen network with a probe: weights of files and checkpoints, and what is left alone."""

import pytest
import torch
from random_crops import random_people

from actionunits.errors import UserError
from actionunits.evaluation import probe as probing
from actionunits.evaluation import questions
from actionunits.evaluation.result_rows import Request
from actionunits.models import find_model
from actionunits.models.frozen import Frozen, FrozenConfig
from actionunits.models.layers.resnet import ResNet18Body
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.start import refuse_untrained


def test_without_weights_it_is_not_trained():
    model = Frozen(FrozenConfig(image_size=32, width=2), (1, 4))
    with pytest.raises(UserError, match="give --imagenet FILE"):
        refuse_untrained(model)
    assert [stage.parameters for stage in model.stages()] == [("probe.",)]
    with pytest.raises(UserError, match="network is 'alexnet'; it must be one of resnet18, vgg19"):
        FrozenConfig(network="alexnet")


def test_vgg_is_read_at_its_first_dense_layer():
    model = Frozen(FrozenConfig(network="vgg19", image_size=32, width=2), (1, 4))
    assert model.probe.weight.shape == (2, 128)


def test_a_probe_reads_weights_of_a_file_and_of_a_checkpoint(tmp_path, monkeypatch):
    data = random_people(160, 8, "P", 3)
    monkeypatch.setattr(questions, "load_data", lambda *args, **options: data)
    monkeypatch.setattr(questions, "common_aus", lambda folders: data.aus)
    monkeypatch.setattr(questions, "dataset_card", lambda folder: {"name": "random", "facekit": "none"})
    torch.manual_seed(0)
    entry = find_model("resnet18")
    detector = entry.model(entry.config(image_size=32, width=2, magnification=1.3), (1, 12))
    save_checkpoint(tmp_path / "detector.safetensors", detector, {"data": {"training_subjects": ["others/a"]}})
    own = probing.backbone_checkpoint("resnet18", str(tmp_path / "detector.safetensors"), tmp_path / "own")
    loaded = load_checkpoint(own)
    assert (loaded.model.config.image_size, loaded.model.config.magnification) == (32, 1.3)
    for name, value in detector.resnet_body().items():
        assert torch.equal(loaded.model.body.state_dict()[name], value)
    rows = probing.probe("folds", Request((tmp_path / "data",), tmp_path / "out", folds="2", init=own))
    assert set(rows["model"]) == {"frozen"} and rows["auc"].notna().any()
    fold = load_checkpoint(tmp_path / "out" / "labels-100%" / "fold-1" / "model.safetensors")
    assert "others/a" in fold.header["data"]["training_subjects"]
    for name, value in fold.model.body.state_dict().items():
        assert torch.equal(value, loaded.model.body.state_dict()[name])
    torch.save(ResNet18Body(64).state_dict(), tmp_path / "imagenet.pth")
    given = probing.backbone_checkpoint("resnet18", str(tmp_path / "imagenet.pth"), tmp_path / "imagenet")
    assert load_checkpoint(given).header["data"] == {"names": ["imagenet"], "training_subjects": []}
    with pytest.raises(UserError, match="these are not weights of a VGG-19"):
        probing.backbone_checkpoint("vgg19", str(tmp_path / "imagenet.pth"), tmp_path / "vgg")
