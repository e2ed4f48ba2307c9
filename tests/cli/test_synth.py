import json

import pandas as pd
import pytest

from actionunits.cli import main


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs `actionunits synth` in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        monkeypatch.setattr("sys.argv", ["actionunits", "synth", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


def test_clips_and_labels_are_written_and_counted(run, facekit_dir, tmp_path):
    words = (
        "--subjects 1 --clips 2 --frames 3 --size 40 --fps 5 --look wild --seed 4 --workers 1 --out renders".split()
    )
    code, out, err = run("--facekit", facekit_dir, *words)
    assert code == 0 and out == "2 clips of 3 frames in renders\n"
    assert "6/6 frames" in err
    card = json.loads((tmp_path / "renders" / "dataset.json").read_text())
    assert (card["look"], card["seed"], card["size"], card["rates"]) == ("wild", 4, 40, "published")
    assert len(pd.read_parquet(tmp_path / "renders" / "frames.parquet")) == 6
    # The same command again finds everything done; other options are refused.
    assert run("--facekit", facekit_dir, *words)[:2] == (0, out)
    code, out, err = run("--facekit", facekit_dir, *words[:-1], "renders", "--seed", "5")
    assert (code, out) == (2, "") and "holds another data set (seed=4)" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--look", "cinema"], "--look must be studio or wild, not cinema"),
        (["--rates", "even"], "--rates must be published, balanced or together"),
        (["--size", "47"], "--size must be an even number of pixels from 32 to 4096, not 47"),
        (["--subjects", "0"], "--subjects must be at least 1"),
        (["--fps", "nan"], "nan is not above 0"),
        (["--frames", "99999999999999999999"], "--frames must be at least 1 and at most 1,000,000"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--fps", "0"], "0 is not above 0 and at most 1,000"),
        ([], "no face model in"),
    ],
)
def test_what_cannot_be_rendered_is_one_clear_line_and_exit_code_2(run, tmp_path, words, message):
    code, out, err = run("--facekit", tmp_path, "--out", "renders", *words)
    assert (code, out) == (2, "")
    assert err.startswith("actionunits: ") and message in err and err.count("\n") == 1
    assert not (tmp_path / "renders").exists()


def test_a_foreign_folder_is_refused_and_left_alone(run, facekit_dir, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    code, _, err = run("--facekit", facekit_dir, "--out", ".")
    assert code == 2 and "is not a data set of renders" in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_no_face_model_or_no_place_to_write_is_a_usage_error(run, tmp_path):
    assert run("--out", "renders")[0] == 2
    assert run("--facekit", tmp_path)[0] == 2


def test_a_folder_without_assets_is_one_clear_line(run, facekit_dir, tmp_path):
    code, out, err = run("--facekit", facekit_dir, "--assets", tmp_path, "--out", "renders")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith("actionunits: ") and "is no folder of assets" in err
    assert not (tmp_path / "renders").exists()
