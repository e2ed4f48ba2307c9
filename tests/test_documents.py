"""What the documents say holds: tables come from results/, links lead somewhere, commands exist."""

import pydoc
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actionunits import __version__
from actionunits.aus import AUS, SYNTH_AUS, au_label
from actionunits.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/*/*.md"), *ROOT.glob("src/**/*.md")]


def test_tables_are_those_of_the_results():
    # A process of its own: benchmarks/ and experiments/ both have a module named after each system.
    run = subprocess.run(
        [sys.executable, ROOT / "experiments" / "tables.py", "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


@cache
def help_of(*words):
    """Exit code and text of `--help`, once for all documents."""
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    return result.exit_code, result.output


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(path):
    links = re.findall(r"\]\(([^)#\s]+)\)", path.read_text())
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_have_the_options_that_are_shown(path):
    text = path.read_text().replace("\\\n", " ")
    for command, rest in re.findall(r"^actionunits (\w+)(.*)$", text, re.MULTILINE):
        shown = set(re.findall(r"(?<= )--[a-z-]+", rest.split("#")[0]))
        grouped = command in {group.name for group in app.registered_groups}
        words = [command, *rest.split()[:1]] if grouped else [command]
        code, told = help_of(*words)
        assert code == 0, f"{path}: no command {' '.join(words)}"
        assert shown <= set(re.findall(r"--[a-z-]+", told)), f"{path}: actionunits {command}{rest}"


def test_messages_of_the_page_are_those_of_the_program():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    # A message may be broken over lines of code, and holds names and numbers in braces.
    code = re.sub(r'"\s*f?"', "", code.replace("\\'", "'"))
    headings = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    pieces = {piece.strip(" :;'") for heading in headings for piece in heading.split("…")}
    # Said by the shell, and two that the program puts together from parts.
    pieces -= {"command not found: actionunits", "frames 31-48 cannot be shown", "ACTIONUNITS_TOKEN must have"}
    assert len(pieces) > 30
    assert [piece for piece in sorted(pieces) if piece not in code] == []


@pytest.mark.parametrize("number", SYNTH_AUS)
def test_every_action_unit_has_a_page_with_pictures(number):
    label = au_label(number).lower()
    page = (ROOT / "docs" / "aus" / f"{label}.md").read_text()
    assert page.startswith(f"# AU{number}: {AUS[number].name}\n")
    assert f"(img/{label}.webp)" in page
    assert "## What it is confused with" in page


def test_python_page_names_what_exists():
    names = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert len(names) > 10
    assert [name for name in names if pydoc.locate(name) is None] == []


def test_one_version_everywhere():
    found = {
        "pyproject.toml": re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE),
        "CITATION.cff": re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE),
    }
    assert {name: match and match[1] for name, match in found.items()} == dict.fromkeys(found, __version__)


@pytest.mark.slow
def test_site_builds_without_a_warning_and_asks_no_other_host(tmp_path):
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    run = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = r"""<(?:script|img|iframe|link rel="stylesheet")[^>]*(?:src|href)="(https?:[^"]*)"""
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 50
    assert [link for page in pages for link in re.findall(loaded, page.read_text())] == []
