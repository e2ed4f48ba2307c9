"""The process behind one upload or one webcam. What a hostile file does to it ends it alone.

It is started as `python -m actionunits.web.worker`. The first line of its standard input is a task in JSON; its
answers are lines of JSON on standard output. When its input ends, because the service let go of it or was killed,
it ends too.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from actionunits.errors import DamagedInputError, UserError, explained, one_line
from actionunits.web.limits import limit_this_process

if TYPE_CHECKING:
    from actionunits.detection.analysis import Analysis

Tell = Callable[[dict[str, Any]], None]
UPLOAD = "the file"  # name of every uploaded file on disk, which messages and run cards call so
NEUTRAL_PICTURE = "neutral"
FRAMES, ROWS = "frames.ndjson", "rows.ndjson"
SUMMARY, REPORT = f"{UPLOAD}.summary.txt", f"{UPLOAD}.report.html"
# Of a message to a live worker: what it is, its time in seconds, and how many bytes follow.
LIVE_HEADER = struct.Struct(">BdI")
PICTURE, SET_NEUTRAL, FORGET_NEUTRAL, CALIBRATE = range(4)
TELL_EVERY_S = 0.2
TOLD_OF_CARD = tuple("frames_written frames_with_face people damage notes without_neutral_reference seconds".split())


def main() -> None:
    """Do the task on standard input; whatever fails is told in the last line, `{"failed": ...}`."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    warnings.simplefilter("ignore")  # decoders warn of damage, which is told in one line where it matters
    lock = threading.Lock()

    def tell(answer: dict[str, Any]) -> None:
        line = (json.dumps(answer, allow_nan=False) + "\n").encode()
        with lock:
            view = memoryview(line)
            while view:
                view = view[answers.write(view) :]

    task = json.loads(sys.stdin.buffer.readline())
    try:
        limit_this_process(task["memory_bytes"], task["cpu_s"], task["file_bytes"])
        {"describe": _describe, "analyse": _analyse, "live": _live}[task["do"]](task, tell)
    except Exception as error:
        tell({"failed": one_line(str(explained(error)))})
    # Threads that wait for the end of the input would wait for ever.
    os._exit(0)


def _describe(task: dict[str, Any], tell: Tell) -> None:
    """What the model reports."""
    from actionunits.aus import AUS, INTENSITY_LETTERS, au_label
    from actionunits.detection.detector import Detector

    detector = Detector(**task["detector"])
    action_units = [{"label": au_label(au)} | asdict(AUS[au]) for au in detector.aus]
    tell(
        {
            "model": detector.model_name,
            "sha256": detector.header["sha256"],
            "aus": action_units,
            "thresholds": [round(value, 4) for value in detector.thresholds.tolist()],
            "letters": INTENSITY_LETTERS,
            "sides": detector.tells_sides,
            "neutral": "neutral_logit" in detector.header,
        }
    )


