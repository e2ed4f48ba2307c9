"""Where the files of each input go, and what they must not write over."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from actionunits.detection.options import AnalysisOptions
from actionunits.errors import UserError
from actionunits.files import ANNOTATED, RUN_CARD, TIMELINE, check_name, remove_unfinished, valid_text
from actionunits.media import read_for
from actionunits.reports.tables import TABLE_SUFFIXES

DATASET = "dataset"  # the format of one Parquet data set over all inputs
_PARTS, _OTHERS = "table", "runs"


@dataclass(frozen=True)
class OutputPaths:
    """Where the files of one input go: beside the table, with its name.

    others: the name of those other than the table, where that is a part of a data set, in which no others may lie.
    """

    table: Path
    others: Path | None = None

    @property
    def is_part(self) -> bool:
        """Whether the table is a part of a data set, of which all have the same columns."""
        return self.others is not None

    @property
    def card(self) -> Path:
        """The run card."""
        return self._named(RUN_CARD)

    def timeline(self, picture_format: str) -> Path:
        """The timeline, as "png", "jpg", "svg" or "pdf"."""
        return self._named(f"{TIMELINE}.{picture_format}")

    @property
    def episodes(self) -> Path:
        """The episodes."""
        return self._named(".episodes.csv")

    @property
    def cooccurrence(self) -> Path:
        """How action units go together."""
        return self._named(".cooccurrence.csv")

    @property
    def synchrony(self) -> Path:
        """How people go together."""
        return self._named(".synchrony.csv")

    @property
    def likenesses(self) -> Path:
        """What the people look like."""
        return self._named(".people.json")

    @property
    def elan(self) -> Path:
        """The episodes for ELAN."""
        return self._named(".eaf")

    def annotated(self, kind: str) -> Path:
        """The annotated picture ("image"), folder of pictures ("images") or video."""
        return self._named(ANNOTATED + {"image": ".png", "images": ""}.get(kind, ".mp4"))

    def _named(self, mark: str) -> Path:
        if self.others is not None:
            return self.others.with_name(self.others.name + mark)
        return self.table.with_name(self.table.stem + mark)

    def all(self, options: AnalysisOptions) -> list[Path]:
        """Every file that an input may leave, whatever kind it turns out to be."""
        annotated = [self.annotated(kind) for kind in ("image", "images", "video")] if options.annotate else []
        asked = [
            *((options.episodes, self.episodes), (options.elan, self.elan)),
            *((options.relations, self.cooccurrence), (options.relations, self.synchrony)),
            (options.same_people, self.likenesses),
        ]
        timeline = [self.timeline(options.timeline)] if options.timeline else []
        return [self.table, self.card, *annotated, *timeline, *(file for wanted, file in asked if wanted)]

    def check(self, options: AnalysisOptions) -> None:
        """Raises UserError for a name that this system cannot hold, before anything is computed."""
        for file in self.all(options):
            check_name(file)

    def remove_unfinished(self, options: AnalysisOptions) -> None:
        """Remove what a process that was killed has left of the files."""
        for file in self.all(options):
            remove_unfinished(file)
        if self.is_part:
            with suppress(OSError):  # it holds an earlier part, or was never made
                self.table.parent.rmdir()


def output_paths(
    sources: Sequence[str], out: Path, table_format: str = "csv", below: Sequence[Path] = ()
) -> list[OutputPaths]:
    """Where the table of each input goes: into the folder `out`, or to the file `out` if it ends as tables do.

    below: for each input the folder below `out` that its files go to; without, `out` itself.

    Raises UserError for an unknown format, a name of a file that is no table's, and if two inputs would be written to
    one file.
    """
    if f".{table_format}" not in TABLE_SUFFIXES:
        raise UserError(f"'{table_format}' is not a table format; choose csv, parquet or {DATASET}")
    if out.suffix in TABLE_SUFFIXES and not out.is_dir():
        if len(sources) > 1:
            raise UserError(f"{out} is one file, but there are {len(sources)} inputs; name a folder instead")
        return [OutputPaths(out)]
    if out.suffix[1:].isalnum() and not out.suffix[1:].isdigit() and not out.is_dir():
        raise UserError(f"{out} is neither a folder nor a table; a table ends in {' or '.join(TABLE_SUFFIXES)}")
    taken: dict[Path, str] = {}
    for source, folder in zip(sources, below or [Path()] * len(sources), strict=True):
        table = out / folder / f"{_output_stem(source)}.{table_format}"
        if table in taken:
            raise UserError(
                f"{taken[table]} and {source} would both be written to {table}; give each an --out of its own, or "
                "name the folder that holds both, with --recursive"
            )
        taken[table] = source
    return [OutputPaths(table) for table in taken]


def dataset_paths(sources: Sequence[str], out: Path) -> list[OutputPaths]:
    """The same for a data set in the folder `out`: in `table`, partitioned by input as Hive does; the rest in `runs`.

    Raises UserError where `out` has the name of a file.
    """
    if out.suffix in TABLE_SUFFIXES or (out.exists() and not out.is_dir()):
        raise UserError(f"{out} is one file; a data set is a folder")
    names = [f"file={quote(valid_text(source), safe='')}" for source in sources]
    return [OutputPaths(out / _PARTS / name / "part.parquet", out / _OTHERS / name) for name in names]


def refuse_overwriting(sources: Sequence[str], paths: Sequence[OutputPaths], options: AnalysisOptions) -> None:
    """Raises UserError where a file that would be written is, or lies among, the inputs."""
    named = [*sources, options.neutral] if options.neutral else sources
    read = {os.path.realpath(file) for source in named for file in _files_of(source)}
    for to in paths:
        for file in to.all(options):
            if os.path.realpath(file) in read:
                raise UserError(f"{file} would be written over, and it is an input; name another folder with --out")


def _files_of(source: str) -> list[Path]:
    """Files that are read for an input; what is wrong with it is told where it is read."""
    try:
        return read_for(source)
    except UserError:
        return []


def _output_stem(source: str) -> str:
    """`clip` for folder/clip.mp4, the folder's name for a folder or a pattern in it, `webcam-0`, `stdin`."""
    if source.startswith("webcam:"):
        return source.replace(":", "-")
    if source == "-":
        return "stdin"
    path = Path(source)
    if not os.path.lexists(path) and re.search(r"[*?\[]", source):
        plain = Path(re.split(r"[*?\[]", source)[0] + "x").parent.resolve()
        return plain.name or "pictures"
    if os.path.isdir(path):
        return path.resolve().name or "pictures"
    return path.stem
