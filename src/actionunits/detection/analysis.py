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
from actionunits.detection.closed_eyes import ClosedEyesOption
from actionunits.detection.detector import Detector, follows_time
from actionunits.detection.neutral import NeutralOption
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.output_files import OutputPaths
from actionunits.detection.pipeline import bounded
from actionunits.detection.same_people import PeopleOption
from actionunits.errors import UserError, one_line
from actionunits.media import MediaReader, Source, open_media
from actionunits.media.stores import fetched, is_stored
from actionunits.reports.au_relations import COOCCURRENCE_COLUMNS, SYNCHRONY_COLUMNS
from actionunits.reports.au_summary import AuSummary
from actionunits.reports.elan import write_elan
from actionunits.reports.episodes import COLUMNS as EPISODE_COLUMNS
from actionunits.reports.run_card import CARD_VERSION, describe_files, versions, write_run_card
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
    with ExitStack() as stack:
        file = stack.enter_context(fetched(source, options.allow_network))
        media = stack.enter_context(opened(file, options))
        kind = kind_of(media)
        _check(source, kind, detector, options, alone)
        reference, people = NeutralOption(detector, options, media), PeopleOption(options, media)
        closed = ClosedEyesOption(detector, options)
        # The parts of a data set have the columns for which any kind of input has cells.
        schema = schema_of("images" if paths.is_part else kind, closed.aus, options)
        table = stack.enter_context(open_table(paths.table, schema))
        collector = SummaryCollector.of_kind(kind, closed.aus, options.relations)
        files, drawing = _drawn(stack, kind, closed.aus, source, file, paths, options)
        results = reported(stream_media(detector, media, source, stop), progress, media.frame_count)
        results = closed.applied(reference.applied(people.applied(results, stack), stack))
        if options.annotate and (reference.is_known_late or options.same_people):
            results = _with_pictures(results, file, options)
        _consume(results, [table.write, collector.add, *drawing, *further])
        if not media.decoded and not (stop is not None and stop.is_set()):
            raise UserError(f"{source} has no frame there; see --start, --end and --every")
        read = describe_files(media.sources)
    tables = _written_tables(collector, paths, options) | people.written(paths.likenesses)
    files = [paths.table, *files, *tables.values(), *_written_elan(collector, source, paths, options)]
    card = card_of(source, media, detector, options, reference, collector, started_s) | {
        "input_files": read,
        "frames_written": table.frames_written,
        "rows_written": table.rows_written,
        **{field: str(path) for field, path in tables.items()},
        "damage": media.damage and media.damage.replace(file, source),
        "notes": [note.replace(file, source) for note in media.notes],
        "outputs": [str(file) for file in files],
        "interrupted": stop is not None and stop.is_set(),
    }
    write_run_card(paths.card, card)
    if media.decoded != table.frames_written:
        raise RuntimeError(f"{source}: {media.decoded} frames decoded, but {table.frames_written} written")
    return Analysis(kind, [*files, paths.card], card, collector.seen)


def kind_of(media: MediaReader) -> str:
    """ "image", "images" or "video": how the results of a source go together."""
    return "video" if follows_time(media) or media.fps else media.kind


def schema_of(kind: str, aus: Sequence[int], options: AnalysisOptions) -> RowSchema:
    """The columns that the options ask for."""
    blocks = (options.pose, options.landmarks, options.all_openface_aus, options.sides, options.gaze)
    return make_schema(options.schema, aus, kind, *blocks)


def _check(source: str, kind: str, detector: Detector, options: AnalysisOptions, alone: bool) -> None:
    """Raises UserError for options that do not suit the weights or the input."""
    check_options(source, kind, detector, options)
    if kind != "video" and options.timeline and alone:
        raise UserError(f"{source}: a timeline needs a video, or --fps for the pictures of one")


def check_options(source: str, kind: str, detector: Detector, options: AnalysisOptions) -> None:
    """Raises UserError for options about the numbers that do not suit the weights or the input."""
    if options.sides and not detector.tells_sides:
        raise UserError(f"{detector.weights} does not tell left from right; leave --sides out")
    if kind != "video" and options.frames.is_of_time:
        raise UserError(f"{source}: photographs have no times; --start and --end are for videos")
    if kind != "video" and options.eyes_closed:
        raise UserError(f"{source}: photographs have no times; --eyes-closed is for videos")


