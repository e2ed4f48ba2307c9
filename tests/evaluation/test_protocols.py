import numpy as np
import pandas as pd
import pytest
import torch
from drawn_faces import write_drawn_dataset
from rich.console import Console
from typer.testing import CliRunner

from actionunits.aus import SYNTH_AUS
from actionunits.cli import app
from actionunits.datasets.crops.synthau import load_crops
from actionunits.errors import UserError
from actionunits.evaluation.over_time import read_over_time
from actionunits.evaluation.predictions import read_predictions
from actionunits.evaluation.protocols import (
    METRICS,
    RESULT_COLUMNS,
    EvaluationResult,
    evaluate_checkpoint,
    refuse_outputs,
    refuse_seen_subjects,
    score,
    score_frames,
    write_results,
)
from actionunits.models import find_model
from actionunits.reports.scores import evaluation_table
from actionunits.scores import metrics
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.validation import CropPredictions, predict_crops


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "drawn"
    write_drawn_dataset(folder, subjects=4, frames=16)
    return folder


def write_checkpoint(path, aus=SYNTH_AUS, **header):
    entry = find_model("resnet18")
    torch.manual_seed(0)
    model = entry.model(entry.config(image_size=112, width=4), aus).eval()
    fields = {
        "data": {"names": ["other"], "fold": 1, "training_subjects": ["other-1/S0001"], "validation_subjects": []},
        "seed": 3,
        "commit": "abc1234",
        "thresholds": {f"AU{au:02d}": 0.4 for au in aus},
    }
    save_checkpoint(path, model, fields | header)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("run") / "model.safetensors")


def perfect(data):
    return CropPredictions(np.where(data.au_present > 0, 3.0, -3.0).astype(np.float32), data.au_intensity.copy())


def test_outputs_can_be_read_over_time(folder, tmp_path):
    quiet = {f"AU{au:02d}": -1.0 for au in SYNTH_AUS}
    path = write_checkpoint(tmp_path / "model.safetensors", neutral_logit=quiet)
    plain, read = (tmp_path / f"{name}.parquet" for name in ("plain", "read"))
    evaluate_checkpoint(path, [folder], predictions_file=plain, replicates=5)
    result, _ = evaluate_checkpoint(path, [folder], predictions_file=read, replicates=5, over_time="average")
    expected = read_over_time(read_predictions(plain), "average", quiet)
    np.testing.assert_allclose(read_predictions(read).au_prob, expected.au_prob, atol=1e-6)
    assert result.means["auc"] == pytest.approx(score_frames(expected, 5).means["auc"])
    words = ["evaluate", str(path), "--data", str(folder), "--calibrate", "--over-time", "average"]
    outcome = CliRunner().invoke(app, words)
    assert isinstance(outcome.exception, UserError) and "give one of them" in str(outcome.exception)


def test_perfect_predictions_score_1(folder):
    data = load_crops(folder)
    result = score(data, perfect(data), {})
    for name in ("f1", "f1_norm", "f1_event", "precision", "recall", "accuracy", "auc", "icc", "pcc"):
        np.testing.assert_allclose(result.table[name], 1)
        assert result.means[name] == pytest.approx(1)
    np.testing.assert_allclose(result.table["mae"], 0)
    assert result.intervals["f1"] == pytest.approx((1, 1)) and result.subjects == 4 and result.frames == 64
    np.testing.assert_allclose(result.table["base_rate"], data.au_present.mean(0))
    assert (result.table["threshold"] == 0.5).all()


def test_thresholds_decide_detection_per_au(folder):
    data = load_crops(folder)
    result = score(data, perfect(data), {"AU12": 0.99, "AU25": 0.01})
    table = result.table.set_index("au")
    assert table.loc["AU12", "recall"] == 0 and table.loc["AU25", "recall"] == 1
    assert table.loc["AU25", "precision"] == pytest.approx(table.loc["AU25", "base_rate"])


