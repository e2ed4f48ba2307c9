"""Renders as DISFA stores its data: AVI of the left camera, a text file per AU, a landmark file per frame.

Only one camera is rendered, so there is no Videos_RightCamera. Rows and pictures are written as in the real data:
label frames from 1, landmark files from 0, 66 of the 68 points.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.synth.layouts.clip import LabelledClip, write_text

AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
SUBJECTS: tuple[str, ...] = tuple(f"SN{number:03d}" for number in (*range(1, 14), 16, 17, 18, 21, *range(23, 33)))
_NEXT_NUMBER = 33  # people beyond the official ones
_WITHOUT = (60, 64)  # inner mouth corners, which the 66 points lack
_QUALITY = {"qmin": "2", "qmax": "3"}  # MPEG-4 quantiser: hardly any loss


def subject_name(subject: int) -> str:
    """Official name of person k, from 0; beyond the official ones the numbers go on."""
    return SUBJECTS[subject] if subject < len(SUBJECTS) else f"SN{_NEXT_NUMBER + subject - len(SUBJECTS):03d}"


def write_clip(root: Path, clip: LabelledClip) -> None:
    """Write a person's only sequence; a clip whose label files are all there is left as it is.

    Raises UserError for a second clip of a person and for a clip that lacks one of DISFA's AUs.
    """
    name = subject_name(clip.subject)
    if clip.task:
        raise UserError("DISFA holds one sequence per person; render one clip each")
    lacking = [au for au in AUS if au not in clip.aus]
    if lacking:
        raise UserError(f"the clip of {name} lacks the AUs {', '.join(map(str, lacking))}, which DISFA codes")
    labels = Path(root) / "ActionUnit_Labels" / name
    if (labels / f"{name}_au{AUS[-1]}.txt").is_file():
        return
    write_avi(Path(root) / "Videos_LeftCamera" / f"LeftVideo{name}_comp.avi", clip.images(), clip.fps)
    _write_landmarks(Path(root) / "Landmark_Points" / name / "tmp_frame_lm", name, clip.landmarks_px)
    for au in AUS:
        rows = (f"{frame},{level}\n" for frame, level in enumerate(clip.levels(au), start=1))
        write_text(labels / f"{name}_au{au}.txt", "".join(rows))


def write_avi(path: Path, images: Iterator[np.ndarray], fps: float) -> None:
    """Write RGB pictures of one size, (H, W, 3) uint8 with even sides, as MPEG-4 in an AVI file."""
    import av

    with write_atomically(path) as temporary, av.open(str(temporary), "w", format="avi") as container:
        stream: Any = None
        for index, image in enumerate(images):
            if stream is None:
                stream = container.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(10_000))
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt, stream.options = "yuv420p", _QUALITY
                stream.bit_rate = 40_000_000
                stream.codec_context.thread_count = 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        if stream is None:
            raise UserError(f"cannot write {path}: there are no frames")
        container.mux(stream.encode(None))


def _write_landmarks(folder: Path, name: str, landmarks_px: np.ndarray) -> None:
    from scipy.io import savemat

    for index, points in enumerate(np.delete(np.asarray(landmarks_px, np.float64), _WITHOUT, axis=1)):
        with write_atomically(folder / f"{name}_{index:04d}_lm.mat") as temporary:
            savemat(temporary, {"pts": points})
