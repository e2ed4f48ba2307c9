import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from drawn_predictions import drawn_predictions, labelled_rows
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.errors import UserError
from actionunits.evaluation import compare as comparing
from actionunits.evaluation.compare import MEAN, bootstrap_p, compare, sign_flip_p
from actionunits.evaluation.predictions import write_predictions
from actionunits.evaluation.protocols import score_frames
from actionunits.scores import metrics


def of_mean(result, metric):
    return result.table[(result.table["metric"] == metric) & (result.table["au"] == MEAN)].iloc[0]


def test_scores_and_differences_are_those_of_an_evaluation():
    a, b = drawn_predictions(noise=1.0), drawn_predictions(noise=2.0, seed=1)
    result = compare(a, b, replicates=100)
    own, other = score_frames(a, 5), score_frames(b, 5)
    for metric in ("f1", "f1_event", "auc", "icc", "mae"):
        rows = result.table[result.table["metric"] == metric]
        np.testing.assert_allclose(rows["a"][:-1], own.table[metric])
        np.testing.assert_allclose(rows["b"][:-1], other.table[metric])
        assert of_mean(result, metric)["difference"] == pytest.approx(own.means[metric] - other.means[metric])
        assert list(rows["au"]) == ["AU01", "AU04", "AU12", MEAN]
    assert result.subjects == 8 and result.frames == 480 and result.names == ("noise 1", "noise 2")


def test_a_clear_difference_is_found_and_none_is_not():
    better, worse = drawn_predictions(noise=0.7), drawn_predictions(noise=2.0, seed=1)
    row = of_mean(compare(better, worse, replicates=300), "auc")
    assert row["low"] > 0 and row["p_bootstrap"] < 0.01 and row["p_flip"] == 2 / 2**8
    back = of_mean(compare(worse, better, replicates=300), "auc")
    assert (back["low"], back["high"]) == pytest.approx((-row["high"], -row["low"]))
    alike = compare(drawn_predictions(seed=2), drawn_predictions(seed=3), replicates=300)
    for metric in ("f1", "f1_event", "auc", "icc", "mae"):
        row = of_mean(alike, metric)
        assert row["low"] < 0 < row["high"] and row["p_bootstrap"] > 0.05 and row["p_flip"] > 0.05


def test_a_model_does_not_differ_from_itself():
    a = drawn_predictions()
    table = compare(a, a, replicates=100).table
    assert (table["difference"] == 0).all() and (table["p_bootstrap"] == 1).all() and (table["p_flip"] == 1).all()


def test_order_of_the_second_tables_rows_is_of_no_account():
    a, b = drawn_predictions(noise=1.0), drawn_predictions(noise=2.0, seed=1)
    order = np.random.default_rng(0).permutation(len(b))
    pd.testing.assert_frame_equal(
        compare(a, b, replicates=50).table, compare(a, b.select(order), replicates=50).table
    )


def test_pairing_narrows_the_interval():
    # Two models that stumble over the same people differ less than their scores vary.
    data = labelled_rows(subjects=12)
    hard = (data.subject[:, None] % 2 == 0) & (np.random.default_rng(5).random((len(data), 1)) < 0.4)
    a = drawn_predictions(data, noise=0.8)
    spoilt = dataclasses.replace(a, au_prob=np.where(hard, 1 - a.au_prob, a.au_prob))
    near = np.clip(spoilt.au_prob + np.random.default_rng(6).normal(0, 0.02, spoilt.au_prob.shape), 0, 1)
    paired = of_mean(compare(spoilt, dataclasses.replace(spoilt, au_prob=near), metric_names=("auc",)), "auc")
    low, high = score_frames(spoilt).intervals["auc"]
    assert paired["high"] - paired["low"] < (high - low) / 3


