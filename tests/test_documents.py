"""What the documents say holds: tables come from results/, links lead somewhere, commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actionunits.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*/*.md"), *ROOT.glob("src/**/*.md")]


def test_tables_are_those_of_the_results():
    run = subprocess.run(
        [sys.executable, ROOT / "experiments" / "tables.py", "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(path):
    links = re.findall(r"\]\(([^)#\s]+)\)", path.read_text())
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_have_the_options_that_are_shown(path):
    runner = CliRunner()
    text = path.read_text().replace("\\\n", " ")
    for command, rest in re.findall(r"^actionunits (\w+)(.*)$", text, re.MULTILINE):
        shown = set(re.findall(r"(?<= )--[a-z-]+", rest.split("#")[0]))
        grouped = command in {group.name for group in app.registered_groups}
        words = [command, *rest.split()[:1]] if grouped else [command]
        result = runner.invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert result.exit_code == 0, f"{path}: no command {' '.join(words)}"
        assert shown <= set(re.findall(r"--[a-z-]+", result.output)), f"{path}: actionunits {command}{rest}"
