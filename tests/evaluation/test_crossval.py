"""Every fold of a protocol: trained once, resumed where it stopped, and scored together."""

import os
import signal
import threading

import numpy as np
import pytest
from random_crops import random_people

from actionunits.errors import UserError
from actionunits.evaluation import crossval, divisions
from actionunits.evaluation.crossval import Interrupted, System, cross_validate
from actionunits.evaluation.fold_scores import score_folds
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.settings import make_settings
from actionunits.training.source import CropSource

TINY = {
    "image_size": 42,
    "width": 4,
    "batch_size": 16,
    "epochs": 2,
    "lr": 3e-3,
    "optimizer": "adamw",
    "ema_decay": 0.9,
    "validate_every_epochs": 4,
    "erase": 0,
    "low_resolution": 0,
}


@pytest.fixture(scope="module")
def system():
    return System("resnet18", make_settings("resnet18", TINY))


@pytest.fixture(scope="module")
def protocol():
    return divisions.seeded_folds(random_people(), 2)


@pytest.fixture(scope="module")
def finished(fabric, system, protocol, tmp_path_factory):
    out = tmp_path_factory.mktemp("crossval") / "undisturbed"
    return out, cross_validate(system, protocol, out, fabric)


def test_every_subject_is_tested_once_and_never_seen_before(finished, protocol):
    out, outputs = finished
    tested = [name for fold in outputs for name in fold.frames.subject.present().names]
    assert sorted(tested) == sorted(random_people().subjects)
    for fold in outputs:
        used = fold.header["data"]
        seen = {*used["training_subjects"], *used["validation_subjects"]}
        assert not seen & set(fold.frames.subject.present().names)
        assert load_checkpoint(out / f"fold-{fold.name}" / "model.safetensors").header["data"]["fold"] == fold.name


def test_finished_folds_are_read_and_not_trained_again(finished, fabric, system, protocol, monkeypatch):
    out, outputs = finished
    monkeypatch.setattr(crossval, "run", None)
    monkeypatch.setattr(crossval, "predict", None)
    again = cross_validate(system, protocol, out, fabric)
    for before, now in zip(outputs, again, strict=True):
        assert np.array_equal(before.frames.au_prob, now.frames.au_prob)


class Killed(BaseException):
    """Stands for an end without warning."""


@pytest.mark.parametrize(("stop_at", "gently"), [(3, True), (6, True), (6, False)])
def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(
    finished, fabric, system, protocol, tmp_path, monkeypatch, stop_at, gently
):
    _, undisturbed = finished
    steps = 0
    forward = CropSource.batch

    def batch(self, step):
        nonlocal steps
        steps += 1
        if steps == stop_at:
            if not gently:
                raise Killed
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, step)

    monkeypatch.setattr(CropSource, "batch", batch)
    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(Interrupted if gently else Killed):
        cross_validate(system, protocol, tmp_path / "out", fabric)
    monkeypatch.setattr(CropSource, "batch", forward)
    resumed = cross_validate(system, protocol, tmp_path / "out", fabric)
    for before, now in zip(undisturbed, resumed, strict=True):
        assert np.array_equal(before.frames.au_prob, now.frames.au_prob)
        assert np.array_equal(before.frames.thresholds, now.frames.thresholds)


def test_a_run_killed_while_it_tests_is_tested_again(finished, fabric, system, protocol):
    out, outputs = finished
    (out / "fold-2" / crossval.PREDICTIONS_FILE).unlink()
    again = cross_validate(system, protocol, out, fabric)
    assert np.array_equal(again[1].frames.au_prob, outputs[1].frames.au_prob)


def test_a_folder_of_something_else_is_refused(finished, fabric, system, protocol, tmp_path):
    out, _ = finished
    other = System("resnet18", make_settings("resnet18", TINY | {"lr": 1e-3}))
    with pytest.raises(UserError, match=r"fold-1 holds a fold of another run \(model lr was 0\.003, is 0\.001\)"):
        cross_validate(other, protocol, out, fabric)
    relabelled = random_people()
    relabelled.au_present[:, 0] ^= 1
    with pytest.raises(UserError, match=r"fold of another run \(training labels was"):
        cross_validate(system, divisions.seeded_folds(relabelled, 2), out, fabric)
    with pytest.raises(
        UserError, match=r"holds another run \(division was 2 folds with seed 0, is 2 folds with seed 1\)"
    ):
        cross_validate(system, divisions.seeded_folds(random_people(), 2, (1,)), out, fabric)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="holds another run"):
        cross_validate(system, protocol, tmp_path, fabric)


