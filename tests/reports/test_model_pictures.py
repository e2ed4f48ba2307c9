"""Pictures of what a model holds: its relations, and its features on the plane of t-SNE."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_faces import write_drawn_dataset
from PIL import Image
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.reports.filters import Filters, filter_figure, first_filters
from actionunits.reports.relations import model_relation_figure
from actionunits.reports.tsne import embed, embedding_figure, lines, plane
from actionunits.training.checkpoint import save_checkpoint

AUS = (4, 12, 25)
SMALL = {
    "hog": {"image_size": 32},
    "resnet18": {"image_size": 32, "width": 2},
    "renet": {"image_size": 32, "width": 2, "relations": (1, 0.5, -0.2, 0.5, 1, 0.3, -0.2, 0.3, 1)},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "drawn"
    write_drawn_dataset(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A random model of each kind; the AUs of RE-Net see differently."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    found = {}
    for key, settings in SMALL.items():
        model = find_model(key).model(find_model(key).config(**settings), AUS)
        if key == "renet":
            torch.nn.init.normal_(model.norms.scale)
        found[key] = tmp_path_factory.mktemp(key) / "model.safetensors"
        save_checkpoint(found[key], model, {"data": {"names": ["drawn"], "training_subjects": ["X"]}})
    return found


def test_aus_of_renet_lie_differently_and_those_of_others_alike(data, checkpoints):
    layouts = {key: embed(path, [data], frames=24) for key, path in checkpoints.items()}
    for key, layout in layouts.items():
        points = layout.points[key]
        assert points.shape == (2, 24, 2) and layout.aus == (4, 12)  # of the paper's four
        assert np.array_equal(points[0], points[1]) == (key != "renet")
        assert np.isfinite(points).all()


def test_separate_features_come_out_separate():
    present = np.arange(60) % 2 == 0
    features = np.random.default_rng(0).normal(0, 1, (60, 8)) + 20 * present[:, None]
    (points,) = plane(features, 1, seed=0)
    gap = np.linalg.norm(points[present].mean(0) - points[~present].mean(0))
    assert gap > 2 * max(points[present].std(), points[~present].std())


def test_a_panel_counts_known_frames_alone(data, checkpoints):
    layout = embed(checkpoints["resnet18"], [data], (25,), frames=30)
    layout.au_present_valid[:10] = False
    (panel,) = embedding_figure(layout).axes
    assert sum(len(points.get_offsets()) for points in panel.collections) == len(layout.au_present) - 10
    share = layout.au_present[10:, 0].mean()
    assert f"{100 * share:.0f}% present" in panel.get_title(loc="left")


def test_hand_made_features_have_a_column_each(data, checkpoints):
    layout = embed(checkpoints["resnet18"], [data], (4, 12), frames=30, hand_made=True)
    assert list(layout.points) == ["shape", "Gabor", "HOG", "resnet18"]
    panels = embedding_figure(layout, people=True).axes
    assert len(panels) == 4 * 3
    titles = [panel.get_title(loc="left") for panel in panels[-4:]]
    assert titles == [f"{name}: 3 people" for name in ("shape", "Gabor", "HOG", "resnet18")]
    alone = embed(checkpoints["hog"], [data], (4, 12), frames=30)
    # The same crops, the same features.
    np.testing.assert_array_equal(layout.same_au["HOG"], alone.same_au["hog"])
    assert lines(alone) == [lines(layout)[2].replace("HOG     ", "hog")]
    assert "person" not in lines(alone)[0]  # each has one clip


def test_commands_write_pictures(data, checkpoints, tmp_path):
    for words in (
        ("tsne", checkpoints["renet"], "--data", data, "--aus", "25", "--frames", "12", "--out", tmp_path / "a.png"),
        ("tsne", checkpoints["hog"], "--data", data, "--aus", "25", "--people", "--out", tmp_path / "p.jpg"),
        ("tsne", checkpoints["hog"], "--data", data, "--aus", "25", "--hand-made", "--out", tmp_path / "h.png"),
        ("divergence", "--checkpoint", checkpoints["hog"], "--data", data, "--out", tmp_path / "d.png"),
        ("relations", checkpoints["renet"], "--out", tmp_path / "b.png"),
    ):
        result = CliRunner().invoke(app, ["report", *map(str, words)])
        assert result.exit_code == 0, result.output
        with Image.open(words[-1]) as picture:
            assert min(picture.size) > 200
    relations = ["report", "relations", str(checkpoints["renet"]), "--out"]
    assert CliRunner().invoke(app, [*relations, str(tmp_path / "b.svg")]).exit_code == 0
    assert "AU12</text>" in (tmp_path / "b.svg").read_text()
    assert isinstance(CliRunner().invoke(app, [*relations, str(tmp_path / "b.gif")]).exception, UserError)


def test_first_filters_are_drawn_strongest_first(checkpoints, tmp_path):
    f = first_filters(checkpoints["resnet18"])
    assert f.weights.shape == (2, 7, 7, 3) and f.model == "resnet18"
    weak, strong = 0.1 * f.weights[:1], np.full_like(f.weights[:1], -2.0)
    shown = [
        panel.get_images()[0].get_array() for panel in filter_figure(Filters("m", np.vstack([weak, strong]))).axes
    ]
    assert (shown[0] == 0).all() and np.ptp(shown[1]) > 0.5
    words = ["report", "filters", str(checkpoints["renet"]), "--out", str(tmp_path / "a.png")]
    assert CliRunner().invoke(app, words).exit_code == 0 and (tmp_path / "a.png").is_file()


def test_a_person_panel_has_as_many_colours_as_can_be_told_apart(data, checkpoints):
    e = embed(checkpoints["resnet18"], [data], (4,), frames=24)
    many = replace(e, subject=np.arange(24) // 2)
    *_, panel = embedding_figure(many, people=True).axes
    assert panel.get_title("left") == "12 people, 7 of them in colour"
    assert [len(points.get_offsets()) for points in panel.collections] == [10] + 7 * [2]
    colours = {tuple(points.get_facecolor()[0]) for points in panel.collections}
    assert len(colours) == 8


def test_what_cannot_be_drawn_is_one_line(data, checkpoints):
    with pytest.raises(UserError, match="no convolution reads the picture"):
        first_filters(checkpoints["hog"])
    with pytest.raises(UserError, match="does not know AU06"):
        embed(checkpoints["renet"], [data], (6,))
    with pytest.raises(UserError, match="5 frames are too few"):
        embed(checkpoints["renet"], [data], frames=5)
    with pytest.raises(UserError, match="only RE-Net has relations"):
        model_relation_figure(checkpoints["hog"])
