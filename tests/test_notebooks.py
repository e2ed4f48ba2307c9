"""The notebooks of docs/notebooks/ run as they are, and what they show is kept small."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST_KB = 200


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_was_run_and_shows_no_error(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert path.stat().st_size < 1000 * LARGEST_KB


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path, request):
    if "ACTIONUNITS_FACEKIT" in path.read_text():
        request.getfixturevalue("facekit_dir")
    nbclient = pytest.importorskip("nbclient", reason="the extra docs is not installed")
    nbformat = pytest.importorskip("nbformat", reason="the extra docs is not installed")
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=550, resources={"metadata": {"path": str(path.parent)}})
    ran = [cell for cell in client.execute().cells if cell.cell_type == "code"]
    assert any("image/png" in output.get("data", {}) for cell in ran for output in cell.outputs)
