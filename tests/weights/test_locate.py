"""Weights by name and by path."""

import pytest

from actionunits.errors import UserError
from actionunits.weights import locate


def test_names_and_paths_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(locate, "BUNDLED", tmp_path)
    (tmp_path / "little.safetensors").write_bytes(b"weights")
    assert locate.find_weights("little") == tmp_path / "little.safetensors"
    assert locate.bundled_names() == ["little"]
    assert locate.find_weights(tmp_path / "little.safetensors") == tmp_path / "little.safetensors"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate.find_weights("~/little.safetensors") == tmp_path / "little.safetensors"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("huge", "known names are little; or give the path"),
        ("runs/none.safetensors", "no such file of weights"),
        ("~nobody-of-this-name/none.safetensors", "no such file of weights"),
    ],
)
def test_unknown_names_and_paths_are_one_line(name, message, tmp_path, monkeypatch):
    monkeypatch.setattr(locate, "BUNDLED", tmp_path)
    (tmp_path / "little.safetensors").touch()
    with pytest.raises(UserError, match=message):
        locate.find_weights(name)
