"""The house stays in order: imports point one way, papers do not lean on each other, files stay readable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import actionunits
from actionunits.models import MODELS

PACKAGE = Path(actionunits.__file__).parent
FLOORS = [
    {"__init__", "errors", "aus", "ranges", "checks", "types", "files", "pipeline", "device", "processes"}
    | {"provenance"},
    {"media", "faces", "synth", "models"},
    {"datasets", "training", "evaluation", "weights", "testing"},
    {"detect", "calibration", "smoothing", "spool", "reports", "analyse"},
    {"console", "cli", "cli_data", "cli_options", "cli_protocols", "cli_reports", "web"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Dotted names below `actionunits` that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.removeprefix("actionunits.") for name in names if name.startswith("actionunits.")}
    return found


def test_every_room_has_a_floor():
    assert {room_of(path) for path in FILES} <= set(FLOOR_OF)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_leftward(path):
    own = FLOOR_OF[room_of(path)]
    rooms = {name.split(".")[0] for name in imports_of(path)}
    assert {room for room in rooms if FLOOR_OF.get(room, 0) > own} == set()


@pytest.mark.parametrize("key", MODELS)
def test_a_paper_does_not_import_another(key):
    others = {f"models.{other}" for other in MODELS if other != key}
    for path in (PACKAGE / "models" / key).rglob("*.py"):
        assert not {name for name in imports_of(path) if any(name.startswith(other) for other in others)}


def test_models_know_neither_data_nor_training():
    for path in (PACKAGE / "models").rglob("*.py"):
        assert not {name for name in imports_of(path) if name.split(".")[0] in {"datasets", "training", "evaluation"}}


@pytest.mark.parametrize("room", ["synth.render", "models", "training.loop"])
def test_imports_without_mediapipe_pyav_and_pydantic(room):
    # Machines that only render and train do not have them.
    block = "import sys; sys.modules.update(dict.fromkeys(('mediapipe', 'av', 'pydantic')))"
    subprocess.run([sys.executable, "-c", f"{block}; import actionunits.{room}"], check=True)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_under_420_lines(path):
    assert path.read_text().count("\n") < 420


def test_command_line_holds_no_heavy_import():
    heavy = ("torch", "mediapipe", "av", "numba")
    code = f"import sys, actionunits.cli; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_values_that_travel_need_no_torch():
    code = "import sys, actionunits.types; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
