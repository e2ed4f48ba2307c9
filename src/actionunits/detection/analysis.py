"""One input → its table, run card, annotated picture or video, and timeline."""

from __future__ import annotations

import glob
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.aus import au_label
from actionunits.detection.calibration import Calibration, NeutralReference, QuantileCollector, reference_of
from actionunits.detection.detector import Detector, follows_time
from actionunits.detection.pipeline import bounded
from actionunits.detection.spool import ResultSpool
from actionunits.errors import UserError, one_line
from actionunits.files import check_name, valid_text
from actionunits.media import MediaReader, open_media, read_image
from actionunits.reports.au_summary import AuSummary
from actionunits.reports.run_card import describe_files, versions, write_run_card
from actionunits.reports.schemas import make_schema
from actionunits.reports.tables import TABLE_SUFFIXES, TableWriter, open_table
from actionunits.runtime.provenance import source_commit
from actionunits.types import Frame, FrameResult

Consumer = Callable[[FrameResult], None]
Progress = Callable[[int, int | None], None]  # frames done, and frames in all where that is known
DECODE_AHEAD = 4  # frames


@dataclass(frozen=True)
class AnalysisOptions:
    """What to write for an input, and relative to what.

    neutral: a frame number as in the table's `frame` column (from 1), a time in seconds such as "3.2s", or a
    picture of the person. calibrate: the person's own lower decile instead. fps: the pictures of a folder are
    the frames of one sequence at this rate. all_openface_aus: see `make_schema`. annotate: draw the picture, with
    the flow too where the detector gives it. allow_network: addresses are opened.
    """

    schema: str = "openface"
    pose: bool = True
    landmarks: bool = True
    all_openface_aus: bool = True
    annotate: bool = False
    timeline: bool = False
    neutral: str | None = None
    calibrate: bool = False
    fps: float | None = None
    allow_network: bool = False


@dataclass(frozen=True)
class OutputPaths:
    """Where the files of one input go: beside the table, with its name."""

    table: Path

    @property
    def card(self) -> Path:
        """The run card."""
        return self.table.with_name(self.table.stem + ".run.json")

    @property
    def timeline(self) -> Path:
        """The timeline."""
        return self.table.with_name(self.table.stem + ".timeline.png")

    def all(self, options: AnalysisOptions) -> list[Path]:
        """Every file that an input may leave, whatever kind it turns out to be."""
        annotated = [self.annotated(kind) for kind in ("image", "images", "video")] if options.annotate else []
        return [self.table, self.card, *annotated, *([self.timeline] if options.timeline else [])]

    def annotated(self, kind: str) -> Path:
        """The annotated picture ("image"), folder of pictures ("images") or video."""
        suffix = {"image": ".png", "images": ""}.get(kind, ".mp4")
        return self.table.with_name(f"{self.table.stem}.annotated{suffix}")


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


