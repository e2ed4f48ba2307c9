"""A published table again: from the folder of a data set to the paper's numbers beside ours."""

import dataclasses
import io
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_faces import write_drawn_dataset
from official_trees import drawn_clip
from rich.console import Console
from typer.testing import CliRunner

from actionunits.aus import DATASET_AUS, au_label
from actionunits.cli import app
from actionunits.configs import FOLDER
from actionunits.datasets.crops.load import load_labels
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.readers.layouts import RENDER_CARD, find_layout
from actionunits.errors import UserError
from actionunits.evaluation import crossval, plan, reproduction
from actionunits.evaluation import rates as rates_module
from actionunits.evaluation.differences import differences
from actionunits.evaluation.published import published_tables, table
from actionunits.evaluation.rates import is_of_rates, occurrence_rates
from actionunits.evaluation.reproduction import Reproduction, reproduce
from actionunits.evaluation.result_rows import Request, read_results
from actionunits.reports.reproduction import narrowed, render, reproductions_in, sections, to_markdown
from actionunits.synth.layouts import bp4d
from actionunits.synth.layouts.render import CARD_FILE
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.settings import make_settings
from actionunits.training.source import CropSource

TINY = "image_size: 32\nwidth: 2\nbatch_size: 16\nepochs: 2\nlr: 3.0e-3\noptimizer: adamw\nema_decay: 0.9\n"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Nine people of BP4D as drawn faces, prepared; AU24 is not coded."""
    root = tmp_path_factory.mktemp("official") / "BP4D"
    aus = tuple(au for au in DATASET_AUS["bp4d"] if au != 24)
    for subject in range(9):
        bp4d.write_clip(root, drawn_clip(subject, 0, 8, aus))
    (root / RENDER_CARD).write_text("{}")
    out = tmp_path_factory.mktemp("prepared") / "bp4d"
    prepare(find_layout("bp4d").read(root), out, image_size=32, workers=1)
    return out


@pytest.fixture(scope="module")
def small_configs(tmp_path_factory):
    """A folder of configurations whose small scale takes a second."""
    folder = tmp_path_factory.mktemp("configs")
    for path in FOLDER.glob("*_bp4d.yaml"):  # the paper's, which reports compare with
        shutil.copy(path, folder)
    (folder / "resnet18_small.yaml").write_text(TINY)
    (folder / "eacnet_small.yaml").write_text(
        f"{TINY}freeze: false\ncrop_units: 4\nepochs: 1\n".replace("epochs: 2\n", "")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "CONFIGS", folder)
        yield folder


@pytest.fixture(scope="module")
def finished(crops, small_configs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "renet-table1"
    request = Request((crops,), out, models=("resnet18",), scale="small")
    (found,) = reproduce("renet-table1", request)
    return request, found


def command(*words):
    """Exit code and all output of a command; errors are told in one line, as by the installed program."""
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "150"})
    if isinstance(result.exception, UserError):
        return 2, str(result.exception)
    return result.exit_code, result.output


def test_the_published_folds_are_run_and_written(finished):
    request, found = finished
    averages = found.rows[found.rows["au"] == "average"].set_index("fold")
    assert list(averages.index) == ["1", "2", "3", "mean", "pooled"]
    assert list(averages["subjects"]) == [4, 2, 3, 9, 9] and averages.loc["mean", "frames"] == 72
    written = read_results(request.out / "results.csv")
    assert list(written.columns) == list(found.rows.columns) and len(written) == len(found.rows)
    for column in ("f1", "auc_high", "threshold"):
        assert written[column].to_numpy() == pytest.approx(found.rows[column].astype(float), nan_ok=True, rel=1e-4)
    assert (request.out / "resnet18" / "predictions.parquet").is_file()


def test_a_repeated_command_trains_nothing_and_replaces_its_rows(finished, monkeypatch):
    request, found = finished
    monkeypatch.setattr(crossval, "run", None)
    (again,) = reproduce("renet-table1", request)
    pd.testing.assert_frame_equal(again.rows, found.rows)
    assert len(read_results(request.out / "results.csv")) == len(found.rows)


def test_each_network_of_a_recipe_starts_from_the_folds_of_the_one_before(crops, small_configs, tmp_path):
    models = ("eacnet:fvgg", "eacnet:enet", "eacnet")
    found = reproduce("eacnet-table3", Request((crops,), tmp_path, models=models, scale="small", folds="2"))
    assert [item.rows["model"].iloc[0] for item in found] == ["eacnet:fvgg", "eacnet:enet", "eacnet"]
    for fold in ("fold-1", "fold-2"):
        folders = [tmp_path / name / fold for name in ("eacnet-fvgg", "eacnet-enet", "eacnet")]
        headers = [load_checkpoint(folder / CHECKPOINT_FILE).header for folder in folders]
        starts = [header["data"]["started_from"] for header in headers]
        assert starts[0] is None
        assert [start["sha256"] for start in starts[1:]] == [header["sha256"] for header in headers[:2]]


def test_another_threshold_costs_no_training(finished, monkeypatch):
    request, found = finished
    monkeypatch.setattr(crossval, "run", None)
    (fixed,) = reproduce("renet-table1", dataclasses.replace(request, threshold="0.5", results=None))
    assert set(fixed.rows["threshold_rule"]) == {"0.5"}
    assert len(read_results(request.out / "results.csv")) == 2 * len(found.rows)
    assert fixed.rows["auc"].to_numpy() == pytest.approx(found.rows["auc"].to_numpy(), nan_ok=True)


def test_what_differs_is_found_by_comparing(finished):
    _, found = finished
    told = "\n".join(differences(found.table, found.rows))
    for part in (
        "pictures: renders of people who do not exist",
        "subjects: 9, published are 41",
        "does not code AU24",
        "folds: published 3 folds",
        "scale: small",
        "settings, in brackets those of the file for the paper's: image_size 32 (224), width 2 (64)",
        "rotation_deg 15.0 (0.0)",
        "clip_norm 1.0 (0.0)",
        "threshold: chosen on each fold's validation people",
    ):
        assert part in told
    assert "occurrence:" not in told and "data:" not in told and "model:" not in told
    other = found.rows.assign(occurrence_level=2.0, data="disfa", renders=False, threshold_rule="0.5", scale="paper")
    told = "\n".join(differences(found.table, other))
    assert "present from intensity 2 on, in the paper from 1" in told and "data: disfa, the paper's is bp4d" in told
    assert "renders" not in told and "scale:" not in told and "threshold: 0.5 throughout" in told


def test_the_mark_of_rendered_trees_is_the_one_that_is_read():
    assert RENDER_CARD == CARD_FILE


def test_papers_rows_and_ours_stand_side_by_side(finished):
    _, found = finished
    f1, folds = sections(found)
    assert len(f1.columns) == 13
    lines = {line.name: line.cells for line in f1.lines}
    assert lines["RE-Net"][:2] == ("57.7", "59.0") and lines["RE-Net"][-1] == "65.5"
    mean = found.rows[found.rows["fold"] == "mean"].set_index("au")
    ours = lines["ours: resnet18, mean of 3 folds"]
    assert ours[0] == f"{100 * mean.loc['AU01', 'f1']:.1f}" and ours[11] == "–"
    assert ours[12] == f"{100 * mean.loc['average', 'f1']:.1f}"
    assert lines["  AUC, mean of folds"][12] == f"{100 * mean.loc['average', 'auc']:.1f}"
    assert [line.name for line in folds.lines] == ["fold 1", "fold 2", "fold 3", "std. deviation"]
    assert "not comparable" in folds.note


@pytest.mark.parametrize("width", [80, 150])
@pytest.mark.parametrize("key", ["renet-table1", "hybrid-table2", "ofnet-table1", "tcae-table1", "ofnet-table4"])
def test_the_terminal_shows_every_number_whole(finished, key, width):
    _, found = finished
    console = Console(file=io.StringIO(), width=width)
    console.print(render(dataclasses.replace(found, table=table(key)), width))
    text = console.file.getvalue()
    assert "…" not in text and "What differs from the paper" in text
    for number in [f"{100 * found.rows[found.rows['fold'] == 'mean'].iloc[-1]['f1']:.1f}", "ours"]:
        assert number in text
    if key == "renet-table1":
        assert "65.5" in text and ("SRERL" in text) == (width == 150)


def test_the_page_is_made_from_the_written_rows_alone(finished):
    request, found = finished
    (from_file,) = [item for item in reproductions_in(request.out) if item.rows["threshold_rule"].iloc[0] != "0.5"]
    assert to_markdown(from_file) == to_markdown(found)


def test_stopped_and_started_again_gives_the_numbers_of_an_undisturbed_run(finished, crops, tmp_path, monkeypatch):
    _, found = finished
    words = ("reproduce", "renet-table1", "--data", crops, "--model", "resnet18", "--scale", "small")
    words += ("--out", tmp_path / "out", "--results", tmp_path / "results" / "all.csv")
    steps, draw = 0, CropSource.batch

    def batch(self, step):
        nonlocal steps
        steps += 1
        if steps == 6:  # in the second fold
            os.kill(os.getpid(), signal.SIGINT)
        return draw(self, step)

    monkeypatch.setattr(CropSource, "batch", batch)
    code, output = command(*words)
    assert code == 130 and "the same command continues" in output
    monkeypatch.setattr(CropSource, "batch", draw)
    code, output = command(*words)
    assert code == 0 and output.count("trained before") == 1
    rows = read_results(tmp_path / "results" / "all.csv")
    for column in ("f1", "auc", "icc", "threshold"):
        assert rows[column].to_numpy() == pytest.approx(found.rows[column].astype(float), nan_ok=True, rel=1e-5)
    assert (tmp_path / "out" / "renet-table1.md").read_text().startswith("# renet-table1 with resnet18")


def test_questions_that_cannot_be_answered_are_one_line(crops, small_configs, tmp_path):
    def told(*words):
        code, output = command("reproduce", *words, "--out", tmp_path / "out")
        assert code == 2, output
        return output

    small = ("--data", crops, "--model", "resnet18", "--scale", "small")
    assert "no published table 'renet-tabel1'; did you mean renet-table1" in told("renet-tabel1", *small)
    assert "speed depends on the machine" in told("renet-speed", *small)
    assert "is measured nowhere" in told("eacnet-table1", *small)
    assert "no such folder" in told("renet-table1", "--data", tmp_path / "none", "--model", "resnet18")
    assert "unknown scale 'big'" in told("renet-table1", *small[:-1], "big")
    assert "unknown threshold 'best'" in told("renet-table1", *small, "--threshold", "best")
    assert "--folds is 'many'" in told("renet-table1", *small, "--folds", "many")
    assert "9 subjects cannot make 20 folds" in told("renet-table1", *small, "--folds", "20")
    assert "9 subjects cannot make 10 folds" in told("hybrid-table1", *small, "--folds", "10")
    assert "trains on bp4d; name a folder of it" in told("eacnet-table6", *small)
    assert "brings no split of its own" in told("tcae-table3", *small)
    assert "published folds have no seed" in told("renet-table1", *small, "--folds", "published", "--fold-seed", "1")
    assert "'one' is no list of seeds" in told("renet-table1", *small, "--fold-seed", "one")
    unknown = told("renet-table1", "--data", crops, "--model", "vgg")
    assert "'vgg' cannot be trained by this version; of this table, --model" in unknown
    assert "--model resnet18 (ResNet18)" in unknown
    (small_configs / "resnet18_small.yaml").rename(small_configs / "kept")
    assert "use --scale paper" in told("renet-table1", *small)
    (small_configs / "kept").rename(small_configs / "resnet18_small.yaml")


def test_data_without_the_tables_action_units_is_told(tmp_path, small_configs):
    root = tmp_path / "BP4D"
    bp4d.write_clip(root, drawn_clip(0, 0, 3, (9, 20)))
    prepare(find_layout("bp4d").read(root), tmp_path / "crops", image_size=32, workers=1)
    code, output = command(
        *("reproduce", "renet-table1", "--data", tmp_path / "crops", "--model", "resnet18", "--scale", "small")
    )
    assert code == 2 and "codes none of the table's action units (AU01, AU02, AU04" in output


def test_a_folder_of_another_run_is_refused(finished, crops):
    request, _ = finished
    with pytest.raises(
        UserError, match=r"holds another run \(division was published 3 folds, is 4 folds with seed 0\)"
    ):
        reproduce("renet-table1", dataclasses.replace(request, folds="4"))
    with pytest.raises(UserError, match=r"fold of another run \(loop max_minutes was None, is 1"):
        reproduce("renet-table1", dataclasses.replace(request, minutes=1.0))


def test_every_published_table_can_be_run_or_says_why_not(crops, tmp_path):
    request = Request((crops,), tmp_path, train_data=(crops,), models=("resnet18",))
    alone = dataclasses.replace(request, train_data=())
    answered = 0
    for published in published_tables().values():
        if is_of_rates(published):
            continue
        try:
            reproduction.refuse_without_folds(published)
        except UserError as error:
            assert published.key in str(error) and "\n" not in str(error)
            continue
        try:
            question = reproduction.question_of(published, "resnet18", request, (1, 2))
        except UserError as error:
            assert "leave out --train-data" in str(error)
            question = reproduction.question_of(published, "resnet18", alone, (1, 2))
        reproduction.questions.check_question(question)
        assert plan.systems_of(published)
        answered += 1
    assert answered > 20


def test_tcae_on_gft_is_pretrained_on_other_data_and_probed_on_its_own_split(crops):
    request = Request((crops,), crops, train_data=(crops,))
    question = reproduction.question_of(table("tcae-table3"), "tcae", request, (1, 2))
    assert (question.protocol, question.folds) == ("probe", "own-split")
    reproduction.questions.check_question(question)
    with pytest.raises(UserError, match="brings no split of its own"):
        reproduction.questions.load_protocol(question, make_settings("tcae", {"image_size": 32}))
    other = reproduction.question_of(table("tcae-table1"), "tcae", request, (1, 2))
    assert (other.protocol, other.folds) == ("probe", None)


def test_rates_stand_beside_the_papers_without_training(crops, tmp_path, monkeypatch):
    rates = occurrence_rates(table("eacnet-table2"), [crops])
    labels = load_labels(crops)
    for au in (1, 12):
        column = labels.aus.index(au)
        known = labels.au_present_valid[:, column]
        assert rates[au_label(au)] == pytest.approx(np.mean(labels.au_present[known, column]))
    weight = np.linspace(1, 7, len(labels))
    monkeypatch.setattr(rates_module, "repeat_weight", lambda present, valid: weight)
    repeated = occurrence_rates(table("eacnet-table2"), [crops], repeated=True)
    column = labels.aus.index(12)
    known = labels.au_present_valid[:, column]
    assert repeated["AU12"] != rates["AU12"]
    assert repeated["AU12"] == pytest.approx(np.average(labels.au_present[known, column], weights=weight[known]))
    words = ("reproduce", "eacnet-table2", "--data", crops, "--out", tmp_path)
    code, output = command(*words)
    page = (tmp_path / "eacnet-table2.md").read_text()
    assert code == 0 and "Occurrence rate" in output
    for text in (output, page):
        assert f"{rates['AU12']:.2f}" in text and f"{repeated['AU12']:.2f}" in text and "repeated" in text
        assert "What differs from the paper" in text
        assert "- pictures: renders" in text and "- subjects: 9, published are 41" in text and "AU24" in text
    code, output = command(*words, "--model", "resnet18", "--results", tmp_path / "r.csv")
    assert code == 2 and "nothing is trained; leave out --model, --results" in output


def test_a_table_across_data_sets_trains_on_the_other_one_first(crops, small_configs, tmp_path):
    write_drawn_dataset(tmp_path / "drawn", subjects=6, frames=8)
    request = Request(
        (tmp_path / "drawn",), tmp_path / "out", train_data=(crops,), models=("resnet18",), scale="small"
    )
    (found,) = reproduce("eacnet-table6", request)
    first = found.rows.iloc[0]
    assert (first["protocol"], first["train_data"]) == ("finetune", "bp4d")
    assert set(found.rows["au"]) == {"AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU25", "AU26", "average"}
    told = "\n".join(differences(found.table, found.rows))
    assert "data: drawn, the paper's is disfa" in told and "training data" not in told
    assert "started from bp4d; 3 folds with seed 0" in told
    header = load_checkpoint(tmp_path / "out" / "resnet18" / "fold-2" / "model.safetensors").header
    assert header["data"]["started_from"]["names"] == ["bp4d"]


def test_eacnet_and_its_ancestors_go_from_data_to_tables(crops, small_configs, tmp_path):
    config = "image_size: 32\nwidth: 2\ncrop_units: 4\nfreeze: false\noptimizer: adam\nbatch_size: 16\nepochs: 1\n"
    (small_configs / "eacnet_small.yaml").write_text(config)
    models = ("eacnet:fvgg", "eacnet:enet", "eacnet")
    folds = reproduce("eacnet-table3", Request((crops,), tmp_path / "own", models=models, scale="small"))
    assert [found.rows.iloc[0]["model"] for found in folds] == ["eacnet:fvgg", "eacnet:enet", "eacnet"]
    header = load_checkpoint(tmp_path / "own" / "eacnet-enet" / "fold-1" / "model.safetensors").header
    assert header["config"]["variant"] == "enet" and header["config"]["width"] == 2
    write_drawn_dataset(tmp_path / "drawn", subjects=6, frames=8)
    request = Request((tmp_path / "drawn",), tmp_path / "out", (crops,), ("eacnet",), scale="small")
    (found,) = reproduce("eacnet-table6", request)
    assert set(found.rows["protocol"]) == {"regression"}
    told = "\n".join(differences(found.table, found.rows))
    assert "division: on features of bp4d; 3 folds with seed 0" in told and "none is frozen" not in told


def test_ones_own_question_is_answered_by_crossval(crops, tmp_path):
    words = ["crossval", "resnet18", "--data", crops, "--out", tmp_path / "own", "--folds", "2", "--threshold", "0.5"]
    for line in TINY.splitlines():
        words += ["--set", line.replace(": ", "=")]
    code, output = command(*words)
    assert code == 0, output
    assert "mean of 2 folds" in output and "not comparable" in output
    rows = read_results(tmp_path / "own" / "results.csv")
    assert set(rows["threshold_rule"]) == {"0.5"} and set(rows["fold"]) == {"1", "2", "mean", "pooled"}
    assert reproductions_in(tmp_path / "own") == []
    code, output = command("crossval", "resnet18", "--data", crops, "--protocol", "cross", "--out", tmp_path / "x")
    assert code == 2 and "trains on other data than it tests on" in output


def test_a_row_across_data_sets_is_asked_for_by_its_training_data(crops, small_configs, tmp_path):
    write_drawn_dataset(tmp_path / "drawn", subjects=6, frames=8)
    request = Request((crops,), tmp_path / "out", (tmp_path / "drawn",), ("resnet18",), scale="small")
    (found,) = reproduce("hybrid-table2", request)
    first = found.rows.iloc[0]
    assert (first["protocol"], first["train_data"]) == ("finetune", "drawn")
    told = "\n".join(differences(found.table, found.rows))
    assert "division: started from drawn; " in told and "training data: drawn, the paper's is gft" in told
    checkpoint = tmp_path / "out" / "resnet18" / "source" / "model.safetensors"
    code, output = command("evaluate", checkpoint, "--data", crops)
    assert code == 0 and "The pictures are renders of people who do not exist." in output
    with pytest.raises(UserError, match="leave out --train-data"):
        reproduce("renet-table1", dataclasses.replace(request, models=("resnet18",)))


def test_the_papers_rows_of_the_folds_that_were_run_come_first_in_a_narrow_terminal(finished):
    _, found = finished
    hybrid = table("hybrid-table2")
    ten = found.rows.assign(protocol="folds", model="hog").replace({"fold": {"3": "9"}})
    extra = [ten[ten["fold"] == "1"].assign(fold=str(k)) for k in (3, 4, 5, 6, 7, 8, 10)]
    ten = pd.concat([ten, *extra], ignore_index=True)
    names = ("paper: HOG (folds-10)", "paper: HOG")
    for rows, shown, left_out in ((ten, *names), (found.rows.assign(model="hog"), *names[::-1])):
        section = narrowed(sections(Reproduction(hybrid, rows))[0], hybrid, "hog")
        assert shown in section.columns and left_out not in section.columns


def test_places_that_cannot_be_written_are_told_before_any_training(crops, small_configs, tmp_path):
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    request = Request((crops,), tmp_path / "out", models=("resnet18",), scale="small")
    for results, message in ((tmp_path, "is a folder; name a file"), (tmp_path / "notes.csv", "not a results table")):
        with pytest.raises(UserError, match=message):
            reproduce("renet-table1", dataclasses.replace(request, results=results))
    with pytest.raises(UserError, match="lies in the data folder"):
        reproduce("renet-table1", dataclasses.replace(request, out=crops / "out"))
    assert not (tmp_path / "out").exists() and not (crops / "out").exists()
