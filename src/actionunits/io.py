"""Tables of this and other tools, read as results that summarise and draw themselves; schemas of what is written."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actionunits.errors import UserError, extras_explained

if TYPE_CHECKING:  # the package is imported without pandas
    from actionunits.reports.other_tools import TableResult

SCHEMAS = {"run_card": "run_card.v1.schema.json", "tidy": "tidy_table.v1.schema.json"}


def read_openface(path: str | Path) -> TableResult:
    """Read a table that OpenFace wrote, or `actionunits detect` with its default columns.

    Parameters:
        path: a CSV file of any version of OpenFace, or a CSV or Parquet file of ours.

    Returns:
        A result with `summary()`, `episodes()` and `plot()`, and with `table`, the data frame as it was read. Where a
        table has no presence (`AU12_c`), an action unit counts as present from a probability (`AU12_p`) of 0.5, or
        without one from intensity 1.

    Raises:
        UserError: where the file cannot be read, or has no columns of action units.

    Examples:
        >>> import actionunits as au
        >>> result = au.io.read_openface("openface.csv")
        >>> result
        TableResult('openface.csv', 3 frames, 2 with a face, 1 person)
        >>> result.episodes()[["au", "onset_s", "offset_s", "peak"]].to_dict("records")
        [{'au': 'AU12', 'onset_s': 0.04, 'offset_s': 0.04, 'peak': 2.5}]
    """
    with extras_explained():
        from actionunits.reports.other_tools import openface_result
        from actionunits.reports.tables import read_table

        return openface_result(read_table(path), str(path))


def read_pyfeat(path: str | Path, fps: float | None = None) -> TableResult:
    """Read a table that py-feat wrote, or `actionunits detect --schema pyfeat`.

    Parameters:
        path: a CSV file of py-feat 1 or 2, or a CSV or Parquet file of ours.
        fps: frames per second of the video. Without, it is taken from `approx_time`, which tells whole seconds: exact
            to a frame where the video is longer than a second.

    Returns:
        A result as of `read_openface`. py-feat tells probabilities and no intensities: an action unit counts as
        present from 0.5, and intensities are unknown (NaN).

    Raises:
        UserError: where the file cannot be read, has no columns of action units, or does not tell the times of a
            video.

    Examples:
        >>> import actionunits as au
        >>> au.io.read_pyfeat("pyfeat.csv", fps=25).summary().query("au == 'AU12'")["rate"].tolist()
        [0.5]
    """
    with extras_explained():
        from actionunits.reports.other_tools import pyfeat_result
        from actionunits.reports.tables import read_table

        return pyfeat_result(read_table(path), str(path), fps)


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `actionunits` writes.

    Parameters:
        name: "run_card", the JSON file beside each table, or "tidy", a row of a table with `--schema tidy`.

    Raises:
        UserError: for another name.

    Examples:
        >>> import actionunits as au
        >>> au.io.json_schema("tidy")["title"]
        'A row of a tidy table of actionunits, version 1'
    """
    if name not in SCHEMAS:
        raise UserError(f"there is no schema '{name}'; choose one of {', '.join(SCHEMAS)}")
    return json.loads((files("actionunits.reports") / SCHEMAS[name]).read_text(encoding="utf-8"))
