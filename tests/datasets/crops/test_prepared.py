"""Prepared folders are mapped, joined with others, made smaller once, and refused when they are damaged."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_faces import write_drawn_dataset
from drawn_recordings import AUS, drawn_recording, inventory, unlabelled

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops import crop_files
from actionunits.datasets.crops.load import coded_aus, load_data, load_labels, subject_names
from actionunits.datasets.crops.prepare import prepare
from actionunits.errors import UserError
from actionunits.evaluation.protocols import evaluate_checkpoint
from actionunits.models import find_model
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.data import check_data, load_training_data
from actionunits.training.settings import make_settings


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    first = drawn_recording(folder, "F001", frames=7, anchor=2, lost={3: "known bad landmarks"})
    return [first, drawn_recording(folder, "M002", "T4", frames=5, seed=1)]


@pytest.fixture(scope="module")
def made(recordings, tmp_path_factory):
    return prepare(inventory(*recordings), tmp_path_factory.mktemp("prepared") / "bp4d", workers=1).folder


def test_faces_aligned_and_not_are_kept_apart(made, recordings, tmp_path):
    boxes = prepare(inventory(*recordings), tmp_path / "boxes", workers=1, align=False).folder
    with pytest.raises(UserError, match="different aligned cannot be joined"):
        load_data([made, boxes], 128)
    aligned, box = load_data(made, 128), load_data(boxes, 128)
    one, other = (f"bp4d/{name}" for name in ("F001", "M002"))
    with pytest.raises(UserError, match="aligned in one of"):
        check_data(aligned.of_subjects([one]), box.of_subjects([other]))
    entry = find_model("resnet18")
    model = entry.model(entry.config(image_size=112, width=2), AUS)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, {"data": {"training_subjects": [], "aligned": False}})
    assert evaluate_checkpoint(path, [boxes], replicates=2)[0].frames == len(box)
    with pytest.raises(UserError, match="trained on faces that are not aligned, and these are aligned"):
        evaluate_checkpoint(path, [made], replicates=2)


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def test_rows_carry_the_labels_people_and_crops_of_the_recordings(made, recordings):
    data = load_data(made, 128)
    kept = [np.array([0, 1, 2, 4, 5, 6]), np.arange(5)]
    assert data.aus == AUS == coded_aus(made)
    assert [data.subjects[s] for s in data.subject] == ["bp4d/F001"] * 6 + ["bp4d/M002"] * 5
    assert subject_names(made) == ["bp4d/F001", "bp4d/M002"]
    assert [data.clips[c].rsplit("/", 1)[1] for c in data.clip[[0, -1]]] == ["F001_T1.npy", "M002_T4.npy"]
    for name in ("au_present_valid", "au_intensity_valid", "frame"):
        expected = np.concatenate([getattr(r, name)[k] for r, k in zip(recordings, kept, strict=True)])
        np.testing.assert_array_equal(getattr(data, name), expected)
    for name in ("au_present", "au_intensity"):
        expected = np.concatenate([getattr(r, name)[k] for r, k in zip(recordings, kept, strict=True)])
        known = getattr(data, f"{name}_valid")
        np.testing.assert_allclose(getattr(data, name)[known], expected[known])
    stored = np.concatenate([np.load(made / f"crops/{name}.npy") for name in ("F001_T1", "M002_T4")])
    np.testing.assert_array_equal(np.asarray(data.images), stored)
    np.testing.assert_array_equal(data.images[np.array([9, 0, 3])], stored[[9, 0, 3]])


def test_anchors_and_landmarks_belong_to_the_rows(made):
    data = load_data(made, 128)
    stored = np.asarray(data.images)
    np.testing.assert_array_equal(np.asarray(data.anchor), stored[[2] * 6 + [6] * 5])
    eyes = data.landmarks[:, 36:48].mean((1, 2))
    assert data.landmarks.shape == (11, 68, 2) and (np.abs(eyes - 0.43) < 0.05).all()
    few = load_data(made, 128, every=3)
    assert few.frame.tolist() == [100, 104, 100, 103]
    np.testing.assert_array_equal(np.asarray(few.anchor), stored[[2, 2, 6, 6]])  # although row 2 itself is left out


def test_no_crop_is_read_before_it_is_asked_for(made, monkeypatch):
    opened = []
    real = crop_files._mapped
    monkeypatch.setattr(crop_files, "_mapped", lambda path: opened.append(path.name) or real(path))
    data = load_data(made, 128).subset(np.arange(6))
    assert opened == []
    _ = data.batch(np.array([1]))
    assert set(opened) == {"F001_T1.npy"}


def test_some_people_some_aus(made):
    data = load_data(made, 128, subjects=["bp4d/M002"], aus=(25, 2, 1))
    assert len(data) == 5 and data.aus == (25, 2, 1)
    whole = load_data(made, 128)
    np.testing.assert_array_equal(data.au_present_valid[:, [0, 2]], whole.au_present_valid[6:, [2, 0]])
    assert not data.au_present_valid[:, 1].any() and not data.au_intensity_valid[:, 1].any()
    with pytest.raises(UserError, match="subject bp4d/F9 is not in the data"):
        load_data(made, 128, subjects=["bp4d/F9"])


def test_larger_crops_are_made_smaller_once(copied, monkeypatch):
    whole = np.asarray(load_data(copied, 128).images)
    data = load_data(copied, 64)
    np.testing.assert_array_equal(data.images[4], cv2.resize(whole[4], (64, 64), interpolation=cv2.INTER_AREA))
    assert data.anchor.shape == (11, 64, 64, 3)
    np.testing.assert_allclose(data.landmarks, load_data(copied, 128).landmarks)
    made = sorted(p.stat().st_mtime_ns for p in (copied / ".crops").rglob("*.npy"))
    monkeypatch.setattr(cv2, "resize", None)
    again = load_data(copied, 64, every=2)
    assert sorted(p.stat().st_mtime_ns for p in (copied / ".crops").rglob("*.npy")) == made
    np.testing.assert_array_equal(np.asarray(again.images), np.asarray(data.images)[[0, 2, 4, 6, 8, 10]])


def test_smaller_crops_are_refused_with_the_option_that_helps(made):
    with pytest.raises(UserError, match="crops of 112 pixels, and 224 are wanted: prepare it again with --size 224"):
        load_data(made, 256)


def test_renders_and_prepared_folders_load_together(made, tmp_path):
    write_drawn_dataset(tmp_path / "drawn", subjects=2, frames=4)
    data = load_data([made, tmp_path / "drawn"], 128)
    assert data.aus == tuple(sorted(SYNTH_AUS)) and len(data) == 11 + 8
    assert data.subjects == ("bp4d/F001", "bp4d/M002", "drawn-5/S0001", "drawn-5/S0002")
    uncoded = [k for k, au in enumerate(data.aus) if au not in AUS]
    assert not data.au_present_valid[:11, uncoded].any() and data.au_present_valid[11:].all()
    only = load_data([made, tmp_path / "drawn"], 128, aus=AUS)
    assert only.aus == AUS and only.images.shape == (19, 128, 128, 3)
    np.testing.assert_array_equal(only.images[12], load_data(tmp_path / "drawn", 128).images[1])


def test_videos_without_labels_load_with_no_action_unit(recordings, tmp_path):
    bare = [unlabelled(r) for r in recordings]
    folder = prepare(inventory(*bare, dataset="videos"), tmp_path / "videos", workers=1).folder
    data = load_data(folder, 128)
    assert coded_aus(folder) == data.aus == () and data.au_present.shape == (11, 0)
    batch = data.subset(np.arange(2)).batch([0, 1])
    assert batch.image.shape == (2, 3, 128, 128) and batch.au_present.shape == (2, 0)
    assert load_labels(folder).names == ("videos",)


def test_training_and_validation_may_code_different_action_units_but_share_some(made, tmp_path):
    write_drawn_dataset(tmp_path / "drawn", subjects=2, frames=4)
    settings = make_settings("resnet18", {"image_size": 112})
    training, validation = load_training_data([made], [tmp_path / "drawn"], settings, progress=False)
    assert training.aus == validation.aus == AUS and validation.au_present_valid.all()
    training, validation = load_training_data([tmp_path / "drawn"], [made], settings, progress=False)
    assert validation.aus == training.aus == SYNTH_AUS
    other = [replace(r, aus=(11, 13, 16)) for r in (drawn_recording(tmp_path / "in", "F009"),)]
    folder = prepare(inventory(*other), tmp_path / "other", workers=1).folder
    with pytest.raises(UserError, match="have no action unit in common"):
        load_training_data([made], [folder], settings, progress=False)


def test_a_checkpoint_is_evaluated_on_a_prepared_folder(made, tmp_path):
    entry, trained_on = find_model("resnet18"), {"training_subjects": ["bp4d/F002"]}
    save_checkpoint(
        tmp_path / "m.safetensors", entry.model(entry.config(width=4, image_size=64), (5, 25)), {"data": trained_on}
    )
    result, _ = evaluate_checkpoint(tmp_path / "m.safetensors", [made], device="cpu", replicates=20, cache=tmp_path)
    assert (result.data, result.frames, result.subjects) == ("bp4d", 11, 2)
    counts = dict(zip(result.table["au"], result.table["n"], strict=True))
    assert counts["AU25"] == load_data(made, 128).au_present_valid[:, 2].sum() and counts["AU05"] == 0


def damage_card(folder, **changes):
    card = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(card | changes))


def edit_frames(folder, change):
    path = folder / "frames.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "crops/M002_T4.npy").unlink(), "M002_T4.npy is missing"),
        (lambda f: (f / "crops/M002_T4.npy").write_bytes(b"\0" * 999), "does not hold 5 rows"),
        (lambda f: (f / "frames.parquet").write_bytes(b"PAR1"), "frames.parquet is damaged"),
        (lambda f: (f / "dataset.json").write_text("{"), "dataset.json is damaged"),
        (lambda f: damage_card(f, format=99), "written by another version"),
        (lambda f: (f / "dataset.json").unlink(), "it has no dataset.json; make one with"),
        (lambda f: damage_card(f, aus=[1, 2]), "lacks the columns AU02"),
        (lambda f: damage_card(f, aus="12"), "dataset.json: aus is '12'; it must be a list"),
        (lambda f: damage_card(f, aus=["AU12"]), "aus 0 is 'AU12'; it must be a whole number"),
        (lambda f: damage_card(f, crop_size="big"), "crop_size is 'big'; it must be a whole number"),
        (lambda f: damage_card(f, crop_size=10**9), "crop_size is 1000000000; it must be at most 8,192"),
        (lambda f: (f / "dataset.json").write_text("[" * 100_000), "dataset.json is damaged: it is not JSON"),
        (lambda f: edit_frames(f, lambda t: t.assign(crops="../../x.npy")), "lies outside its folder"),
        (lambda f: edit_frames(f, lambda t: t.assign(AU12="much")), "AU12 holds .*string where numbers must be"),
        (lambda f: edit_frames(f, lambda t: t.assign(AU12_valid=0.5)), "AU12_valid holds double where true or false"),
        (lambda f: edit_frames(f, lambda t: t.assign(row=10**9)), "row holds 1000000000, which cannot be"),
        (lambda f: damage_card(f, occurrence_level=None), "occurrence_level is empty; it must be a number"),
        (lambda f: (f / "frames.parquet").unlink(), "frames.parquet is missing"),
        (lambda f: edit_frames(f, lambda t: t.iloc[:0]), "holds no frame"),
        (lambda f: edit_frames(f, lambda t: t.assign(row=t["row"] - 1)), "named twice, or below 0"),
        (lambda f: edit_frames(f, lambda t: pd.concat([t, t.iloc[:2]])), "named twice"),
    ],
)
def test_damaged_folders_are_told_in_one_line(copied, damage, message):
    damage(copied)
    with pytest.raises(UserError, match=message) as caught:
        load_data(copied, 128)
    assert "\n" not in str(caught.value)


def test_an_unfinished_folder_says_how_to_go_on(recordings, tmp_path):
    def interrupt(done, total):
        if done > 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(inventory(*recordings), tmp_path / "out", workers=1, on_progress=interrupt)
    with pytest.raises(UserError, match="not complete; run the same `actionunits prepare` command again"):
        load_data(tmp_path / "out", 128)


def test_a_folder_that_is_named_twice_is_refused(made):
    with pytest.raises(UserError, match=r"named twice .*; its frames would count twice"):
        load_data([made, made / ".." / made.name], 128)


def test_data_of_two_occurrence_levels_says_how_to_make_them_one(made, tmp_path):
    other = replace(inventory(drawn_recording(tmp_path / "in", "SN001")), dataset="disfa", occurrence_level=2.0)
    folder = prepare(other, tmp_path / "disfa", workers=1).folder
    with pytest.raises(UserError, match=r"disfa has 2\.0; prepare one of them again with another --level"):
        load_data([made, folder], 128)
