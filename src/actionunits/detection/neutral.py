"""The neutral face that a user names: a frame, moments, a picture, or each person's own resting face."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from actionunits.detection.calibration import (
    Calibration,
    NeutralReference,
    RestCollector,
    RestSoFar,
    mean_reference,
    reference_of,
)
from actionunits.detection.detector import Detector
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.spool import ResultSpool
from actionunits.errors import UserError
from actionunits.media import MediaReader, read_image
from actionunits.types import Frame, FrameResult

_MOMENTS = re.compile(r"[0-9]*\.?[0-9]+s(,[0-9]*\.?[0-9]+s)*")


def parse_neutral(text: str) -> int | tuple[float, ...] | Path:
    """A frame number (int), moments in seconds, or a picture, from what the user wrote.

    Raises UserError for frame 0 and for a picture that is not there.

    >>> parse_neutral("12"), parse_neutral("3.2s"), parse_neutral("40s,3.2s")
    (12, (3.2,), (3.2, 40.0))
    """
    if text.isdecimal():
        if int(text) == 0:
            raise UserError("--neutral 0: frames count from 1, as in the table")
        return int(text)
    if _MOMENTS.fullmatch(text):
        return tuple(sorted(float(moment[:-1]) for moment in text.split(",")))
    if not Path(text).is_file():
        raise UserError(f"--neutral {text} is neither a frame number, nor a time such as 3.2s, nor a picture file")
    return Path(text)


class NeutralOption:
    """The neutral reference that the options ask for, and its application to the results of one input."""

    def __init__(self, detector: Detector, options: AnalysisOptions, media: MediaReader) -> None:
        self._detector, self._text, self._what = detector, options.neutral, ", ".join(media.sources)
        self._wanted = None if options.neutral is None else parse_neutral(options.neutral)
        self._rest = options.calibrate
        self._is_endless = media.kind == "webcam"
        self.is_known_late = (self._rest and not self._is_endless) or isinstance(self._wanted, int | tuple)
        if self.is_known_late and media.kind not in ("video", "webcam") and not options.fps:
            option = "--calibrate" if self._rest else "--neutral with a frame or a time"
            raise UserError(f"{option} is for videos; for photographs give --neutral a picture of the person")
        if self.is_known_late and not media.can_repeat and options.annotate:
            raise UserError(
                f"{self._what} cannot be read twice: with --annotate, give --neutral a picture of the person"
            )
        if self._rest or self._wanted is not None:
            self._neutral_logit = detector.neutral_logit  # raises now if the weights lack it
        self._references: dict[int, NeutralReference] | None = None  # by face_id

    def applied(self, results: Iterator[FrameResult], stack: ExitStack) -> Iterator[FrameResult]:
        """Results relative to the reference; one that lies in the video itself is found first."""
        if isinstance(self._wanted, Path):
            calibration = self._calibration({}, self._of_picture(self._wanted))
            return map(calibration.of_frame, results)
        if self._rest and self._is_endless:
            return self._measured_so_far(results)
        if not self.is_known_late:
            return results
        spool = stack.enter_context(ResultSpool())
        collector = RestCollector()
        awaited = deque([self._wanted] if isinstance(self._wanted, int) else self._wanted or ())
        found: dict[int, list[NeutralReference]] = {}
        for result in results:
            spool.add(result)
            if self._rest:
                collector.add_frame(result)
            while awaited and _is_at(result.frame, awaited[0]):
                awaited.popleft()
                for face_id, reference in self._of_frame(result).items():
                    found.setdefault(face_id, []).append(reference)
        if awaited:
            raise UserError(f"{self._what}: --neutral {self._text}: the video ends before")
        if self._rest:
            self._references = collector.references(self._neutral_logit)
        else:
            self._references = {face_id: mean_reference(of_person) for face_id, of_person in found.items()}
        calibration = self._calibration(self._references, None)
        return map(calibration.of_frame, spool)

    def _measured_so_far(self, results: Iterator[FrameResult]) -> Iterator[FrameResult]:
        """Results relative to the resting face that each person has shown up to then."""
        rest = RestSoFar(self._neutral_logit)
        self._references = rest.shown
        for result in results:
            rest.add_frame(result)
            yield self._calibration(rest.shown, None).of_frame(result)

    def missing_for(self, people: Sequence[int]) -> list[int]:
        """The people whose predictions stayed as they were though a reference was asked for."""
        return [] if self._references is None else [p for p in people if p not in self._references]

    def _calibration(
        self, references: dict[int, NeutralReference], for_others: NeutralReference | None
    ) -> Calibration:
        return Calibration(self._detector.thresholds, self._neutral_logit, references, for_others)

    def _of_frame(self, result: FrameResult) -> dict[int, NeutralReference]:
        if not result.faces:
            raise UserError(
                f"{self._what}: --neutral {self._text}: no face in frame {result.frame.index + 1}; choose another"
            )
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


def _is_at(frame: Frame, neutral: int | float) -> bool:
    """Whether a frame has this number, or is the first that is not before this time."""
    if isinstance(neutral, int):
        return frame.index + 1 == neutral
    return frame.time_s >= neutral - 1e-6
