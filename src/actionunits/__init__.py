"""Facial action units, with intensities, from photos, videos and webcams."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actionunits.aus import AUS
from actionunits.errors import UserError

if TYPE_CHECKING:
    from actionunits import io
    from actionunits.detection.detector import Detector
    from actionunits.detection.result import DetectionResult
    from actionunits.media import Source

__version__ = "0.1.0"
__all__ = ["AUS", "DetectionResult", "Detector", "UserError", "__version__", "detect", "io"]

# ONNX Runtime 1.29 and newer reports its use to Microsoft unless this is set before it is imported. A program that
# looks at faces tells nobody anything; whoever wants it otherwise can set 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def detect(
    source: Source,
    *,
    model: str | None = None,
    weights: str | Path | None = None,
    aus: Sequence[int] | None = None,
    neutral: str | int | Path | None = None,
    calibrate: bool = False,
    smooth: float | None = None,
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
    max_faces: int | None = None,
    min_confidence: float = 0.5,
    landmarker: str | Path | None = None,
    device: str = "auto",
    batch_size: int = 8,
    allow_network: bool = False,
    progress: bool = True,
) -> DetectionResult:
    """Find the faces in one input and estimate their action units; the options are those of `actionunits detect`.

    The model of the last call is kept for the next one with the same options. For several inputs with `weights` make
    one `Detector`, which loads them once, and call its `detect`.

    Parameters:
        source: a path to a photograph, video, animation or folder of photographs; a pattern such as "day1/*.jpg";
            "webcam:0", which Ctrl-C or `end` ends; an address such as "https://...", see `allow_network`; a PIL
            image; an array (H, W, 3) of uint8 in RGB (OpenCV reads BGR: give x[..., ::-1]); or a list or generator of
            pictures, as arrays, PIL images or paths.
        model: name of released weights; "resnet18" unless given.
        weights: a checkpoint file instead.
        aus: numbers of the action units to report, such as [1, 2, 12]; all that the model knows unless given.
        neutral: measure from this neutral face: a frame number from 1, a time such as "3.2s", or a picture's path.
        calibrate: measure from each person's own resting face in the video.
        smooth: smooth over time with this time constant, in seconds.
        schema: columns of the table, "openface", "pyfeat" or "tidy".
        pose: whether the table has columns of head position and rotation.
        landmarks: whether the table has columns of the 68 landmarks.
        sides: also the intensities of the person's own left and right.
        gaze: whether the table has columns of where the eyes look.
        eyes_closed: also AU43, eyes that stay closed for more than half a second; for videos.
        same_people: a person who leaves and comes back keeps the number, in a video of any length.
        fps: several pictures are the frames of a sequence with this many per second; else each stands for itself.
        start: begin at this time of a video, in seconds.
        end: stop before this time.
        every: analyse each n-th frame or picture.
        max_faces: only the largest faces, at most this many.
        min_confidence: leave out faces found with less confidence, 0-1.
        landmarker: MediaPipe's face_landmarker.task, in place of the bundled network.
        device: "auto", "cpu" or "cuda".
        batch_size: faces that pass the model at once in videos.
        allow_network: open addresses.
        progress: tell on standard error how far the work is, once it takes longer than a second.

    Returns:
        A `DetectionResult` with `table`, `summary()`, `episodes()`, `plot()`, `annotate(i)`, `report(path)`,
        `save(path)` and `frames`.

    Raises:
        UserError: for an input or option that cannot be used, with one line that says why. What is damaged on the way
            is no error: the result holds what could be read, and `damage` tells.

    Examples:
        >>> import actionunits as au
        >>> result = au.detect("photo.jpg")
        >>> result
        DetectionResult('photo.jpg', 1 photograph, 1 face)
        >>> result.table["AU12_c"].tolist()  # the smile of the astronaut Eileen Collins
        [1.0]
    """
    from actionunits.detection.detector import Detector, kept_detector

    chosen = None if aus is None else tuple(aus)
    settings = (model, weights, device, batch_size, max_faces, landmarker, min_confidence, chosen, smooth)
    # Files that a user names may change from call to call; those of the package do not.
    make = kept_detector if weights is None and landmarker is None else Detector
    return make(*settings).detect(
        source,
        neutral=neutral,
        calibrate=calibrate,
        schema=schema,
        pose=pose,
        landmarks=landmarks,
        sides=sides,
        gaze=gaze,
        eyes_closed=eyes_closed,
        same_people=same_people,
        fps=fps,
        start=start,
        end=end,
        every=every,
        allow_network=allow_network,
        progress=progress,
    )


def __getattr__(name: str) -> Any:
    # Importing the package stays quick: the networks are loaded when they are asked for.
    homes = {"Detector": "actionunits.detection.detector", "DetectionResult": "actionunits.detection.result"}
    if name in homes:
        return getattr(import_module(homes[name]), name)
    if name == "io":
        return import_module("actionunits.io")
    raise AttributeError(f"module 'actionunits' has no attribute '{name}'")
