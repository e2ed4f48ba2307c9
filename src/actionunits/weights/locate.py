"""Where released weights are: beside this file, or at a path."""

from __future__ import annotations

import os
from pathlib import Path

from actionunits.errors import UserError

BUNDLED = Path(__file__).parent
SUFFIX = ".safetensors"


def bundled_names() -> list[str]:
    """Names of the weights that travel with the package, in alphabetical order."""
    return sorted(path.stem for path in BUNDLED.glob(f"*{SUFFIX}"))


def find_weights(name_or_path: str | Path) -> Path:
    """File of weights given by name, such as `resnet18`, or by path. Raises UserError where there is none."""
    text = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or Path(text).suffix != "" or os.sep in text
    if is_path:
        # Unlike Path.expanduser, this leaves the ~ of a user who has no home folder.
        path = Path(os.path.expanduser(text))
        if not path.is_file():
            raise UserError(f"no such file of weights: {path}")
        return path
    bundled = BUNDLED / f"{text}{SUFFIX}"
    if bundled.is_file():
        return bundled
    known = ", ".join(bundled_names()) or "none yet"
    raise UserError(f"no weights named '{text}'; known names are {known}; or give the path of a {SUFFIX} file")
