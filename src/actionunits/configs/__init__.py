"""Settings of the models, one YAML file for each model and data set: `<model>_<data set>.yaml`."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent


_LINE = re.compile(r"(\w+):[^#]*#\s*(.+)")


def find_config(name_or_path: str | Path) -> Path:
    """The file of settings that a user names: a path, or the name of one that comes with the package.

    >>> find_config("resnet18_small").name
    'resnet18_small.yaml'
    """
    shipped = FOLDER / f"{name_or_path}.yaml"
    is_name = Path(name_or_path).name == str(name_or_path)
    return shipped if is_name and shipped.is_file() else Path(name_or_path)


def read_sources(path: Path) -> dict[str, str]:
    """What a file says of each setting: the section of the paper that names its value, or why it is ours.

    >>> read_sources(FOLDER / "renet_bp4d.yaml")["lr"]
    'Sec. 4.3'
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return {match[1]: match[2] for match in map(_LINE.fullmatch, lines) if match}