def _analyse(task: dict[str, Any], tell: Tell) -> None:
    """One upload → its files, in the folder of the task, and lines of frames and rows while it goes on."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    os.chdir(task["folder"])  # so that no table or card names it
    kind = _checked_kind(task["pixels"])
    # Only now, as most hostile files have ended: detection takes twice as long to load as the decoders.
    from actionunits.detection.analysis import analyse
    from actionunits.detection.detector import Detector
    from actionunits.detection.options import AnalysisOptions
    from actionunits.detection.output_files import OutputPaths
    from actionunits.types import FrameResult
    from actionunits.web.told import frame_told, row_values

    detector = Detector(**task["detector"])
    options = AnalysisOptions(
        timeline="png" if kind == "video" else None,
        annotate=task["annotate"] and kind in ("video", "image"),
        neutral=task["neutral"],
        calibrate=task["calibrate"],
        episodes=kind == "video",
    )
    told_s = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal told_s
        if time.monotonic() - told_s > TELL_EVERY_S:
            told_s = time.monotonic()
            tell({"frames": done, "of": total})

    with _lines_in(FRAMES) as frames, _lines_in(ROWS) as rows:

        def write(result: FrameResult) -> None:
            if result.frame.time_s > task["duration_s"]:
                raise UserError(f"the video is longer than {task['duration_s'] / 60:g} minutes")
            frames.write(json.dumps(frame_told(result)) + "\n")
            named = replace(result, frame=replace(result.frame, source=task["name"]))
            for row in row_values(named):
                rows.write(json.dumps(row) + "\n")

        analysis = analyse(detector, UPLOAD, OutputPaths(Path(f"{UPLOAD}.csv")), options, progress, further=[write])
    _write_for_people(analysis, task["name"])
    tell({"done": {"kind": analysis.kind, **{name: analysis.card[name] for name in TOLD_OF_CARD}}})


def _checked_kind(most_pixels: int) -> str:
    """What the upload is, "image", "images" or "video". Raises UserError for what cannot be read or is too large."""
    from actionunits.media import open_media

    with open_media(UPLOAD) as media:
        width, height = media.size
        kind = media.kind
    if width * height > most_pixels:
        raise UserError(f"{width} x {height} pixels are more than {most_pixels:,}")
    return kind


def _write_for_people(analysis: Analysis, name: str) -> None:
    """The summary and the report of an upload, under the name that its sender gave it."""
    from rich.console import Console

    from actionunits.reports.html_report import ReportedInput, write_report

    with Path(SUMMARY).open("w", encoding="utf-8") as file:
        summary = analysis.summary
        table = summary.photo_table(name) if analysis.kind == "image" else summary.video_table(name)
        Console(file=file, width=100).print(table)
    write_report(Path(REPORT), [ReportedInput.of_card(analysis.card, name)], {})


def _lines_in(name: str) -> IO[str]:
    """A new file whose lines can be read as soon as they are whole."""
    return open(name, "w", buffering=1, encoding="utf-8", newline="\n")


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _live(task: dict[str, Any], tell: Tell) -> None:
    """Pictures on standard input → one line for each, in order."""
    from actionunits.detection.calibration import Calibration, NeutralReference, RestSoFar, reference_of
    from actionunits.detection.detector import Detector
    from actionunits.web.told import frame_told

    detector = Detector(**task["detector"])
    orders: list[int] = []
    references: dict[int, NeutralReference] = {}
    rest: RestSoFar | None = None
    tell({"ready": True})
    for result in detector.stream_frames(_live_frames(task["pixels"], orders, tell), video=True, live=True):
        while orders:
            order = orders.pop(0)
            rest = RestSoFar(detector.neutral_logit) if order == CALIBRATE else None
            references = {} if rest is None else rest.shown
            if order == SET_NEUTRAL:
                people = [face.face_id for face in result.faces]
                references.update(zip(people, map(reference_of, result.predictions), strict=True))
        if rest is not None:
            rest.add_frame(result)
        if references:
            result = Calibration(detector.thresholds, detector.neutral_logit, references).of_frame(result)
        tell(frame_told(result) | {"neutral": sorted(references)})


def _live_frames(pixels: int, orders: list[int], tell: Tell) -> Iterator[Any]:
    """Frames of the messages until their end; orders that lie between them are noted.

    A picture that cannot be read is told in its turn: whoever sent it waits for an answer.
    """
    from actionunits.types import Frame

    index, source = 0, sys.stdin.buffer
    while header := _exactly(source, LIVE_HEADER.size):
        what, time_s, size = LIVE_HEADER.unpack(header)
        content = _exactly(source, size)
        if what != PICTURE:
            orders.append(what)
            continue
        try:
            picture = _decoded(content, pixels)
        except UserError as error:
            tell({"error": str(error)})
            continue
        yield Frame(picture, index, time_s, "webcam")
        index += 1


def _exactly(source: BinaryIO, size: int) -> bytes:
    content = source.read(size)
    return content if len(content) == size else b""


def _decoded(content: bytes, pixels: int) -> Any:
    """The picture of a JPEG or WebP, (H, W, 3) uint8. Raises UserError for anything else."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(BytesIO(content), formats=("JPEG", "WEBP")) as picture:
            if picture.width * picture.height > pixels:
                raise UserError(f"{picture.width} x {picture.height} pixels are more than {pixels:,}")
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DamagedInputError("a picture of the webcam cannot be read") from error


if __name__ == "__main__":
    main()