def output_paths(sources: Sequence[str], out: Path, table_format: str = "csv") -> list[OutputPaths]:
    """Where the table of each input goes: into the folder `out`, or to the file `out` if it ends as tables do.

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
    for source in sources:
        table = out / f"{_output_stem(source)}.{table_format}"
        if table in taken:
            raise UserError(f"{taken[table]} and {source} would both be written to {table}; run them one by one")
        taken[table] = source
    return [OutputPaths(table) for table in taken]


def refuse_overwriting(sources: Sequence[str], paths: Sequence[OutputPaths], options: AnalysisOptions) -> None:
    """Raises UserError where a file that would be written is, or lies among, the inputs."""
    read = {os.path.realpath(file) for source in sources for file in _files_of(source)}
    for to in paths:
        for file in to.all(options):
            if os.path.realpath(file) in read:
                raise UserError(f"{file} would be written over, and it is an input; name another folder with --out")


def analyse(
    detector: Detector,
    source: str,
    paths: OutputPaths,
    options: AnalysisOptions,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Analysis:
    """Run detection on one input and write its files, each complete or not at all.

    progress: called after every frame. stop: set it, and the files hold the frames so far. Damage is no error
    here: the files hold what could be read, and the result tells.
    Raises UserError for input, options or files that cannot be used.
    """
    started_s = time.perf_counter()
    for file in paths.all(options):
        check_name(file)
    with open_media(source, fps=options.fps, allow_network=options.allow_network) as media, ExitStack() as stack:
        kind = "video" if follows_time(media) or media.fps else media.kind
        reference = _Reference(detector, options, media.kind)
        schema = make_schema(
            options.schema, detector.aus, kind, options.pose, options.landmarks, options.all_openface_aus
        )
        table = stack.enter_context(open_table(paths.table, schema))
        summary = AuSummary(detector.aus, by_person=kind != "images")
        files = [paths.table]
        consumers: list[Consumer] = [table.write, summary.add]
        if options.annotate:
            from actionunits.reports.annotate import annotate_to

            files.append(paths.annotated(kind))
            consumers.append(stack.enter_context(annotate_to(files[-1], kind)))
        if options.timeline:
            if kind != "video":
                raise UserError(f"{source}: a timeline needs a video, or --fps for the pictures of one")
            from actionunits.reports.annotate import timeline_to

            files.append(paths.timeline)
            consumers.append(stack.enter_context(timeline_to(files[-1], detector.aus, one_line(Path(source).name))))
        frames = _frames(media, source, stop)
        results = detector.stream_frames(frames, video=kind == "video", live=media.kind == "webcam")
        results = reference.applied(_reported(results, progress, media.frame_count), stack)
        if options.annotate and reference.is_known_late:
            results = _with_pictures(results, source, options)
        _consume(results, consumers)
    seconds = time.perf_counter() - started_s
    card = {
        "input": valid_text(source),
        "input_files": describe_files(media.sources),
        **_counts(media, table, summary),
        **_model_fields(detector),
        "options": asdict(options) | detector.options,
        "without_neutral_reference": reference.missing_for(summary.people),
        "outputs": [valid_text(str(file)) for file in files],
        "interrupted": stop is not None and stop.is_set(),
        "damage": media.damage,
        "notes": media.notes,
        "seconds": round(seconds, 3),
        "frames_per_second": round(media.decoded / seconds, 2),
        "versions": versions(),
        "commit": source_commit() or None,
    }
    write_run_card(paths.card, card)
    if media.decoded != table.frames_written:
        raise RuntimeError(f"{source}: {media.decoded} frames decoded, but {table.frames_written} written")
    return Analysis(kind, [*files, paths.card], card, summary)


def parse_neutral(text: str) -> int | float | Path:
    """A frame number (int), seconds (float) or a picture, from what the user wrote.

    Raises UserError for frame 0 and for a picture that is not there.

    >>> parse_neutral("12"), parse_neutral("3.2s")
    (12, 3.2)
    """
    if text.isdecimal():
        if int(text) == 0:
            raise UserError("--neutral 0: frames count from 1, as in the table")
        return int(text)
    if re.fullmatch(r"[0-9]*\.?[0-9]+s", text):
        return float(text[:-1])
    if not Path(text).is_file():
        raise UserError(f"--neutral {text} is neither a frame number, nor a time such as 3.2s, nor a picture file")
    return Path(text)


class _Reference:
    """The neutral reference that the options ask for, and its application to the results of one input."""

    def __init__(self, detector: Detector, options: AnalysisOptions, media_kind: str) -> None:
        if options.neutral is not None and options.calibrate:
            raise UserError("--neutral and --calibrate exclude each other")
        self._detector, self._text = detector, options.neutral
        self._wanted = None if options.neutral is None else parse_neutral(options.neutral)
        self._quantiles = options.calibrate
        self.is_known_late = self._quantiles or isinstance(self._wanted, int | float)
        if self.is_known_late and media_kind not in ("video", "webcam") and not options.fps:
            raise UserError("photographs have no neutral frame; give --neutral a picture of the person")
        if self.is_known_late and media_kind == "webcam" and options.annotate:
            raise UserError("a webcam cannot be read twice: with --annotate, give --neutral a picture of the person")
        if self._quantiles or self._wanted is not None:
            self._neutral_logit = detector.neutral_logit  # raises now if the weights lack it
        self._references: dict[int, NeutralReference] | None = None  # by face_id

    def applied(self, results: Iterator[FrameResult], stack: ExitStack) -> Iterator[FrameResult]:
        """Results relative to the reference; one that lies in the video itself is found first."""
        if isinstance(self._wanted, Path):
            calibration = self._calibration({}, self._of_picture(self._wanted))
            return (_calibrated(result, calibration) for result in results)
        if not self.is_known_late:
            return results
        spool = stack.enter_context(ResultSpool())
        collector = QuantileCollector()
        for result in results:
            spool.add(result)
            if self._quantiles:
                for face, prediction in zip(result.faces, result.predictions, strict=True):
                    collector.add(prediction, face.face_id)
            elif self._references is None and self._is_neutral_frame(result.frame):
                self._references = self._of_frame(result)
        if self._quantiles:
            self._references = collector.references(len(self._detector.aus))
        if self._references is None:
            raise UserError(f"--neutral {self._text}: the video ends before")
        calibration = self._calibration(self._references, None)
        return (_calibrated(result, calibration) for result in spool)

    def missing_for(self, people: Sequence[int]) -> list[int]:
        """The people whose predictions stayed as they were though a reference was asked for."""
        return [] if self._references is None else [p for p in people if p not in self._references]

    def _calibration(
        self, references: dict[int, NeutralReference], for_others: NeutralReference | None
    ) -> Calibration:
        return Calibration(self._detector.thresholds, self._neutral_logit, references, for_others)

    def _is_neutral_frame(self, frame: Frame) -> bool:
        if isinstance(self._wanted, float):
            return frame.time_s >= self._wanted - 1e-6
        return frame.index + 1 == self._wanted

    def _of_frame(self, result: FrameResult) -> dict[int, NeutralReference]:
        if not result.faces:
            raise UserError(f"--neutral {self._text}: no face in frame {result.frame.index + 1}; choose another")
        pairs = zip(result.faces, result.predictions, strict=True)
        return {face.face_id: reference_of(prediction) for face, prediction in pairs}

    def _of_picture(self, path: Path) -> NeutralReference:
        """The largest face of a photograph."""
        frame = Frame(read_image(path), 0, 0.0, str(path))
        (result,) = self._detector.stream_frames([frame], video=False)
        if not result.faces:
            raise UserError(f"--neutral {path}: no face found in the picture")
        sizes = [float(np.ptp(face.box_xyxy_px.reshape(2, 2), axis=0).prod()) for face in result.faces]
        return reference_of(result.predictions[int(np.argmax(sizes))])


def _files_of(source: str) -> list[str]:
    """Files that are read for an input: those of a folder or pattern, else what it names."""
    if os.path.isdir(source):
        with suppress(OSError):  # told where the folder is read
            return [entry.path for entry in os.scandir(source)]
    return [source] if os.path.lexists(source) else glob.glob(source)


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
    for done, result in enumerate(results, start=1):
        yield result
        if progress is not None:
            progress(done, total)


def _calibrated(result: FrameResult, calibration: Calibration) -> FrameResult:
    pairs = zip(result.faces, result.predictions, strict=True)
    moved = [calibration(prediction, face.face_id) for face, prediction in pairs]
    return replace(result, predictions=moved)


def _with_pictures(results: Iterable[FrameResult], source: str, options: AnalysisOptions) -> Iterator[FrameResult]:
    """The same results with the pictures of their frames, read once more."""
    with (
        open_media(source, fps=options.fps, allow_network=options.allow_network) as media,
        bounded(media, DECODE_AHEAD) as frames,
    ):
        for result in results:
            yield replace(result, frame=replace(result.frame, image_rgb=next(frames).image_rgb))


def _consume(results: Iterator[FrameResult], consumers: Sequence[Consumer]) -> None:
    for result in results:
        for consume in consumers:
            consume(result)


def _counts(media: MediaReader, table: TableWriter, summary: AuSummary) -> dict[str, Any]:
    return {
        "frames_decoded": media.decoded,
        "frames_written": table.frames_written,
        "rows_written": table.rows_written,
        "frames_with_face": summary.frames_with_face,
        "people": len(summary.people) if summary.by_person else None,
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
