"""The lines for R and SPSS in the documents are run on tables of a drawn run, where R and PSPP are installed."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actionunits.aus import SYNTH_AUS
from actionunits.reports.episodes import COLUMNS
from actionunits.reports.schemas import make_schema
from actionunits.reports.summary import FILES, SummaryCollector, write_summaries
from actionunits.reports.tables import open_table, write_csv
from actionunits.types import Face, Frame, FrameResult, Prediction

DOCUMENT = Path(__file__).parents[1] / "docs" / "detect.md"
SMILE = SYNTH_AUS.index(12)


def snippet(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return found


@pytest.fixture
def results(tmp_path):
    """The folder above `results`, which holds the tables of a video: a smile from 0.2 to 0.6 s, of strength 4."""
    collector = SummaryCollector(SYNTH_AUS, by_person=True, has_time=True)
    points = np.zeros((68, 2), np.float32)
    face = Face(np.zeros(4, np.float32), points, 0.9, np.zeros(3, np.float32), np.ones(3, np.float32))
    (tmp_path / "results").mkdir()
    with open_table(tmp_path / "results" / "clip.csv", make_schema("openface", SYNTH_AUS)) as table:
        for index in range(10):
            present, intensity = np.zeros(len(SYNTH_AUS), bool), np.zeros(len(SYNTH_AUS), np.float32)
            present[SMILE] = 2 <= index < 6
            intensity[SMILE] = 4.0 * present[SMILE]
            frame = Frame(np.zeros((4, 4, 3), np.uint8), index, index / 10, "day 1/Zoë, clip.mp4")
            told = Prediction(SYNTH_AUS, intensity / 5, intensity, present)
            for write in (table.write, collector.add):
                write(FrameResult(frame, [replace(face, quality=())], [told]))
    file = tmp_path / "results" / "clip.episodes.csv"
    write_csv(file, COLUMNS, (episode.row() for episode in collector.episodes()))
    card = {"input": "day 1/Zoë, clip.mp4", "episodes": str(file), "summary": collector.fields()["summary"]}
    write_summaries([tmp_path / "results" / name for name in FILES], [card])
    return tmp_path


def said(command, folder):
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return " ".join(run.stdout.split())


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed: apt-get install r-base-core")
def test_r(results):
    (results / "snippet.R").write_text(snippet("r"))
    told = said(["Rscript", "--vanilla", "snippet.R"], results)
    assert re.search(r"clip.mp4 0 0\.4 4\b", told)  # rate, mean while present
    assert re.search(r"clip.mp4 AU12 0\.4 4\b", told)  # length of the episode, peak
    assert told.endswith("face_id AU12_r 1 0 1.6")


@pytest.mark.skipif(shutil.which("pspp") is None, reason="PSPP is not installed: apt-get install pspp")
def test_spss(results):
    (results / "snippet.sps").write_text(snippet("spss"))
    told = said(["pspp", "-O", "format=txt", "snippet.sps"], results)
    assert "error" not in told and "warning" not in told
    assert re.search(r"clip\.mp4\W+0\W+4000\W+4\.000", told), told
    assert re.search(r"AU12\D+40\D+4\.00", told), told
