"""Models of other packages: the one of the page that tells how to write one is installed, trained, and detects."""

import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from drawn_recordings import drawn_recording, inventory
from PIL import Image
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.datasets.crops.prepare import prepare
from actionunits.errors import UserError
from actionunits.models import MODELS, ModelEntry, find_model, model_keys, register_model
from actionunits.models.config_contract import CONFIG_ABILITIES
from actionunits.models.contract import ABILITIES
from actionunits.models.registry import GROUP, key_of, unregister_model
from actionunits.testing import UNNAMED, check_model
from actionunits.training.checkpoint import load_checkpoint

PAGE = Path(__file__).parents[2] / "docs" / "add_a_model.md"
TEXT = PAGE.read_text()
SMALL = {"image_size": 64, "width": 8}


def block(language: str, containing: str) -> str:
    """The one code block of the page that holds a text."""
    (found,) = [code for code in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL) if containing in code]
    return found


def install(folder: Path, package: str, module: str, points: dict[str, str]) -> None:
    """What an installer leaves in `folder`: a module, and the entry points of its package."""
    (folder / f"{package}.py").write_text(module)
    about = folder / f"{package}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", *(f"{key} = {place}" for key, place in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that packages can be installed in."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def smallnet(site):
    points = tomllib.loads(block("toml", GROUP))["project"]["entry-points"][GROUP]
    install(site, "smallnet", block("python", "ENTRY ="), points)


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "150"})
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def test_the_model_of_the_page_is_trained_tested_and_detects(smallnet, tmp_path, astronaut):
    people = [drawn_recording(tmp_path / "pictures", f"F{k:03d}", frames=6, seed=k) for k in range(1, 7)]
    data = prepare(inventory(*people), tmp_path / "prepared" / "bp4d", workers=1).folder
    quick = ["--accelerator", "cpu"]
    for setting in ("image_size=64", "width=8", "batch_size=8", "epochs=1"):
        quick += ["--set", setting]
    run("train", "smallnet", "--data", data, "--out", tmp_path / "run", *quick)
    weights = tmp_path / "run" / "model.safetensors"
    assert load_checkpoint(weights).header["model"] == "smallnet"
    assert "smallnet" in run("crossval", "smallnet", "--data", data, "--out", tmp_path / "cv", "--folds", "2", *quick)
    picture = tmp_path / "astronaut.png"
    Image.fromarray(astronaut).save(picture)
    run("detect", picture, "--weights", weights, "--out", tmp_path / "faces.csv", "--device", "cpu")
    table = pd.read_csv(tmp_path / "faces.csv", skipinitialspace=True)
    assert len(table) == 1 and table["AU12_p"].between(0, 1).all()


def test_the_model_of_the_page_keeps_the_contract(smallnet):
    check_model("smallnet", SMALL)


def test_the_check_of_a_model_names_what_is_wrong(smallnet):
    entry = find_model("smallnet")

    class Repeating(entry.model):
        def stages(self):
            return [*super().stages(), *super().stages()]

    class Gullible(entry.model):
        def losses(self, output, batch):
            return {"occurrence": (output.au_logit - batch.au_present.nan_to_num()).square().mean()}

    class Shadowing(entry.model):
        def __init__(self, config, aus):
            super().__init__(config, aus)
            self.flow = lambda batch: batch.flow

    for wrong, line in (
        (Repeating, "two stages have one name"),
        (Gullible, "unknown labels change the loss"),
        (Shadowing, "has a name of EstimatesFlow and is no method"),
    ):
        with pytest.raises(AssertionError, match=line):
            check_model(ModelEntry(entry.config, wrong), SMALL)
    assert UNNAMED not in model_keys()


def test_a_broken_package_is_named_when_its_model_is_asked_for_and_harms_no_other(smallnet, site, tmp_path):
    install(site, "broken", "import does_not_exist", {"broken": "broken:ENTRY"})
    install(site, "vague", "ENTRY = dict(config=1)", {"vague": "vague:ENTRY"})
    install(site, "double", "ENTRY = None", {"vague": "double:ENTRY", "resnet18": "double:ENTRY"})
    assert model_keys() == [*MODELS, "broken", "smallnet", "vague"]
    with pytest.raises(UserError, match=r"the package broken cannot give its model 'broken' \(ModuleNotFoundError"):
        find_model("broken")
    with pytest.raises(UserError, match="the package double and the package vague both bring a model 'vague'"):
        find_model("vague")
    result = CliRunner().invoke(app, ["train", "broken", "--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert isinstance(result.exception, UserError) and not (tmp_path / "run").exists()
    assert find_model("resnet18").model.__module__.startswith("actionunits.")
    model = find_model("smallnet").model(find_model("smallnet").config(**SMALL), (1,))
    assert key_of(model) == "smallnet"


def test_a_package_that_gives_something_else_is_named(site):
    install(site, "vague", "ENTRY = dict(config=1)", {"vague": "vague:ENTRY"})
    with pytest.raises(UserError, match="the package vague gives no ModelEntry for 'vague'"):
        find_model("vague")


def test_a_program_registers_a_model_for_itself():
    entry = ModelEntry(find_model("hog").config, find_model("hog").model)
    with pytest.raises(ValueError, match="there is a model 'resnet18' already"):
        register_model("resnet18", entry)
    register_model("mine", entry)
    try:
        assert find_model("mine") is entry and model_keys()[-1] == "mine"
    finally:
        unregister_model("mine")
    with pytest.raises(UserError, match="unknown model 'mine'; known are deformae, drml, "):
        find_model("mine")


def test_no_model_is_imported_before_it_is_asked_for():
    modules = [f"actionunits.models.{key}" for key in MODELS]
    code = f"import sys, actionunits.models; sys.exit(any(module in sys.modules for module in {modules}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def ability_table() -> str:
    """The table of the page: every ability with its members, its own sentence, and the models that have it."""
    rows = ["| ability | members | what it says | here |", "|---|---|---|---|"]
    for part, abilities in (("model", ABILITIES), ("config", CONFIG_ABILITIES)):
        for ability in abilities:
            members = [name for name in {**ability.__annotations__, **vars(ability)} if not name.startswith("_")]
            kinds = {key: getattr(find_model(key), part) for key in sorted(MODELS)}
            able = [key for key, kind in kinds.items() if ability in kind.__mro__]
            names = ", ".join(f"`{name}`" for name in members)
            rows.append(f"| `{ability.__name__}` | {names} | {inspect.getdoc(ability)} | {', '.join(able)} |")
    return "\n".join(rows)


def test_the_page_lists_the_abilities_of_the_contract():
    assert ability_table() in TEXT, f"the table of {PAGE.name} should be:\n{ability_table()}"
