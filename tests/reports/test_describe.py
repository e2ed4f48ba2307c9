"""Data folders described: numbers against the labels, the relation matrix, pictures that hold what they should."""

import numpy as np
import pandas as pd
import pytest
from drawn_faces import write_drawn_dataset
from drawn_recordings import drawn_recording, inventory, unlabelled
from PIL import Image
from rich.console import Console

from actionunits.datasets.crops.load import load_data
from actionunits.datasets.crops.prepare import prepare
from actionunits.reports.describe import describe, draw_description, print_description
from actionunits.reports.relations import matrix_figure
from actionunits.scores.relations import relation_matrix


def printed(description):
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_description(description, console)
    return console.export_text()


@pytest.fixture
def made(tmp_path):
    recordings = [
        drawn_recording(
            tmp_path / "in", "F001", frames=20, lost={4: "known bad landmarks", 5: "known bad landmarks"}
        ),
        drawn_recording(tmp_path / "in", "M002", frames=9),
        drawn_recording(tmp_path / "in", "M002", "T2", frames=30),
    ]
    return prepare(inventory(*recordings), tmp_path / "bp4d", workers=1).folder


def test_relations_are_correlations_over_frames_where_both_are_known():
    rng = np.random.default_rng(0)
    label = (rng.random((300, 5)) < 0.3) * rng.integers(1, 6, (300, 5))
    label[:, 1] = np.where(rng.random(300) < 0.8, label[:, 0], label[:, 1])
    label[:, 4] = 3  # never changes
    valid = rng.random((300, 5)) < 0.7
    wild = np.where(valid, label, 250)
    relation = relation_matrix(wild, valid)
    np.testing.assert_allclose(relation, relation.T)
    np.testing.assert_array_equal(np.diag(relation), 1)
    for i in range(4):
        for j in range(i):
            both = valid[:, i] & valid[:, j]
            assert relation[i, j] == pytest.approx(np.corrcoef(label[both, i], label[both, j])[0, 1], abs=1e-12)
    assert np.isnan(relation[4, :4]).all() and np.isnan(relation[:4, 4]).all()


def test_relations_of_aus_that_are_never_coded_together_do_not_exist():
    label = np.array([[0, 1], [1, 0], [0, 1], [1, 0]])
    valid = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], bool)
    relation = relation_matrix(label, valid)  # one frame in common says nothing
    assert np.isnan(relation[0, 1]) and relation[0, 0] == relation[1, 1] == 1
    assert relation_matrix(np.zeros((9, 0)), np.zeros((9, 0), bool)).shape == (0, 0)


def test_a_description_counts_what_the_labels_say(made):
    description = describe(made)
    data = load_data(made, 128)
    known = data.au_present_valid
    rate = [data.au_present[known[:, k], k].mean() for k in range(3)]
    np.testing.assert_allclose(description.occurrence["rate"], rate)
    np.testing.assert_array_equal(description.occurrence["known"], known.sum(0))
    assert description.subjects.to_dict("list") == {
        "subject": ["bp4d/F001", "bp4d/M002"],
        "sequences": [1, 2],
        "frames": [18, 39],
    }
    assert description.sequence_frames.tolist() == [18, 9, 30] and description.lost == {"known bad landmarks": 2}
    text = printed(description)
    assert "bp4d: 57 frames, 2 people, 3 sequences" in text and "AU12 lip corner puller" in text
    assert "lost when it was prepared: 2 known bad landmarks" in text


def test_renders_and_unlabelled_videos_are_described_too(tmp_path):
    table = write_drawn_dataset(tmp_path / "drawn", subjects=2, frames=5)
    description = describe(tmp_path / "drawn")
    assert len(description.occurrence) == 18
    expected = pd.DataFrame({"a": table["AU25"], "b": table["AU12"]}).corr().iloc[0, 1]
    names = description.occurrence["au"].tolist()
    assert description.relation[names.index("AU25"), names.index("AU12")] == pytest.approx(expected, nan_ok=True)
    recording = unlabelled(drawn_recording(tmp_path / "in", "F001", frames=3))
    folder = prepare(inventory(recording, dataset="videos"), tmp_path / "videos", workers=1).folder
    assert "no action unit is coded" in printed(describe(folder))
    assert [p.name for p in draw_description(describe(folder), tmp_path / "p")] == ["sequences.png"]


def test_pictures_show_the_numbers(made, tmp_path):
    paths = draw_description(describe(made), tmp_path / "pictures")
    assert [p.name for p in paths] == ["occurrence.png", "relations.png", "sequences.png"]
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        blue = (np.abs(pixels - [0, 114, 178]).sum(-1) < 12).mean()
        vermillion = (np.abs(pixels - [213, 94, 0]).sum(-1) < 12).mean()
        if path.name == "relations.png":
            assert vermillion > 0.02  # the diagonal
        else:
            assert blue > 0.05  # the bars


@pytest.mark.parametrize("count", [2, 5, 12, 15, 34])
def test_nothing_of_a_relation_matrix_lies_outside_its_picture(count):
    relation = np.full((count, count), 0.5)
    relation[0, 1] = np.nan
    note = "grey: an AU that never changes over the frames where both are coded"
    figure = matrix_figure([f"AU{k:02d}" for k in range(count)], relation, "Relations in bp4d", "correlation", note)
    figure.canvas.draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
