"""A result names the commit it comes from, and says when files differ from it."""

import subprocess

import pytest

from actionunits.runtime import provenance


@pytest.fixture
def commit_of(tmp_path, monkeypatch):
    """source_commit as if the package lay in a folder of tmp_path."""
    file = tmp_path / "runtime" / "provenance.py"
    file.parent.mkdir()
    file.write_text("one")
    monkeypatch.setattr(provenance, "__file__", str(file))
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "A")
        monkeypatch.setenv(f"{name}_EMAIL", "a@b.c")

    def read():
        return provenance.source_commit.__wrapped__()

    return file, read


def git(folder, *arguments):
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


def test_a_checkout_has_its_commit_and_a_plus_where_files_differ(commit_of):
    file, read = commit_of
    git(file.parents[1], "init", "-q")
    git(file.parents[1], "add", ".")
    git(file.parents[1], "commit", "-q", "-m", "first")
    head = git(file.parents[1], "rev-parse", "HEAD").strip()
    assert read() == head
    file.write_text("two")
    assert read() == head + "+"


def test_a_copy_in_somebody_elses_checkout_has_none(commit_of):
    file, read = commit_of
    assert read() == ""
    git(file.parents[1], "init", "-q")
    git(file.parents[1], "commit", "-q", "--allow-empty", "-m", "theirs")
    assert read() == ""
