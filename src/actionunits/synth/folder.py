"""The folder that a data set is rendered into: a card says what it holds, so that a run can go on, or must not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from actionunits import __version__
from actionunits.errors import UserError
from actionunits.files import write_json

FACE_MODEL = "ICT Face Model Light (USC Institute for Creative Technologies, MIT licence)"

_UNFINISHED = re.compile(r"\..*-[0-9a-f]{8}\.\w+")


def claim_folder(out: Path, card_file: str, card: dict[str, Any]) -> None:
    """Make the folder this card's, or make sure that it is.

    Raises UserError if it holds another data set or anything else, or cannot be made.
    """
    path = out / card_file
    if path.is_file():
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is damaged ({error}); delete the folder or choose another --out") from error
        if not isinstance(held, dict):
            raise UserError(f"{path} is damaged (no JSON object); delete the folder or choose another --out")
        changed = [k for k, v in card.items() if held.get(k) != v]
        if changed:
            was = ", ".join(f"{k}={held.get(k)}" for k in changed)
            raise UserError(f"{out} holds another data set ({was}); choose another --out or repeat its options")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not a data set of renders (no {card_file}); choose another --out")
    make_folder(out)
    write_json(path, {**card, "facekit": FACE_MODEL, "version": __version__}, indent=2)


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises UserError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create {path}: {error.strerror}") from error


def remove_unfinished(folder: Path) -> None:
    """Remove files that a killed run left half-written, in the folder and below."""
    for path in folder.rglob(".*"):
        if _UNFINISHED.fullmatch(path.name) and path.is_file():
            path.unlink()
