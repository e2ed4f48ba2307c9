"""One input → its table, run card, annotated picture or video, and timeline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from actionunits.aus import au_label
from actionunits.detection.detector import Detector, follows_time
from actionunits.detection.neutral import NeutralOption
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.output_files import OutputPaths
from actionunits.detection.pipeline import bounded
from actionunits.detection.same_people import PeopleOption
from actionunits.errors import UserError, one_line
from actionunits.media import MediaReader, open_media
from actionunits.reports.au_relations import COOCCURRENCE_COLUMNS, SYNCHRONY_COLUMNS
from actionunits.reports.au_summary import AuSummary
from actionunits.reports.elan import write_elan
from actionunits.reports.episodes import COLUMNS as EPISODE_COLUMNS
from actionunits.reports.run_card import describe_files, versions, write_run_card
from actionunits.reports.schemas import RowSchema, make_schema
from actionunits.reports.summary import SummaryCollector
from actionunits.reports.tables import open_table, write_csv
from actionunits.runtime.provenance import source_commit
from actionunits.types import Frame, FrameResult

Consumer = Callable[[FrameResult], None]
DECODE_AHEAD = 4  # frames
FILES_OF_CARD = ("episodes", "cooccurrence", "synchrony", "likenesses")
Progress = Callable[[int, int | None], None]  # frames passed, and frames in all where that is known


@dataclass(frozen=True)
class Analysis:
    """What became of one input."""

    kind: str  # "image", "images" or "video"
    files: list[Path]
    card: dict[str, Any]
    summary: AuSummary

    @property
    def damage(self) -> str | None:
        """What of the input could not be read."""
        return self.card["damage"]


def analyse(
    detector: Detector,
    source: str,
    paths: OutputPaths,
    options: AnalysisOptions,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    further: Sequence[Consumer] = (),
    alone: bool = True,
) -> Analysis:
    """Run detection on one input and write its files, each complete or not at all.

    progress: called after every frame. stop: set it, and the files hold the frames so far. further: called with the
    result of every frame, as the table has it. alone: one of several inputs, False, has no timeline where it is no
    video, instead of being refused. Damage is no error here: the files hold what could be read, and the result tells.
    Raises UserError for input, options or files that cannot be used.
    """
    started_s = time.perf_counter()
    paths.check(options)
    with _opened(source, options) as media, ExitStack() as stack:
        kind = "video" if follows_time(media) or media.fps else media.kind
        _check(source, kind, detector, options, alone)
        reference, people = NeutralOption(detector, options, media), PeopleOption(options, media)
        table = stack.enter_context(open_table(paths.table, _schema(kind, detector, options)))
        collector = SummaryCollector(detector.aus, kind != "images", kind == "video", options.relations)
        files, drawing = _drawn(stack, kind, detector, source, paths, options)
        frames = _frames(media, source, stop)
        results = detector.stream_frames(frames, video=kind == "video", live=media.kind == "webcam")
        results = people.applied(_reported(results, progress, media.frame_count), stack)
        results = reference.applied(results, stack)
        if options.annotate and (reference.is_known_late or options.same_people):
            results = _with_pictures(results, source, options)
        _consume(results, [table.write, collector.add, *drawing, *further])
        if not media.decoded and not (stop is not None and stop.is_set()):
            raise UserError(f"{source} has no frame there; see --start, --end and --every")
    tables = _written_tables(collector, paths, options) | people.written(paths.likenesses)
    files = [paths.table, *files, *tables.values(), *_written_elan(collector, source, paths, options)]
    card = {
        "input": source,
        "input_files": describe_files(media.sources),
        "frames_decoded": media.decoded,
        "frames_written": table.frames_written,
        "rows_written": table.rows_written,
        **collector.fields(),
        **{field: str(tables[field]) if field in tables else None for field in FILES_OF_CARD},
        **_model_fields(detector),
        "options": asdict(options) | detector.options,
        "without_neutral_reference": reference.missing_for(collector.seen.people),
        "outputs": [str(file) for file in files],
        "interrupted": stop is not None and stop.is_set(),
        **_course(media, time.perf_counter() - started_s),
    }
    write_run_card(paths.card, card)
    if media.decoded != table.frames_written:
        raise RuntimeError(f"{source}: {media.decoded} frames decoded, but {table.frames_written} written")
    return Analysis(kind, [*files, paths.card], card, collector.seen)


def _schema(kind: str, detector: Detector, options: AnalysisOptions) -> RowSchema:
    blocks = (options.pose, options.landmarks, options.all_openface_aus, options.sides, options.gaze)
    return make_schema(options.schema, detector.aus, kind, *blocks)


def _check(source: str, kind: str, detector: Detector, options: AnalysisOptions, alone: bool) -> None:
    """Raises UserError for options that do not suit the weights or the input."""
    if options.sides and not detector.tells_sides:
        raise UserError(f"{detector.weights} does not tell left from right; leave --sides out")
    if kind != "video" and options.frames.is_of_time:
        raise UserError(f"{source}: photographs have no times; --start and --end are for videos")
    if kind != "video" and options.timeline and alone:
        raise UserError(f"{source}: a timeline needs a video, or --fps for the pictures of one")


def _drawn(
    stack: ExitStack, kind: str, detector: Detector, source: str, paths: OutputPaths, options: AnalysisOptions
) -> tuple[list[Path], list[Consumer]]:
    """The pictures that are asked for, and what draws them until the stack is left."""
    files: list[Path] = []
    consumers: list[Consumer] = []
    if options.annotate:
        from actionunits.reports.annotate import annotate_to

        files.append(paths.annotated(kind))
        consumers.append(stack.enter_context(annotate_to(files[-1], kind, source)))
    if options.timeline and kind == "video":
        from actionunits.reports.annotate import timeline_to

        files.append(paths.timeline(options.timeline))
        consumers.append(stack.enter_context(timeline_to(files[-1], detector.aus, one_line(Path(source).name))))
    return files, consumers


def _written_tables(collector: SummaryCollector, paths: OutputPaths, options: AnalysisOptions) -> dict[str, Path]:
    """The tables beside that of the frames that are asked for, by their field in the run card."""
    files: dict[str, Path] = {}
    episodes = collector.episodes()
    if options.episodes and episodes is not None:
        files["episodes"] = paths.episodes
        write_csv(paths.episodes, EPISODE_COLUMNS, (episode.row() for episode in episodes))
    if collector.cooccurrence is not None:
        files["cooccurrence"] = paths.cooccurrence
        write_csv(paths.cooccurrence, COOCCURRENCE_COLUMNS, collector.cooccurrence.rows())
    if collector.synchrony is not None:
        files["synchrony"] = paths.synchrony
        write_csv(paths.synchrony, SYNCHRONY_COLUMNS, collector.synchrony.rows())
    return files


def _written_elan(
    collector: SummaryCollector, source: str, paths: OutputPaths, options: AnalysisOptions
) -> list[Path]:
    """The episodes of a video for ELAN, where they are asked for."""
    episodes = collector.episodes() if options.elan else None
    if episodes is None:
        return []
    write_elan(paths.elan, Path(source), episodes)
    return [paths.elan]


def _opened(source: str, options: AnalysisOptions) -> MediaReader:
    media = open_media(source, fps=options.fps, allow_network=options.allow_network)
    media.choice = options.frames
    return media


def _frames(media: MediaReader, source: str, stop: threading.Event | None) -> Iterator[Frame]:
    """Frames until the end or until somebody asks to stop."""
    one_sequence = media.kind == "images" and media.fps
    while stop is None or not stop.is_set():
        frame = next(media, None)
        if frame is None:
            return
        # Tracking starts anew where the source changes; the frames of one sequence are one source.
        yield replace(frame, source=source) if one_sequence else frame


def _reported(results: Iterator[FrameResult], progress: Progress | None, total: int | None) -> Iterator[FrameResult]:
    for result in results:
        yield result
        if progress is not None:
            progress(result.frame.index + 1, total)


def _with_pictures(results: Iterable[FrameResult], source: str, options: AnalysisOptions) -> Iterator[FrameResult]:
    """The same results with the pictures of their frames, read once more."""
    with (
        _opened(source, options) as media,
        bounded(media, DECODE_AHEAD) as frames,
    ):
        for result in results:
            yield replace(result, frame=replace(result.frame, image_rgb=next(frames).image_rgb))


def _consume(results: Iterator[FrameResult], consumers: Sequence[Consumer]) -> None:
    for result in results:
        for consume in consumers:
            consume(result)


def _course(media: MediaReader, seconds: float) -> dict[str, Any]:
    """What there is to say of the reading, how long all took, and with what."""
    return {
        "damage": media.damage,
        "notes": media.notes,
        "seconds": round(seconds, 3),
        "frames_per_second": round(media.decoded / seconds, 2),
        "versions": versions(),
        "commit": source_commit() or None,
    }


def _model_fields(detector: Detector) -> dict[str, Any]:
    thresholds = zip(detector.aus, detector.thresholds.tolist(), strict=True)
    return {
        "model": detector.model_name,
        "weights": str(detector.weights),
        "weights_sha256": detector.header["sha256"],
        "weights_commit": detector.header.get("commit"),
        "thresholds": {au_label(au): round(value, 6) for au, value in thresholds},
    }
