"""The house stays in order: imports point one way, papers do not lean on each other, files stay readable."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import actionunits
from actionunits.errors import EXTRAS
from actionunits.models import MODELS

PACKAGE = Path(actionunits.__file__).parent
# Every room may use those before it, and none behind it.
ROOMS = (
    *("errors", "aus", "types", "files", "settings", "configs", "runtime", "scores"),
    *("media", "faces", "models", "synth", "datasets", "weights", "training", "evaluation"),
    *("reports", "detection", "io", "testing", "web", "cli", "__main__", "__init__"),
)
# Data sets are read, then prepared, then sampled; prepared data knows how anchors and folds are chosen.
READERS_KNOW_NEITHER = ("datasets.crops", "datasets.sampling")
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


def test_every_room_has_its_place():
    assert {room_of(path) for path in FILES} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_runs_back_up(path):
    own = ROOMS.index(room_of(path))
    rooms = {name.split(".")[0] for name in imports_of(path)} & set(ROOMS)
    assert {room for room in rooms if ROOMS.index(room) > own} == set()


def test_readers_know_neither_crops_nor_sampling():
    for path in (PACKAGE / "datasets" / "readers").rglob("*.py"):
        assert not {name for name in imports_of(path) if name.startswith(READERS_KNOW_NEITHER)}


@pytest.mark.parametrize("key", MODELS)
def test_a_paper_does_not_import_another(key):
    others = {f"models.{other}" for other in MODELS if other != key}
    for path in (PACKAGE / "models" / key).rglob("*.py"):
        assert not {name for name in imports_of(path) if any(name.startswith(other) for other in others)}


def test_models_know_neither_data_nor_training():
    for path in (PACKAGE / "models").rglob("*.py"):
        assert not {name for name in imports_of(path) if name.split(".")[0] in {"datasets", "training", "evaluation"}}


@pytest.mark.parametrize("room", ["synth.render", "models", "training.loop"])
def test_imports_without_onnxruntime_pyav_and_pydantic(room):
    # Machines that only render and train do not have them.
    block = "import sys; sys.modules.update(dict.fromkeys(('onnxruntime', 'av', 'pydantic')))"
    subprocess.run([sys.executable, "-c", f"{block}; import actionunits.{room}"], check=True)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_under_420_lines(path):
    assert path.read_text().count("\n") < 420


def test_command_line_holds_no_heavy_import():
    heavy = ("torch", "onnxruntime", "av", "numba")
    code = f"import sys, actionunits.cli; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_faces_are_found_without_mediapipe():
    block = "import sys; sys.modules['mediapipe'] = None"
    code = f"{block}; from actionunits.faces import FaceFinder; FaceFinder(video=True).close()"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("types", ("torch",)),
        ("detection.detector", ("torch", "numba", "scipy", "skimage", "pandas", "pyarrow", "yaml")),
        ("detection.analysis", ("torch", "numba", "scipy", "skimage", "pandas", "pyarrow", "yaml", "matplotlib")),
    ],
)
def test_what_detection_does_not_need_is_not_imported(module, heavy):
    code = f"import sys, actionunits.{module}; sys.exit(' '.join({set(heavy)} & set(sys.modules)) or 0)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_extras_are_those_of_the_package():
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    imported_as = {"scikit_learn": "sklearn", "scikit_image": "skimage", "pyyaml": "yaml", "dlib_bin": "dlib"}
    for extra, packages in EXTRAS.items():
        named = [
            re.split(r"[^a-z0-9-]", line)[0].replace("-", "_") for line in project["optional-dependencies"][extra]
        ]
        assert {imported_as.get(name, name) for name in named if name != "actionunits"} == set(packages)


def test_the_package_is_imported_in_a_moment():
    code = "import sys, actionunits; sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert actionunits.Detector.__module__ == "actionunits.detection.detector"
    with pytest.raises(AttributeError, match="has no attribute 'Detektor'"):
        actionunits.Detektor  # noqa: B018


def test_onnxruntime_does_not_report_to_its_maker(tmp_path):
    code = "import actionunits.detection.detector, onnxruntime"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], env=environment | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []  # its reporter notes a session before it sends


def test_a_wheel_carries_every_file_that_the_package_reads():
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["actionunits"]
    carried = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    there = {
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert there == carried and PACKAGE / "configs" / "renet_small.yaml" in carried
    # A folder without __init__.py would be left out of the wheel.
    assert all((path.parent / "__init__.py").is_file() for path in FILES)


def test_the_plan_in_the_documents_is_that_of_the_code():
    page = (PACKAGE.parents[1] / "docs" / "layout.md").read_text()
    told = re.findall(r"^\| `(\w+)(?:\.py|/)` \| (.+) \|$", page, re.MULTILINE)
    assert [room for room, _ in told] == [room for room in ROOMS if not room.startswith("_")]
    for room, sentence in told:
        file = PACKAGE / f"{room}.py" if (PACKAGE / f"{room}.py").is_file() else PACKAGE / room / "__init__.py"
        assert (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0] == sentence