def test_outputs_of_another_checkpoint_are_refused(finished, fabric, system, protocol):
    out, _ = finished
    first, second = (out / f"fold-{name}" / crossval.PREDICTIONS_FILE for name in "12")
    kept = second.read_bytes()
    second.write_bytes(first.read_bytes())
    with pytest.raises(UserError, match="of another checkpoint or other data"):
        cross_validate(system, protocol, out, fabric)
    second.write_bytes(kept)


def test_fine_tuning_starts_from_the_other_data_set(fabric, system, tmp_path):
    source = random_people(96, 4, "B", 2)
    protocol = divisions.transferred("finetune", source, divisions.seeded_folds(random_people(96, 4), 2))
    outputs = cross_validate(system, protocol, tmp_path / "out", fabric)
    start = load_checkpoint(tmp_path / "out" / "source" / "model.safetensors").header
    assert start["data"]["fold"] == "source"
    for fold in outputs:
        assert fold.header["data"]["started_from"]["sha256"] == start["sha256"]
        assert set(source.subjects) & set(fold.header["data"]["training_subjects"])


def test_folds_start_from_those_of_another_run(finished, fabric, protocol, tmp_path):
    out, outputs = finished
    system = System("resnet18", make_settings("resnet18", TINY | {"epochs": 1, "lr": 0.0}))
    again = cross_validate(system, protocol, tmp_path / "out", fabric, init=out)
    for before, now in zip(outputs, again, strict=True):
        assert now.header["data"]["started_from"]["sha256"] == before.header["sha256"]
    with pytest.raises(UserError, match=r"there is no .*fold-1.*name the folder of a finished run of the same folds"):
        cross_validate(system, protocol, tmp_path / "more", fabric, init=tmp_path)


def test_scores_of_folds_their_mean_and_pooled_frames(finished):
    _, outputs = finished
    table = score_folds(outputs, "validation", replicates=50)
    f1 = table.set_index(["fold", "au"])["f1"]
    for au in ("AU01", "AU04", "AU12"):
        assert f1["mean", au] == pytest.approx((f1["1", au] + f1["2", au]) / 2)
    frames = [fold.frames for fold in outputs]
    labels = [np.concatenate([getattr(f, name) for f in frames]) for name in ("au_present", "au_detected")]
    pooled = metrics.f1(*labels, np.concatenate([f.au_present_valid for f in frames]))
    assert f1["pooled"].to_numpy()[:3] == pytest.approx(pooled)
    average = table[table["au"] == "average"].set_index("fold")
    assert average.loc["mean", "f1"] == pytest.approx(f1["mean"].iloc[:3].mean())
    assert list(average["frames"]) == [80, 80, 160, 160] and list(average["subjects"]) == [4, 4, 8, 8]
    assert (average["f1_low"] <= average["f1"]).all() and (average["f1"] <= average["f1_high"]).all()


def test_the_threshold_rule_is_a_matter_of_scoring(finished):
    _, outputs = finished
    fixed = outputs[0].with_rule("0.5")
    assert (fixed.au_detected == (fixed.au_prob >= 0.5)).all()
    table = score_folds(outputs, "0.5", replicates=10)
    assert set(table["threshold_rule"]) == {"0.5"}
    assert set(table[(table["fold"] == "1") & (table["au"] != "average")]["threshold"]) == {0.5}
    with pytest.raises(UserError, match="unknown threshold 'best'"):
        crossval.read_threshold_rule("best")


def test_several_divisions_count_every_frame_once(fabric, system, tmp_path):
    protocol = divisions.seeded_folds(random_people(64, 4), 2, (0, 1))
    assert [fold.name for fold in protocol.folds] == ["seed0-1", "seed0-2", "seed1-1", "seed1-2"]
    table = score_folds(cross_validate(system, protocol, tmp_path / "out", fabric), "0.5", replicates=10)
    rows = table[table["au"] == "average"].set_index("fold")
    assert list(rows.index[4:]) == ["mean", "seed0-pooled", "seed1-pooled"]
    assert set(rows["frames"].iloc[4:]) == {64} and set(rows["subjects"].iloc[4:]) == {4}
    counts = table[table["au"] == "AU01"].set_index("fold")["n"]
    assert counts["mean"] == counts["seed0-pooled"]