def test_bootstrap_differences_equal_those_of_the_drawn_rows():
    a, b = drawn_predictions(noise=1.0), drawn_predictions(noise=2.0, seed=1)
    row = of_mean(compare(a, b, replicates=40, seed=7, metric_names=("f1",)), "f1")
    draws = comparing.bootstrap.draw_subjects(8, 40, 7)
    differences = []
    for times in draws:
        rows = np.concatenate([np.tile(np.flatnonzero(a.subject.number == s), t) for s, t in enumerate(times)])
        f1 = [metrics.f1(x.au_present[rows], x.au_detected[rows], x.au_present_valid[rows]).mean() for x in (a, b)]
        differences.append(f1[0] - f1[1])
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))


def test_several_trainings_are_one_model_whose_noise_the_interval_holds():
    better, worse = ([drawn_predictions(noise=n, seed=s) for s in (1, 2, 3)] for n in (0.8, 1.6))
    several = of_mean(compare(better, worse, replicates=300), "auc")
    alone = [score_frames(x, 5).means["auc"] for x in (*better, *worse)]
    assert several["a"] == pytest.approx(np.mean(alone[:3])) and several["b"] == pytest.approx(np.mean(alone[3:]))
    # A model whose trainings differ widely: more than people is left to luck.
    mixed = [drawn_predictions(noise=n, seed=1) for n in (0.5, 4.0)]
    wide = of_mean(compare(mixed, worse, replicates=300), "auc")
    one = of_mean(compare(mixed[0], worse[0], replicates=300), "auc")
    assert wide["high"] - wide["low"] > 2 * (one["high"] - one["low"])
    with pytest.raises(UserError, match="are in the first table and not in the second"):
        compare([better[0], better[1].select(np.arange(100))], worse)


def test_sign_flips_are_all_patterns_for_few_units():
    differences = np.array([0.3, -0.1, 0.2, 0.4, 0.05])
    patterns = [abs(np.dot(signs, differences)) for signs in itertools.product([1, -1], repeat=5)]
    expected = np.mean(np.array(patterns) >= abs(differences.sum()) - 1e-12)
    assert sign_flip_p(differences) == pytest.approx(expected)
    # A unit that says nothing changes nothing.
    assert sign_flip_p(np.append(differences, np.nan)) == pytest.approx(expected)
    assert np.isnan(sign_flip_p(np.array([1.0, np.nan])))


def test_random_sign_flips_come_near_all_patterns(monkeypatch):
    differences = np.random.default_rng(1).normal(0.4, 1, 12)
    exact = sign_flip_p(differences)
    monkeypatch.setattr(comparing, "EXACT_UNITS", 5)
    assert sign_flip_p(differences) == pytest.approx(exact, abs=0.02)
    assert sign_flip_p(np.full(12, 1.0), flips=100) >= 1 / 101


def test_both_tests_keep_their_level():
    # Of many comparisons of equal models, about a twentieth has a p of 0.05 or less.
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        differences = rng.normal(size=25)
        draws = rng.multinomial(25, np.full(25, 1 / 25), 200)
        found.append((sign_flip_p(differences, 500) <= 0.05, bootstrap_p(draws @ differences) <= 0.05))
    flip, boot = np.mean(found, 0)
    assert 0.02 < flip < 0.085 and 0.02 < boot < 0.11


def test_people_without_the_au_say_nothing_about_it():
    data = labelled_rows()
    without = np.where((data.subject < 3)[:, None], 0, data.au_present)
    data = dataclasses.replace(data, au_present=without, au_intensity=np.where(without, data.au_intensity, 0))
    table = compare(drawn_predictions(data), drawn_predictions(data, seed=1), replicates=50).table
    assert (table[~table["metric"].isin(["icc", "mae"])]["units"] == 5).all()