def test_an_evaluation_scores_the_checkpoints_own_outputs(folder, checkpoint):
    result, header = evaluate_checkpoint(checkpoint, [folder], device="cpu", replicates=50)
    from actionunits.training.checkpoint import load_checkpoint

    data = load_crops(folder)
    outputs = predict_crops(load_checkpoint(checkpoint).model, data, 112)
    expected = metrics.auc(data.au_present, outputs.au_prob, data.au_present_valid)
    np.testing.assert_allclose(result.table["auc"], expected, atol=1e-3)
    np.testing.assert_allclose(result.table["threshold"], 0.4)
    assert header["commit"] == "abc1234" and result.data == "drawn"
    low, high = result.intervals["auc"]
    assert low < result.means["auc"] < high


def test_batch_size_changes_nothing(folder, checkpoint):
    first, second = (
        evaluate_checkpoint(checkpoint, [folder], device="cpu", batch_size=size, replicates=5)[0] for size in (1, 50)
    )
    pd.testing.assert_frame_equal(first.table, second.table, atol=1e-6)


def test_aus_that_the_data_does_not_code_have_no_score(folder, tmp_path):
    path = write_checkpoint(tmp_path / "m.safetensors", aus=(12, 27, 25))
    result, _ = evaluate_checkpoint(path, [folder], device="cpu", replicates=5)
    table = result.table.set_index("au")
    assert list(table.index) == ["AU12", "AU27", "AU25"]
    assert table.loc["AU27", "n"] == 0 and table.loc["AU27", list(METRICS)].isna().all()
    assert np.isfinite(result.means["f1"])
    path = write_checkpoint(tmp_path / "n.safetensors", aus=(27,))
    with pytest.raises(UserError, match="no action unit in common"):
        evaluate_checkpoint(path, [folder], device="cpu")


@pytest.mark.parametrize("role", ["training_subjects", "validation_subjects"])
def test_people_seen_in_training_are_refused_before_any_work(folder, tmp_path, role):
    data = {"training_subjects": ["x/S1"], role: ["x/S1", "drawn-5/S0003"]}
    path = write_checkpoint(tmp_path / "m.safetensors", data=data)
    with pytest.raises(UserError, match="drawn-5/S0003"):
        evaluate_checkpoint(path, [folder], cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    others = [f"drawn-5/S000{k}" for k in (1, 2)]
    result, _ = evaluate_checkpoint(path, [folder], subjects=others, device="cpu", replicates=5)
    assert result.subjects == 2 and result.frames == 32


def test_a_checkpoint_without_its_people_is_refused():
    with pytest.raises(UserError, match="does not say which subjects"):
        refuse_seen_subjects({"data": {"names": ["a"]}}, ["b"], "model")
    with pytest.raises(UserError, match="and 1 more"):
        refuse_seen_subjects({"data": {"training_subjects": ["a", "b", "c"]}}, ["b", "c", "d"], "model")


def test_rows_of_a_run_without_a_fold_are_replaced_too(folder, checkpoint, tmp_path):
    result, header = evaluate_checkpoint(checkpoint, [folder], device="cpu", replicates=5)
    header = {**header, "data": {**header["data"], "fold": None}}
    for _ in range(2):
        write_results(tmp_path / "x.csv", result, "first", header)
    assert len(pd.read_csv(tmp_path / "x.csv")) == 18


def test_results_table_replaces_its_own_rows_and_keeps_others(folder, checkpoint, tmp_path):
    result, header = evaluate_checkpoint(checkpoint, [folder], device="cpu", replicates=5)
    path = tmp_path / "results" / "x.csv"
    write_results(path, result, "first", header)
    write_results(path, result, "second", header)
    write_results(path, result, "first", header)
    rows = pd.read_csv(path)
    assert len(rows) == 36 and list(rows["run"].unique()) == ["second", "first"]
    wanted = "run data fold au n base_rate f1 f1_norm f1_event precision recall accuracy auc icc mae pcc threshold"
    wanted += " commit seed config"
    assert set(wanted.split()) <= set(rows.columns)
    assert (rows["occurrence_level"] == 1).all() and (rows["commit"] == "abc1234").all() and (rows["fold"] == 1).all()
    np.testing.assert_allclose(rows["auc"][:18], result.table["auc"], rtol=1e-5)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="not a results table"):
        write_results(path, result, "first", header)
    assert path.read_text() == "a,b\n1,2\n"


