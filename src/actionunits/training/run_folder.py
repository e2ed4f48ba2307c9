"""The folder of a run: whose it is, and what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from actionunits.errors import UserError
from actionunits.files import write_json
from actionunits.training.loop import STATE_FILE

CHECKPOINT_FILE = "model.safetensors"
RUN_FILE = "run.json"


def claim_folder(out: Path, identity: dict[str, Any], resume: bool) -> None:
    """Write `run.json` into the folder, or see that a resumed run is the same one. Raises UserError if not."""
    path = out / RUN_FILE
    identity = json.loads(json.dumps(identity))
    if resume:
        if (out / CHECKPOINT_FILE).exists():
            raise UserError(f"the run in {out} is finished; there is nothing to resume")
        try:
            before = json.loads(path.read_text())
        except FileNotFoundError:
            raise UserError(f"nothing to resume: {path} does not exist; start without --resume") from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path}: {error}") from None
        for name, value in identity.items():
            if before.get(name) != value:
                changed = difference(name, before.get(name), value)
                raise UserError(f"{out} holds a run with other settings ({changed}); name another folder")
        return
    refuse_used_folder(out)
    write_json(path, identity)


def refuse_used_folder(out: Path) -> None:
    """Raises UserError where the folder already holds a run."""
    if any((out / name).exists() for name in (RUN_FILE, STATE_FILE, CHECKPOINT_FILE)):
        raise UserError(f"{out} holds another run; continue it with --resume or name another folder")


def difference(name: str, before: Any, now: Any) -> str:
    """How a value that was to stay the same has changed, in words; of dictionaries, the first entry that did."""
    if isinstance(before, dict) and isinstance(now, dict):
        inner = next((key for key in now if before.get(key) != now[key]), name)
        return difference(f"{name} {inner}", before.get(inner), now.get(inner))
    if isinstance(before, list) or isinstance(now, list):
        return f"{name} differ"
    return f"{name} was {before}, is {now}"
