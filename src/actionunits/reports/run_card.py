"""Run card: a JSON file beside each table that says what was read, with what, and whether all of it was written."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from actionunits.files import file_sha256, valid_text, write_atomically

CARD_VERSION = 1  # of run_card.v1.schema.json; a field that goes or changes its meaning makes a new one
PACKAGES = ("actionunits", "onnxruntime", "torch", "av", "numpy")
LARGEST_HASHED_BYTES = 2**30  # about two seconds of reading; larger files are told by their size


def write_run_card(path: Path, fields: Mapping[str, Any]) -> None:
    """Write the card. Raises UserError where that is not possible."""
    text = json.dumps(as_json(fields), indent=2, ensure_ascii=False, allow_nan=False)
    with write_atomically(path) as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8")


def as_json(value: Any) -> Any:
    """The value as it comes back from a file: names of any bytes as text, wherever they stand."""
    if isinstance(value, str | Path):
        return valid_text(str(value))
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list | tuple) else value


def describe_files(sources: Sequence[str]) -> dict[str, Any]:
    """Number of files and their size together; the sha256 of a single file of up to 1 GiB."""
    files = [Path(source) for source in sources if Path(source).is_file()]
    described: dict[str, Any] = {"files": len(files), "bytes": sum(file.stat().st_size for file in files)}
    if len(files) == 1 and described["bytes"] <= LARGEST_HASHED_BYTES:
        described["sha256"] = file_sha256(files[0])
    return described


def versions() -> dict[str, str]:
    """Versions of Python and of those packages that decide about the numbers and are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
