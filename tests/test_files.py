"""Files appear whole or not at all."""

import errno
import os
import pwd
import tempfile
from pathlib import Path

import pytest

from actionunits.errors import UserError
from actionunits.files import cache_folder, remove_unfinished, write_atomically


def test_file_appears_when_the_block_ends_well(tmp_path):
    path = tmp_path / "new folder" / "scores.csv"
    with write_atomically(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == ".csv"
        temporary.write_text("a,b\n")
        assert not path.exists()
    assert path.read_text() == "a,b\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["scores.csv", "[a]*?.csv", "é" * 100 + ".csv"])
def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    kept = [path, tmp_path / f".{path.stem}-note.csv", tmp_path / ".other-0123abcd.csv"]
    for file in kept:
        file.touch()
    with write_atomically(path) as temporary:
        os.link(temporary, left := tmp_path / f"{temporary.stem[:-8]}0123abcd.csv")
    assert left.exists()
    remove_unfinished(path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    remove_unfinished(tmp_path / "nowhere" / "x.csv")


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with pytest.raises(type(error)), write_atomically(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_file_has_the_usual_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    with write_atomically(tmp_path / "ours"):
        pass
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EDQUOT, "quota")],
)
def test_full_or_locked_disk_is_told_in_one_line(tmp_path, number, reason):
    path = tmp_path / "scores.csv"
    with pytest.raises(UserError, match=reason) as caught, write_atomically(path):
        raise OSError(number, os.strerror(number))
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_folder_without_permission_is_found_before_the_work(tmp_path, monkeypatch):
    def refuse(name, *_args):
        raise PermissionError(errno.EACCES, "Permission denied", str(name))

    monkeypatch.setattr(os, "open", refuse)  # the tests may run as root, whom no file mode stops
    with pytest.raises(UserError, match="no permission"), write_atomically(tmp_path / "scores.csv"):
        pytest.fail("the work began")


def test_folder_as_target_and_file_as_folder_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="it is a folder"), write_atomically(tmp_path):
        pytest.fail("the work began")
    with pytest.raises(UserError, match=r"cannot write .*inner"), write_atomically(tmp_path / "file" / "inner"):
        pytest.fail("the work began")


def test_error_of_reading_another_file_is_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError), write_atomically(tmp_path / "out.csv"):
        (tmp_path / "input.csv").read_text()


def test_device_is_written_to_and_not_replaced(tmp_path):
    with write_atomically("/dev/null") as temporary:
        temporary.write_text("gone")
    assert Path("/dev/null").is_char_device()


def test_link_stays_a_link(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with write_atomically(tmp_path / "link.csv") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"


def test_cache_folder_is_the_named_one_else_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("ACTIONUNITS_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("ACTIONUNITS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "actionunits"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "actionunits"


def test_cache_folder_of_a_user_without_account_is_temporary(monkeypatch):
    def unknown(user):
        raise KeyError(user)

    for name in ("ACTIONUNITS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert cache_folder().parent == Path(tempfile.gettempdir())
