"""Detector: media → faces → registered crops → model → predictions; the only inference path.

The stages run at the same time in threads that hand over through bounded queues: decode, find, register
and predict, and whatever the caller does with the results. Memory does not grow with the length of a video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionunits.aus import au_label
from actionunits.detection.calibration import prob_of
from actionunits.detection.engine import open_engine
from actionunits.detection.pipeline import bounded
from actionunits.detection.quality import QualityCheck
from actionunits.detection.smoothing import Smoother
from actionunits.errors import DamagedInputError, UserError
from actionunits.faces import FaceFinder
from actionunits.faces.align import cut_out, face_transform, transform_points
from actionunits.media import FrameChoice, MediaReader, Source, input_name, open_media
from actionunits.media.memory import check_rgb
from actionunits.models import model_keys
from actionunits.types import MESH_POINTS, Face, Frame, FrameResult, Prediction
from actionunits.weights.locate import bundled_names, find_weights

if TYPE_CHECKING:
    from actionunits.detection.result import DetectionResult

DEFAULT_MODEL = "resnet18"
QUEUE_FRAMES = 4  # decoded ahead; a full HD frame is 6 MB


@dataclass(frozen=True)
class _RegisteredFrame:
    frame: Frame
    faces: list[Face]
    crops: list[np.ndarray]  # (S, S, 3) uint8 each
    landmarks: list[np.ndarray]  # (68, 2) float32 each, crop coordinates
    meshes: list[np.ndarray | None]  # (478, 3) float32 each, crop coordinates


class Detector:
    """Finds faces and predicts their action units; one serves any number of inputs.

    Parameters:
        model: name of released weights; "resnet18" unless given.
        weights: a checkpoint file instead.
        device: "auto", "cpu" or "cuda".
        batch_size: faces (and frames at most) that pass the model at once in videos.
        max_faces: only the largest faces, at most this many.
        landmarker: a MediaPipe `face_landmarker.task` file in place of the bundled models.
        min_confidence: leave out faces found with less confidence, 0-1.
        aus: numbers of the action units to report; all that the model knows unless given.
        smoothing_s: time constant, in seconds, of a moving average over a person's predictions in videos.
        flow: predictions also hold the motion to the neutral face that the model estimates.

    Attributes:
        aus: numbers of the action units that are reported, ascending.
        thresholds: (A,) float32, probabilities from which they count as present.
        device: the device in use.
        image_size: width and height of the crops that the model reads, in pixels.

    Raises:
        UserError: for an unknown model, unusable weights, an AU that the model does not report, a flow that it does
            not estimate, or a device that is not there.

    Examples:
        >>> import actionunits as au
        >>> detector = au.Detector(aus=[6, 12])
        >>> detector
        Detector('resnet18', 2 AUs, device='cpu')
        >>> [detector.detect(name).table["AU12_c"].mean().item() for name in ("photo.jpg", "clip.mp4")]
        [1.0, 0.0]
    """

    def __init__(
        self,
        model: str | None = None,
        weights: str | Path | None = None,
        device: str = "auto",
        batch_size: int = 8,
        max_faces: int | None = None,
        landmarker: str | Path | None = None,
        min_confidence: float = 0.5,
        aus: Sequence[int] | None = None,
        smoothing_s: float | None = None,
        flow: bool = False,
    ) -> None:
        known = sorted({*model_keys(), *bundled_names()})
        if model is not None and model not in known:
            raise UserError(f"'{model}' is not a known model; choose one of {', '.join(known)}")
        if batch_size < 1:
            raise UserError(f"the batch size must be at least 1, not {batch_size}")
        if smoothing_s is not None and smoothing_s <= 0:
            raise UserError(f"the smoothing time must be above 0 seconds, not {smoothing_s:g}")
        self.weights = find_weights(str(weights or model or DEFAULT_MODEL))
        self._engine = open_engine(self.weights, device, flow)
        self.header, self.device, self.image_size = self._engine.header, self._engine.device, self._engine.image_size
        self.model_name = str(self.header["model"])
        self.tells_sides = self._engine.tells_sides
        if not self.header["aus"]:
            raise UserError(
                f"{self.weights} was trained without labels; give it action units with `actionunits probe`"
            )
        if model is not None and weights is not None and model != self.model_name:
            raise UserError(f"{self.weights} holds weights of '{self.model_name}', not of '{model}'")
        self.flow = flow
        self._tells_all = aus is None  # also the columns that OpenFace has and the model has not
        self.aus, self._columns = _chosen_aus(tuple(self.header["aus"]), aus, self.model_name)
        self.thresholds = self._per_au("thresholds", 0.5)
        self._transform = face_transform(bool(self.header.get("data", {}).get("aligned", True)))
        self.batch_size, self.max_faces = batch_size, max_faces
        self.landmarker = None if landmarker is None else Path(landmarker)
        self.min_confidence, self.smoothing_s = min_confidence, smoothing_s

    def __repr__(self) -> str:
        return f"Detector({self.model_name!r}, {len(self.aus)} AUs, device={self.device!r})"

    @property
    def options(self) -> dict[str, Any]:
        """What this detector was told to do, as JSON values."""
        return {
            "aus": list(self.aus),
            "device": self.device,
            "batch_size": self.batch_size,
            "max_faces": self.max_faces,
            "min_confidence": self.min_confidence,
            "landmarker": None if self.landmarker is None else str(self.landmarker),
            "smoothing_s": self.smoothing_s,
            "flow": self.flow,
        }

    @property
    def neutral_logit(self) -> np.ndarray:
        """Mean logit on neutral validation frames, (A,). Raises UserError if the weights do not name it."""
        if "neutral_logit" not in self.header:
            raise UserError(f"{self.weights} names no neutral_logit, which calibration needs; use newer weights")
        return self._per_au("neutral_logit", 0.0)

    def detect(
        self,
        source: Source,
        *,
        neutral: str | int | Path | None = None,
        calibrate: bool = False,
        schema: str = "openface",
        pose: bool = True,
        landmarks: bool = True,
        sides: bool = False,
        gaze: bool = False,
        eyes_closed: bool = False,
        same_people: bool = False,
        fps: float | None = None,
        start: float = 0.0,
        end: float | None = None,
        every: int = 1,
        allow_network: bool = False,
        progress: bool = False,
    ) -> DetectionResult:
        """All results of one input, in memory; for long videos there is `stream`.

        `actionunits.detect` explains the input and the options. Here progress is told on request only.

        Raises:
            UserError: for an unusable input or option; damage on the way is told in the result.
        """
        from actionunits.detection.options import AnalysisOptions
        from actionunits.detection.result import detect_in_memory
        from actionunits.detection.text_progress import TextProgress

        options = AnalysisOptions(
            schema=schema,
            pose=pose,
            landmarks=landmarks,
            all_openface_aus=self._tells_all,
            neutral=None if neutral is None else str(neutral),
            calibrate=calibrate,
            fps=fps,
            allow_network=allow_network,
            sides=sides,
            gaze=gaze,
            eyes_closed=eyes_closed,
            same_people=same_people,
            frames=FrameChoice(start, end, every),
        )
        if not progress:
            return detect_in_memory(self, source, options)
        name = input_name(source)
        with closing(TextProgress(Path(name).name or name)) as told:
            return detect_in_memory(self, source, options, told)

    def stream(self, source: Source) -> Iterator[FrameResult]:
        """One result per frame, in order, while later frames are being worked on; memory does not grow.

        Closing the iterator early stops all stages.

        Parameters:
            source: as that of `actionunits.detect`.

        Raises:
            UserError: for an unusable input.
            DamagedInputError: after the results of all frames of a damaged one.

        Examples:
            >>> import actionunits as au
            >>> for result in au.Detector(aus=[45]).stream("clip.mp4"):
            ...     if result.predictions[0].au_present[0]:
            ...         print(result)
            ...         break
            FrameResult('clip.mp4', index=10, time_s=0.400, 1 face)
        """
        with open_media(source) as media:
            yield from self.stream_frames(media, follows_time(media), live=media.kind == "webcam")
        if media.damage:
            raise DamagedInputError(media.damage)

    def stream_frames(self, frames: Iterable[Frame], video: bool, live: bool = False) -> Iterator[FrameResult]:
        """`stream` for frames from anywhere.

        video: consecutive frames follow each other in time, so that faces are tracked. live: results are wanted
        at once rather than in batches.
        """
        smoother = Smoother(self.smoothing_s, self.thresholds) if video and self.smoothing_s else None
        found = self._found(frames, video)
        batch_size = 1 if live else self.batch_size
        memory = self._engine.memory() if video else None
        # The products of meshes and head poses are tiny: more threads of BLAS only wake to wait for each other.
        with (
            threadpool_limits(1, "blas"),
            # A stage that works on a batch takes and gives it at once: its neighbours go on with the next one.
            bounded(self._predicted(found, QualityCheck(video), batch_size, memory), size=batch_size) as results,
        ):
            for result in results:
                yield result if smoother is None else _smoothed(result, smoother)

    def predict_crops(
        self,
        crops: np.ndarray,
        meshes: np.ndarray | None = None,
        landmarks: np.ndarray | None = None,
        face_ids: Sequence[int] = (),
        memory: Any = None,
    ) -> list[Prediction]:
        """Predictions of registered crops (N, S, S, 3) uint8 RGB, S the model's `image_size`.

        meshes: (N, 478, 3) float, crop coordinates (0-1 spans the crop); rows of NaN where there is none.
        landmarks: (N, 68, 2) float, crop coordinates; NaN where unknown. face_ids, memory: whose crops they are, in
        time order, and the engine's memory of them; without, crops are photographs.
        """
        expected = (self.image_size, self.image_size, 3)
        if crops.ndim != 4 or crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ValueError(f"crops must be uint8 (N, {', '.join(map(str, expected))}), not {crops.shape}")
        if len(crops) == 0:
            return []
        points = {"mesh": meshes, "landmarks": landmarks}
        known = {name: np.asarray(value, np.float32) for name, value in points.items() if value is not None}
        output = self._engine.run({"image": crops, **known}, face_ids, memory)
        logit = output["au_logit"][:, self._columns]
        unknown = np.full_like(output["au_logit"], np.nan)
        intensity = output.get("au_intensity", unknown)[:, self._columns]
        prob = prob_of(logit)
        present = prob >= self.thresholds
        flows: Iterable[np.ndarray | None] = repeat(None, len(prob))
        if "flow" in output:
            flows = output["flow"].astype(np.float16)
        sides = output["au_sides"][:, self._columns] if self.tells_sides else [None] * len(crops)
        told = zip(prob, intensity, present, flows, sides, strict=True)
        return [Prediction(self.aus, *values) for values in told]

    def _found(self, frames: Iterable[Frame], video: bool) -> Iterator[tuple[Frame, list[Face]]]:
        """Second stage, behind decoding in a thread of its own."""
        with (
            FaceFinder(
                video=video,
                max_faces=self.max_faces,
                model=self.landmarker,
                min_confidence=self.min_confidence,
                device="cpu" if self.device.startswith("cpu") else self.device,
            ) as finder,
            bounded(frames, size=QUEUE_FRAMES) as decoded,
        ):
            for frame in decoded:
                check_rgb(frame.image_rgb, f"frame {frame.index}")
                yield frame, finder(frame)

    def _registered(self, frame: Frame, faces: list[Face], check: QualityCheck) -> _RegisteredFrame:
        size = self.image_size
        matrices = [self._transform(face.landmarks_px, size) for face in faces]
        crops = [cut_out(frame.image_rgb, matrix, size) for matrix in matrices]
        landmarks = [_in_crop(f.landmarks_px, m, size) for f, m in zip(faces, matrices, strict=True)]
        meshes = [
            None if f.mesh_px is None else _in_crop(f.mesh_px, m, size) for f, m in zip(faces, matrices, strict=True)
        ]
        seen = zip(faces, crops, meshes, strict=True)
        faces = [replace(face, quality=check(frame, face, crop, mesh)) for face, crop, mesh in seen]
        return _RegisteredFrame(frame, faces, crops, landmarks, meshes)

    def _predicted(
        self, found: Iterator[tuple[Frame, list[Face]]], check: QualityCheck, batch_size: int, memory: Any
    ) -> Iterator[FrameResult]:
        """Third stage: gathers frames until they hold `batch_size` faces or are that many themselves.

        Registration is here and not in the stage before, which has the most to do.
        """
        waiting: list[_RegisteredFrame] = []
        with bounded(found, size=batch_size) as source:
            for frame, found_faces in source:
                waiting.append(self._registered(frame, found_faces, check))
                faces = sum(len(each.faces) for each in waiting)
                if max(faces, len(waiting)) >= batch_size:
                    yield from self._predict(waiting, memory)
                    waiting = []
        yield from self._predict(waiting, memory)

    def _predict(self, items: list[_RegisteredFrame], memory: Any) -> list[FrameResult]:
        crops = [crop for item in items for crop in item.crops]
        landmarks = [points for item in items for points in item.landmarks]
        meshes = [mesh for item in items for mesh in item.meshes]
        face_ids = [face.face_id for item in items for face in item.faces]
        predictions: list[Prediction] = []
        # A crowd in one frame is split, so that memory stays bounded.
        for start in range(0, len(crops), self.batch_size):
            part = slice(start, start + self.batch_size)
            predictions += self.predict_crops(
                np.stack(crops[part]), _stack_meshes(meshes[part]), np.stack(landmarks[part]), face_ids[part], memory
            )
        in_order = iter(predictions)
        return [FrameResult(item.frame, item.faces, [next(in_order) for _ in item.faces]) for item in items]

    def _per_au(self, field: str, default: float) -> np.ndarray:
        values = self.header.get(field, {})
        return np.array([values.get(au_label(au), default) for au in self.aus], np.float32)


@lru_cache(maxsize=1)
def kept_detector(*settings: Any) -> Detector:
    """`Detector` of these settings: the last one that was asked for, if it was the same."""
    return Detector(*settings)


def follows_time(media: MediaReader) -> bool:
    """Whether the frames of a source follow each other in time, as those of several photographs do not."""
    return media.kind in ("video", "webcam")


def without_image(result: FrameResult) -> FrameResult:
    """The same result with a picture of the same shape that takes no memory."""
    frame = result.frame
    empty = np.broadcast_to(np.uint8(0), frame.image_rgb.shape)
    return FrameResult(Frame(empty, frame.index, frame.time_s, frame.source), result.faces, result.predictions)


def _chosen_aus(
    reported: tuple[int, ...], wanted: Sequence[int] | None, model: str
) -> tuple[tuple[int, ...], list[int]]:
    """AUs to report, ascending, and where they are in the model's output."""
    chosen = sorted(set(reported if wanted is None else wanted))
    unknown = [au_label(au) for au in chosen if au not in reported]
    if unknown or not chosen:
        known = ", ".join(map(au_label, sorted(reported)))
        raise UserError(f"the model '{model}' does not report {', '.join(unknown) or 'nothing'}; it reports {known}")
    return tuple(chosen), [reported.index(au) for au in chosen]


def _in_crop(points_px: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """(P, 2 or 3) float32, 0-1 spans the face's crop from the outer edge of its first pixel to that of its last."""
    points = transform_points(points_px, matrix)
    points[:, :2] += 0.5
    return points / size


def _stack_meshes(meshes: Sequence[np.ndarray | None]) -> np.ndarray | None:
    if all(mesh is None for mesh in meshes):
        return None
    absent = np.full((MESH_POINTS, 3), np.nan, np.float32)
    return np.stack([absent if mesh is None else mesh for mesh in meshes])


def _smoothed(result: FrameResult, smoother: Smoother) -> FrameResult:
    predictions = [
        smoother(prediction, face.face_id, result.frame.time_s)
        for face, prediction in zip(result.faces, result.predictions, strict=True)
    ]
    return FrameResult(result.frame, result.faces, predictions)