def test_a_table_of_an_earlier_version_gets_the_new_columns(folder, checkpoint, tmp_path):
    result, header = evaluate_checkpoint(checkpoint, [folder], device="cpu", replicates=5)
    path = tmp_path / "x.csv"
    write_results(path, result, "old", header)
    pd.read_csv(path, dtype=str).drop(columns=["f1_norm", "f1_event"]).to_csv(path, index=False)
    write_results(path, result, "new", header)
    rows = pd.read_csv(path)
    assert rows.loc[rows["run"] == "old", ["f1_norm", "f1_event"]].isna().all(axis=None)
    new = rows[rows["run"] == "new"]
    assert new["f1_event"].notna().all() and len(rows) == 36


def test_photographs_have_no_events(folder):
    data = load_crops(folder)
    data = data.subset(np.unique(data.clip, return_index=True)[1])
    result = score(data, perfect(data), {}, replicates=5)
    assert result.table["f1_event"].isna().all() and np.isnan(result.means["f1_event"])


def test_an_evaluation_stores_what_it_scored(folder, checkpoint, tmp_path):
    path = tmp_path / "frames.parquet"
    result, _ = evaluate_checkpoint(checkpoint, [folder], device="cpu", replicates=5, predictions_file=path)
    frames = read_predictions(path)
    pd.testing.assert_frame_equal(score_frames(frames, 5).table, result.table)
    assert frames.fold[0] == "1" and frames.about == {"run": "run0", "model": "resnet18", "commit": "abc1234"}


@pytest.mark.parametrize("columns", ["80", "160"])
def test_command_prints_a_row_per_au_and_writes_the_table(folder, checkpoint, tmp_path, columns):
    out = tmp_path / "scores.csv"
    command = ["evaluate", str(checkpoint), "--data", str(folder), "--out", str(out), "--device", "cpu"]
    command += ["--predictions", str(tmp_path / "frames.parquet")]
    outcome = CliRunner().invoke(app, command, env={"COLUMNS": columns})
    assert outcome.exit_code == 0, outcome.output
    for au in SYNTH_AUS:
        assert f"AU{au:02d}" in outcome.stdout
    assert "…" not in outcome.stdout  # nothing is cut off
    assert ("lip corner puller" in outcome.stdout) == (columns == "160")
    table = pd.read_csv(out)
    assert len(table) == 18
    assert f"{table['auc'].mean():.3f}" in outcome.stdout
    assert len(read_predictions(tmp_path / "frames.parquet")) == 64
    assert "from intensity 1 on" in " ".join(outcome.stdout.split())


def test_printed_table_shows_no_number_where_there_is_none(folder):
    data = load_crops(folder).of_aus((12, 27))
    outputs = CropPredictions(np.zeros((len(data), 2), np.float32), None)
    console = Console(width=160)
    with console.capture() as capture:
        console.print(evaluation_table(score(data, outputs, {}, replicates=5), "model", 160))
    assert "nan" not in capture.get().lower() and "–" in capture.get()
    assert "does not code (1)" in capture.get()


def test_files_that_cannot_hold_an_evaluation_are_refused_before_it(tmp_path):
    (tmp_path / "garbage.csv").write_text("a,b\n1,2\n")
    refuse_outputs(tmp_path / "new.csv", tmp_path / "new.parquet")
    for results, predictions, line in (
        (tmp_path, None, "is a folder"),
        (tmp_path / "garbage.csv", None, "not a results table of this kind"),
        (None, tmp_path / "p.csv", "name one that ends in .parquet"),
    ):
        with pytest.raises(UserError, match=line):
            refuse_outputs(results, predictions)


def test_results_and_predictions_are_two_files(tmp_path):
    with pytest.raises(UserError, match="name two files"):
        refuse_outputs(tmp_path / "x.parquet", tmp_path / ".." / tmp_path.name / "x.parquet")


def test_the_columns_of_a_results_table_are_those_that_are_written(tmp_path):
    result = EvaluationResult(pd.DataFrame(columns=list(RESULT_COLUMNS[6:-3])), {}, "d", 0, 0, 1.0)
    write_results(tmp_path / "r.csv", result, "run", {"model": "m", "config": {}})
    assert tuple(pd.read_csv(tmp_path / "r.csv").columns) == RESULT_COLUMNS