def _drawn(
    stack: ExitStack,
    kind: str,
    aus: Sequence[int],
    source: str,
    file: str,
    paths: OutputPaths,
    options: AnalysisOptions,
) -> tuple[list[Path], list[Consumer]]:
    """The pictures that are asked for, and what draws them until the stack is left.

    file: the source as it is read.
    """
    files: list[Path] = []
    consumers: list[Consumer] = []
    if options.annotate:
        from actionunits.reports.annotate import annotate_to

        files.append(paths.annotated(kind))
        consumers.append(stack.enter_context(annotate_to(files[-1], kind, file)))
    if options.timeline and kind == "video":
        from actionunits.reports.annotate import timeline_to

        files.append(paths.timeline(options.timeline))
        consumers.append(stack.enter_context(timeline_to(files[-1], aus, one_line(Path(source).name))))
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


def opened(source: Source, options: AnalysisOptions) -> MediaReader:
    """An input, of which the frames that are asked for are read."""
    media = open_media(source, fps=options.fps, allow_network=options.allow_network)
    media.choice = options.frames
    return media


def stream_media(
    detector: Detector, media: MediaReader, name: str, stop: threading.Event | None = None
) -> Iterator[FrameResult]:
    """Results of the frames of an opened input, until its end or until somebody asks to stop."""
    frames = _frames(media, name, stop)
    return detector.stream_frames(frames, video=kind_of(media) == "video", live=media.kind == "webcam")


def _frames(media: MediaReader, source: str, stop: threading.Event | None) -> Iterator[Frame]:
    """Frames until the end or until somebody asks to stop."""
    one_sequence = (media.kind == "images" and media.fps) or is_stored(source)
    while stop is None or not stop.is_set():
        frame = next(media, None)
        if frame is None:
            return
        # Tracking starts anew where the source changes; the frames of one sequence are one source.
        yield replace(frame, source=source) if one_sequence else frame


def reported(results: Iterator[FrameResult], progress: Progress | None, total: int | None) -> Iterator[FrameResult]:
    """The same results; after each, the number of frames passed is handed to `progress`."""
    for result in results:
        yield result
        if progress is not None:
            progress(result.frame.index + 1, total)


def _with_pictures(results: Iterable[FrameResult], source: str, options: AnalysisOptions) -> Iterator[FrameResult]:
    """The same results with the pictures of their frames, read once more."""
    with (
        opened(source, options) as media,
        bounded(media, DECODE_AHEAD) as frames,
    ):
        for result in results:
            yield replace(result, frame=replace(result.frame, image_rgb=next(frames).image_rgb))


def _consume(results: Iterator[FrameResult], consumers: Sequence[Consumer]) -> None:
    for result in results:
        for consume in consumers:
            consume(result)


def card_of(
    name: str,
    media: MediaReader,
    detector: Detector,
    options: AnalysisOptions,
    reference: NeutralOption,
    collector: SummaryCollector,
    started_s: float,
) -> dict[str, Any]:
    """The fields of a run card that do not depend on what is written where; started_s: by `time.perf_counter`."""
    seconds = time.perf_counter() - started_s
    thresholds = zip(detector.aus, detector.thresholds.tolist(), strict=True)
    return {
        "card_version": CARD_VERSION,
        "input": name,
        "frames_decoded": media.decoded,
        **collector.fields(),
        **dict.fromkeys(FILES_OF_CARD),
        "model": detector.model_name,
        "weights": str(detector.weights),
        "weights_sha256": detector.header["sha256"],
        "weights_commit": detector.header.get("commit"),
        "thresholds": {au_label(au): round(value, 6) for au, value in thresholds},
        "options": asdict(options) | detector.options,
        "without_neutral_reference": reference.missing_for(collector.seen.people),
        "damage": media.damage,
        "notes": media.notes,
        "seconds": round(seconds, 3),
        "frames_per_second": round(media.decoded / seconds, 2),
        "versions": versions(),
        "commit": source_commit() or None,
    }
