"""Where the files of each input go, and what they must not write over."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actionunits.detection.options import AnalysisOptions
from actionunits.errors import UserError
from actionunits.files import ANNOTATED, RUN_CARD, TIMELINE, check_name
from actionunits.media import read_for
from actionunits.reports.tables import TABLE_SUFFIXES


@dataclass(frozen=True)
class OutputPaths:
    """Where the files of one input go: beside the table, with its name."""

    table: Path

    @property
    def card(self) -> Path:
        """The run card."""
        return self.table.with_name(self.table.stem + RUN_CARD)

    def timeline(self, picture_format: str) -> Path:
        """The timeline, as "png", "svg" or "pdf"."""
        return self.table.with_name(f"{self.table.stem}{TIMELINE}.{picture_format}")

    @property
    def episodes(self) -> Path:
        """The episodes."""
        return self.table.with_name(f"{self.table.stem}.episodes.csv")

    @property
    def cooccurrence(self) -> Path:
        """How action units go together."""
        return self.table.with_name(f"{self.table.stem}.cooccurrence.csv")

    @property
    def synchrony(self) -> Path:
        """How people go together."""
        return self.table.with_name(f"{self.table.stem}.synchrony.csv")

    @property
    def likenesses(self) -> Path:
        """What the people look like."""
        return self.table.with_name(f"{self.table.stem}.people.json")

    @property
    def elan(self) -> Path:
        """The episodes for ELAN."""
        return self.table.with_name(f"{self.table.stem}.eaf")

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

    def annotated(self, kind: str) -> Path:
        """The annotated picture ("image"), folder of pictures ("images") or video."""
        suffix = {"image": ".png", "images": ""}.get(kind, ".mp4")
        return self.table.with_name(f"{self.table.stem}{ANNOTATED}{suffix}")


def output_paths(
    sources: Sequence[str], out: Path, table_format: str = "csv", below: Sequence[Path] = ()
) -> list[OutputPaths]:
    """Where the table of each input goes: into the folder `out`, or to the file `out` if it ends as tables do.

    below: for each input the folder below `out` that its files go to; without, `out` itself.

    Raises UserError for an unknown format, a name of a file that is no table's, and if two inputs would be written to
    one file.
    """
    if f".{table_format}" not in TABLE_SUFFIXES:
        raise UserError(f"'{table_format}' is not a table format; choose csv or parquet")
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