def test_folds_can_be_the_unit():
    data = labelled_rows()
    whole, other = drawn_predictions(data, noise=0.8), drawn_predictions(data, noise=1.5, seed=1)
    folds = comparing_folds(whole, data.subject // 2)
    result = compare(folds, other, unit="fold", replicates=50)
    assert result.unit == "fold" and of_mean(result, "auc")["units"] == 4
    assert of_mean(result, "auc")["p_flip"] == 2 / 2**4
    with pytest.raises(UserError, match="single fold"):
        compare(whole, other, unit="fold")


def comparing_folds(frames, number):
    from actionunits.evaluation.predictions import Names

    return dataclasses.replace(frames, fold=Names(tuple(map(str, np.unique(number))), number))


def test_only_shared_aus_are_compared():
    a = drawn_predictions(labelled_rows())
    b = drawn_predictions(labelled_rows().of_aus((12, 1, 20)), seed=1)
    result = compare(a, b, replicates=50)
    assert result.aus == (1, 12) and result.left_out == (4, 20)
    with pytest.raises(UserError, match="no action unit in common"):
        compare(a, drawn_predictions(labelled_rows().of_aus((20,))))


def test_a_model_without_intensity_has_no_icc_to_compare():
    a, b = drawn_predictions(), drawn_predictions(intensity=False)
    assert set(compare(a, b, replicates=50).table["metric"]) == {"f1", "f1_event", "auc"}
    with pytest.raises(UserError, match="icc needs intensities"):
        compare(a, b, metric_names=("icc",))
    with pytest.raises(UserError, match="unknown metric 'acc'"):
        compare(a, b, metric_names=("acc",))


def test_other_frames_and_other_labels_are_refused():
    a = drawn_predictions()
    some = a.select(np.arange(len(a) - 7))
    with pytest.raises(UserError, match="7 frames are in the first table and not in the second, such as frame 53"):
        compare(a, some)
    with pytest.raises(UserError, match="in the second table and not in the first"):
        compare(some, a)
    with pytest.raises(UserError, match="first table has a frame twice"):
        compare(a.select(np.array([0, 0, 1])), a)
    with pytest.raises(UserError, match="different labels"):
        compare(a, dataclasses.replace(a, au_present=~a.au_present))
    with pytest.raises(UserError, match="different intensities: 1 and 2"):
        compare(a, dataclasses.replace(a, occurrence_level=2.0))
    one = a.select(np.flatnonzero(a.subject.number == 0))
    with pytest.raises(UserError, match="two subjects or more"):
        compare(one, one)
    with pytest.raises(UserError, match="unknown unit 'clip'"):
        compare(a, a, unit="clip")


@pytest.fixture
def files(tmp_path):
    for name, noise in (("a", 0.8), ("b", 1.6)):
        write_predictions(tmp_path / f"{name}.parquet", drawn_predictions(noise=noise, seed=int(10 * noise)))
    return tmp_path / "a.parquet", tmp_path / "b.parquet"


def test_command_prints_and_writes_every_difference(files, tmp_path):
    out = tmp_path / "difference.csv"
    command = ["compare", *map(str, files), "--replicates", "100", "--out", str(out)]
    outcome = CliRunner().invoke(app, command, env={"COLUMNS": "80"})
    assert outcome.exit_code == 0, outcome.output
    table = pd.read_csv(out)
    assert len(table) == 20 and "commit" in table
    assert list(table["metric"].unique()) == ["f1", "f1_event", "auc", "icc", "mae"]
    mean = table[(table["metric"] == "auc") & (table["au"] == "mean")].iloc[0]
    for name in ("a", "b", "difference", "low", "high"):
        assert f"{mean[name]:.3f}" in outcome.stdout
    assert "AUC on drawn: noise 0.8 (A) and noise 1.6 (B)" in outcome.stdout and "…" not in outcome.stdout
    assert "not corrected" in " ".join(outcome.stdout.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "f1,kappa"], "unknown metric 'kappa'"),
        (["--unit", "frame"], "unknown unit 'frame'"),
        (["--unit", "fold"], "single fold"),
    ],
)
def test_bad_options_are_told(files, options, message):
    outcome = CliRunner().invoke(app, ["compare", *map(str, files), *options])
    assert isinstance(outcome.exception, UserError) and message in str(outcome.exception)


def test_bad_files_are_told(files, tmp_path):
    for other, message in ((tmp_path / "none.parquet", "no such file"), (tmp_path / "x.csv", "is damaged")):
        (tmp_path / "x.csv").write_text("a,b\n1,2\n")
        outcome = CliRunner().invoke(app, ["compare", str(files[0]), str(other)])
        assert isinstance(outcome.exception, UserError) and message in str(outcome.exception)
