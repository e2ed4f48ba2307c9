"""The table of a prepared folder: one row per kept frame, with where its crop lies, its landmarks and labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from actionunits.aus import au_label
from actionunits.datasets.crops.crop_task import CroppedRecording, CropTask
from actionunits.datasets.crops.label_table import LANDMARK_COLUMNS, read_parquet
from actionunits.datasets.readers.recording import Recording
from actionunits.datasets.sampling.folds import PUBLISHED_FOLDS
from actionunits.files import write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

    Table: TypeAlias = pa.Table
else:
    Table = object

_ROWS_PER_GROUP = 16_384  # large row groups, so that columns compress well


def schema(aus: tuple[int, ...]) -> pa.Schema:
    """Columns of frames.parquet for a data set that codes these AUs."""
    import pyarrow as pa

    fields = [
        ("subject", pa.string()),
        ("task", pa.string()),
        ("crops", pa.string()),  # file inside the folder
        ("row", pa.int32()),  # in that file
        ("frame", pa.int32()),  # the data set's own number
        ("time_s", pa.float64()),
        ("anchor", pa.int32()),  # frame number of the neutral reference
        ("anchor_choice", pa.string()),  # how it was chosen, one of the words of `anchor_row`
        ("coded", pa.bool_()),  # what labels are for; other rows are there as anchors
        ("fold", pa.int8()),  # published part from 1, 0 for none
        ("split", pa.string()),
        *((name, pa.float32()) for name in LANDMARK_COLUMNS),  # stored-crop pixels
    ]
    for au in aus:
        label = au_label(au)
        fields += [(label, pa.int8()), (f"{label}_valid", pa.bool_()), (f"{label}_r", pa.float32())]
    return pa.schema(fields)


def published_fold(folds: str | None, subject: str) -> int:
    """Number of the published part that a subject belongs to, from 1; 0 for none.

    >>> published_fold("bp4d", "F003"), published_fold(None, "F003")
    (2, 0)
    """
    parts = PUBLISHED_FOLDS[folds] if folds else ()
    return next((k for k, part in enumerate(parts, start=1) if subject in part), 0)


def part(result: CroppedRecording, task: CropTask, aus: tuple[int, ...], folds: str | None) -> Table:
    """All rows of a recording, the lost ones too: the columns of `schema` and `lost`, empty for a kept row."""
    import pyarrow as pa

    recording = result.recording
    count, kept = len(recording), result.kept
    row = np.full(count, -1, np.int32)
    row[kept] = np.arange(len(kept))
    anchor, choice = anchor_row(recording, kept)
    columns: dict[str, object] = {
        "subject": [recording.subject] * count,
        "task": [recording.task] * count,
        "crops": [task.crops_name(recording)] * count,
        "row": row,
        "frame": recording.frame.astype(np.int32),
        "time_s": recording.time_s.astype(np.float64),
        "anchor": np.full(count, recording.frame[anchor], np.int32),
        "anchor_choice": [choice] * count,
        "coded": np.ones(count, bool) if recording.coded is None else recording.coded,
        "fold": np.full(count, published_fold(folds, recording.subject), np.int8),
        "split": [recording.split] * count,
    }
    points = result.landmarks_px.transpose(0, 2, 1).reshape(count, -1).round(2)
    columns |= {name: points[:, k] for k, name in enumerate(LANDMARK_COLUMNS)}
    for au in aus:
        label = au_label(au)
        if au in recording.aus:
            k = recording.aus.index(au)
            valid = np.asarray(recording.au_present_valid[:, k], bool)
            present = np.where(valid, recording.au_present[:, k] > 0, False)
            rated = np.asarray(recording.au_intensity_valid[:, k], bool)
            intensity = np.where(rated, recording.au_intensity[:, k], np.nan)
        else:
            valid, present, intensity = np.zeros(count, bool), np.zeros(count, bool), np.full(count, np.nan)
        columns |= {
            label: present.astype(np.int8),
            f"{label}_valid": valid,
            f"{label}_r": intensity.astype(np.float32),
        }
    columns["lost"] = result.lost
    return pa.table(columns, schema=schema(aus).append(pa.field("lost", pa.string())))


FIRST_FRAME, NEUTRAL_FRAME, NEXT_FRAME = "first frame", "first neutral coded frame", "next kept frame"


def anchor_row(recording: Recording, kept: np.ndarray) -> tuple[int, str]:
    """Row of the neutral reference, and how it was chosen (OF-Net, Sec. IV-A).

    The sequence's first frame on disk; where it is lost, or coded with an active AU, the first kept frame that is
    coded without one; without such a frame the next kept one, else the last. kept: rows with crops, ascending.
    """
    first = recording.anchor
    active = (recording.au_present.astype(bool) & recording.au_present_valid).any(1)
    if not len(kept) or (first in kept and not active[first]):
        return first, FIRST_FRAME
    neutral = kept[~active[kept] & recording.au_present_valid[kept].any(1)]
    if len(neutral):
        return int(neutral[0]), NEUTRAL_FRAME
    later = kept[kept >= first]
    return int(later[0] if len(later) else kept[-1]), NEXT_FRAME


def together(parts: Iterable[Table]) -> Table:
    """The rows of several parts, one after the other."""
    import pyarrow as pa

    return pa.concat_tables(list(parts))


def split_lost(table: Table) -> tuple[Table, list[tuple[str, str, int, str]]]:
    """The kept rows of a part, and subject, task, frame and reason of the others."""
    import pyarrow.compute as compute

    kept = compute.equal(table["lost"], "")
    gone = table.filter(compute.invert(kept))
    lost = list(zip(*(gone[name].to_pylist() for name in ("subject", "task", "frame", "lost")), strict=True))
    return table.filter(kept).drop_columns(["lost"]), lost


def write(table: Table, path: Path) -> None:
    """Write a part."""
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, path, compression="zstd")


def read(path: Path) -> Table:
    """Read a part. Raises UserError where it is damaged."""
    from actionunits.errors import UserError

    try:
        return read_parquet(path)
    except UserError as error:
        raise UserError(f"{error}; delete it and run the same command again") from None


def join(parts: Iterable[Table], path: Path, aus: tuple[int, ...]) -> int:
    """Write the parts one after the other, a few in memory at a time; the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet

    rows = 0
    with (
        write_atomically(path) as temporary,
        pyarrow.parquet.ParquetWriter(temporary, schema(aus), compression="zstd") as writer,
    ):
        waiting: list[Table] = []
        for table in parts:
            waiting.append(table)
            rows += table.num_rows
            if sum(t.num_rows for t in waiting) >= _ROWS_PER_GROUP:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    return rows
