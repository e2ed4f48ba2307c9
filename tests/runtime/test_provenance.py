"""A result names the commit it comes from, and says when files differ from it."""

import platform
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


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("fma avx2", "AVX2"),
        ("avx2 avx512f avx512bw", "AVX-512"),
        ("avx2 avx512f avx512_vnni", "AVX-512 VNNI"),
        ("avx2 avx_vnni", "AVX2 VNNI"),
        ("fp asimd", "NEON"),
        ("fpu sse2", ""),
    ],
)
def test_the_widest_instructions_of_a_processor_are_told(flags, told, tmp_path):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert provenance.instruction_set(tmp_path / "cpuinfo") == f"{platform.machine()} {told}".strip()
    assert provenance.instruction_set(tmp_path / "none") == platform.machine()
