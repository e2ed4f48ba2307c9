"""All results of one input in memory, as Python gets them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from actionunits.detection.analysis import (
    Progress,
    card_of,
    check_options,
    kind_of,
    opened,
    reported,
    schema_of,
    stream_media,
)
from actionunits.detection.closed_eyes import ClosedEyesOption
from actionunits.detection.colour_order import ColourOrderHint
from actionunits.detection.detector import Detector, without_image
from actionunits.detection.neutral import NeutralOption
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.same_people import PeopleOption
from actionunits.errors import UserError, extras_explained
from actionunits.media import MediaReader, Source, input_name
from actionunits.media.memory import MemoryReader
from actionunits.media.stores import fetched
from actionunits.reports.result import AuResult
from actionunits.reports.run_card import describe_files
from actionunits.reports.schemas import RowSchema
from actionunits.reports.summary import SummaryCollector
from actionunits.reports.tables import open_table, to_dataframe
from actionunits.reports.thumbnails import data_address
from actionunits.types import FrameResult

if TYPE_CHECKING:  # a result can be had without it
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class DetectionResult(AuResult):
    """All results of one input, without its pictures; `actionunits.detect` makes it.

    Attributes:
        name: path or address of the input; "picture" or "pictures" for those in memory.
        frames: a `FrameResult` for each frame, in order; their pictures have a shape and no content.
        aus: numbers of the action units, in the order of every prediction.
        kind: "image", "images" (several photographs, that have nothing to do with each other) or "video".
        schema: names and order of the columns of `table`.
        card: what was read, and with what: the run card of the command line as a dictionary.
        thumbnail: the first frame with a face, small, as an address for the page of a notebook.
    """

    schema: RowSchema
    card: dict[str, Any]
    collector: SummaryCollector
    thumbnail: str | None = None  # of the first frame with a face, as the address of an <img>
    reopen: Callable[[], MediaReader] | None = None  # None for an input that can be read only once

    @cached_property
    def _collected(self) -> SummaryCollector:
        return self.collector

    @property
    def damage(self) -> str | None:
        """What of the input could not be read; None if all of it was."""
        return self.card["damage"]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The frames as a data frame, one row for each face of a frame, and one for a frame without a face.

        docs/detect.md explains the columns. With the schema "tidy", there is a row for each action unit of a face.
        Raises UserError without pandas.

        Examples:
            >>> import actionunits as au
            >>> au.detect("photo.jpg", schema="tidy").table.query("present == 1")["au"].tolist()
            ['AU05', 'AU06', 'AU12', 'AU25']
        """
        return to_dataframe(self.frames, self.schema)

    def save(self, path: str | Path) -> Path:
        """Write the table as the command line does, and return its path.

        Parameters:
            path: file to write, .csv (with the decimals of the schema) or .parquet (full precision).

        Raises:
            UserError: for another ending, where the file cannot be written, and for Parquet without pyarrow.
        """
        with extras_explained(), open_table(path, self.schema) as table:
            for frame in self.frames:
                table.write(frame)
        return Path(path)

    def annotate(self, i: int = 0) -> np.ndarray:
        """The picture of a frame with what was seen in it.

        Small pictures are enlarged, and a face that fills the picture gets a margin for its list. The input is read
        once more, up to that frame.

        Parameters:
            i: place in `frames`, from 0; negative counts from the end.

        Returns:
            (H, W, 3) uint8, RGB.

        Raises:
            UserError: for an input that can be read only once (a webcam, standard input, a generator), a frame that
                is not there, and without matplotlib.

        Examples:
            >>> import actionunits as au
            >>> au.detect("photo.jpg").annotate(0).shape
            (512, 512, 3)
        """
        if self.reopen is None:
            raise UserError(
                f"the pictures of {self.name} are not kept, and it cannot be read again; give a list or a file, or "
                "draw while `Detector.stream` gives the frames"
            )
        if not -len(self.frames) <= i < len(self.frames):
            raise UserError(f"there is no frame {i}; {self.name} has {len(self.frames)}, counted from 0")
        position = i % len(self.frames)
        with extras_explained():
            from actionunits.reports.annotate import drawn

            with self.reopen() as media:
                frame = next(islice(media, position, None))
            result = self.frames[position]
            return drawn(FrameResult(frame, result.faces, result.predictions))

    def report(self, path: str | Path) -> Path:
        """Write a page about the input, as `--report` of the command line does, and return its path.

        One HTML file that opens without a network: warnings first, episodes over time with their moments, the
        summary, and a sentence for the methods section.

        Parameters:
            path: file to write, such as "report.html".

        Raises:
            UserError: where the file cannot be written.
        """
        with extras_explained():
            from actionunits.reports.html_report import ReportedInput, write_report

            write_report(Path(path), [ReportedInput(self.name, self.card, self._collected.episodes() or [])], {})
        return Path(path)

    def _repr_html_(self) -> str:
        picture = "" if self.thumbnail is None else f'<img src="{self.thumbnail}" alt="" style="margin-right:12px">'
        return f'<div style="display:flex;align-items:flex-start">{picture}{super()._repr_html_()}</div>'


def detect_in_memory(
    detector: Detector, source: Source, options: AnalysisOptions, progress: Progress | None = None
) -> DetectionResult:
    """The results of one input, as the command line would write them.

    progress: called after every frame. Ctrl-C is the normal end of a webcam. Raises UserError for an unusable input
    or option; damage on the way is told in the result.
    """
    started_s, name = time.perf_counter(), input_name(source)
    with ExitStack() as stack:
        local = stack.enter_context(fetched(source, options.allow_network)) if isinstance(source, str) else source
        media = stack.enter_context(opened(local, options))
        kind = kind_of(media)
        check_options(name, kind, detector, options)
        reference, people = NeutralOption(detector, options, media), PeopleOption(options, media)
        closed = ClosedEyesOption(detector, options)
        schema = schema_of(kind, closed.aus, options)
        collector = SummaryCollector.of_kind(kind, closed.aus, relations=True)
        watch = _Watch(media)
        frames: list[FrameResult] = []
        try:
            results = reported(map(watch, stream_media(detector, media, name)), progress, media.frame_count)
            for result in closed.applied(reference.applied(people.applied(results, stack), stack)):
                collector.add(result)
                frames.append(without_image(result))
        except KeyboardInterrupt:
            if media.kind != "webcam" or not frames:
                raise
        if not frames:
            raise UserError(f"{name} has no frame there; choose others with start, end and every")
    card = card_of(name, media, detector, options, reference, collector, started_s) | {
        "input_files": describe_files(media.sources),
        "frames_written": len(frames),
        "rows_written": sum(len(schema.rows(frame)) for frame in frames),
        "outputs": [],
        "interrupted": False,
    }
    can_reopen = media.can_repeat and media.kind != "webcam" and local is source
    reopen = partial(opened, source, options) if can_reopen else None
    return DetectionResult(name, frames, closed.aus, kind, schema, card, collector, watch.thumbnail, reopen)


class _Watch:
    """Looks at results while they have their pictures: keeps a small one, and looks for exchanged colours."""

    def __init__(self, media: MediaReader) -> None:
        self._hint = ColourOrderHint() if isinstance(media, MemoryReader) else None
        self._has_face = False
        self.thumbnail: str | None = None

    def __call__(self, result: FrameResult) -> FrameResult:
        if self.thumbnail is None or (result.faces and not self._has_face):
            self._has_face = bool(result.faces)
            self.thumbnail = data_address(Image.fromarray(result.frame.image_rgb))
        if self._hint is not None:
            self._hint(result)
        return result
