"""Row schemas of the tables: OpenFace 2.2, py-feat and tidy; what each column is called and holds.

A schema turns one FrameResult into rows. A frame without a face is always exactly one row (one row of
`openface`, `pyfeat`, `tidy` alike), so that no frame is lost.

`openface` follows RecorderCSV of OpenFace 2.2 (Baltrušaitis et al., "OpenFace 2.0", FG 2018): names, order and
decimals. Eye landmarks, 3D landmarks and shape parameters are not estimated and these blocks are left out; gaze is
written where it is asked for.
After the `_c` block follows one `AUxx_p` column per action unit: the probability of presence. Where they are asked
for, `AUxx_rL` and `AUxx_rR` follow: the intensity on the person's own left and right.
Columns of OpenFace's list that the model does not report (AU28_c) stay empty, so that readers that ask for the
full list work; a 0 would claim absence.
- `frame` counts from 1. `success` is 1 on every row with a face. A frame without a face has `face_id` 0,
  `confidence` 0, `success` 0 and all other cells empty: filter by `success` before grouping by `face_id`.
- One photograph has `face,confidence` in place of the first five columns; without a face, `face` is empty.
- Several photographs in one table keep the five columns and name the file in a last column `input`.
- `gaze_0_*` is a direction of length 1, of the eye at the left of the image, `gaze_1_*` of that at the right, in
  camera axes (x right, y down, z away); `gaze_angle_*` is the mean of both in radians, to the right of the image and
  down.
- `pose_T*` in mm, `pose_R*` in radians: x right, y down, z away from the camera, right-handed, R = Rx Ry Rz.
  Rx > 0 is chin down and Ry > 0 a turn to the left of the image: the opposite of `Face.pose_deg`, which is also
  taken from the line of sight, where these are taken from the camera's axes.

`pyfeat` follows py-feat v2 (github.com/cosanlab/py-feat): box, landmarks, Pitch/Roll/Yaw in degrees, one
probability per action unit, Identity ("Person_0"), FrameHeight, FrameWidth, input, frame (from 0), approx_time.

`tidy` is long: source, frame (from 1), time_s, face_id, au, prob, intensity, present.

All end with `usable`, 1 or 0, and `quality`, the words of detection/quality.py, or `no_face`, with blanks between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from actionunits.aus import au_label
from actionunits.errors import UserError
from actionunits.faces.gaze import gaze_angles
from actionunits.faces.pose import camera_rotation
from actionunits.files import valid_text
from actionunits.types import Face, FrameResult, Prediction

Cell = int | float | str | None
Row = list[Cell]

# OpenFace 2.2 reports intensity for these; presence also for AU28.
OPENFACE_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
POSE_COLUMNS = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")
LANDMARKS = 68
SCHEMAS = ("openface", "pyfeat", "tidy")
MEDIA_KINDS = ("video", "webcam", "image", "images")


@dataclass(frozen=True)
class Column:
    """One column: `kind` is "int", "float", "double" or "text"; `decimals` is how numbers are printed in CSV."""

    name: str
    kind: str
    decimals: int = 0


GAZE_COLUMNS = (
    *(Column(f"gaze_{eye}_{axis}", "float", 6) for eye in (0, 1) for axis in "xyz"),
    *(Column(f"gaze_angle_{axis}", "float", 3) for axis in "xy"),
)
QUALITY_COLUMNS = (Column("usable", "int"), Column("quality", "text"))
NO_FACE_CELLS: Row = [0, "no_face"]


def quality_cells(face: Face) -> Row:
    """In the order of QUALITY_COLUMNS."""
    return [int(face.is_usable), " ".join(face.quality) or None]


class RowSchema(Protocol):
    """Columns of a table, and the rows of one frame in that order."""

    name: str
    columns: tuple[Column, ...]

    def rows(self, result: FrameResult) -> list[Row]:
        """The rows of one frame: one per face (tidy: per face and AU), and one if there is no face."""
        ...


def make_schema(
    name: str,
    aus: Sequence[int],
    media: str = "video",
    pose: bool = True,
    landmarks: bool = True,
    all_openface_aus: bool = True,
    sides: bool = False,
    gaze: bool = False,
) -> RowSchema:
    """The row schema `name` for predictions of `aus` on a `media` kind of MediaReader.

    pose, landmarks: whether these blocks are written. all_openface_aus: keep the columns of OpenFace's list that
    `aus` lacks, empty. sides: intensities of left and right too. gaze: that too. Raises UserError for an unknown
    schema, and for one that has no place for sides or gaze.
    """
    if media not in MEDIA_KINDS:
        raise ValueError(f"media is '{media}'; it must be one of {', '.join(MEDIA_KINDS)}")
    if name in SCHEMAS and name != "openface":
        for wanted, option, what in ((sides, "--sides", "left and right"), (gaze, "--gaze", "gaze")):
            if wanted:
                raise UserError(
                    f"the columns of '{name}' have no place for {what}; {option} goes with --schema openface"
                )
    if name == "openface":
        return OpenFaceSchema(aus, media, pose, landmarks, all_openface_aus, sides, gaze)
    if name == "pyfeat":
        return PyFeatSchema(aus, media, pose, landmarks)
    if name == "tidy":
        return TidySchema()
    raise UserError(f"'{name}' is not a table schema; choose one of {', '.join(SCHEMAS)}")


def openface_pose(face: Face) -> list[float]:
    """pose_Tx .. pose_Rz of a face: position in mm; Euler angles in radians, in camera axes, R = Rx Ry Rz."""
    rotation = camera_rotation(face.pose_deg, face.position_mm)
    about_x = np.arctan2(-rotation[1, 2], rotation[2, 2])
    about_y = np.arctan2(rotation[0, 2], np.hypot(rotation[0, 0], rotation[0, 1]))
    about_z = np.arctan2(-rotation[0, 1], rotation[0, 0])
    return [*face.position_mm.tolist(), float(about_x), float(about_y), float(about_z)]


def _landmark_columns(decimals: int) -> list[Column]:
    return [Column(f"{axis}_{i}", "float", decimals) for axis in "xy" for i in range(LANDMARKS)]


def _landmark_cells(face: Face) -> list[float]:
    return face.landmarks_px.T.ravel().tolist()


def _gaze_cells(face: Face) -> Row:
    """In the order of GAZE_COLUMNS."""
    return [None] * len(GAZE_COLUMNS) if face.gaze is None else [*face.gaze.ravel().tolist(), *gaze_angles(face.gaze)]


class OpenFaceSchema:
    """Columns and rows as OpenFace 2.2 writes them, then probabilities."""

    name = "openface"

    def __init__(
        self,
        aus: Sequence[int],
        media: str,
        pose: bool,
        landmarks: bool,
        all_openface_aus: bool,
        sides: bool,
        gaze: bool,
    ) -> None:
        self.media, self.pose, self.landmarks, self.sides, self.gaze = media, pose, landmarks, sides, gaze
        self.aus_p = sorted(aus)
        self.aus_r = sorted({*aus, *OPENFACE_AUS}) if all_openface_aus else self.aus_p
        self.aus_c = sorted({*self.aus_r, 28}) if all_openface_aus else self.aus_p
        if media == "image":
            columns = [Column("face", "int"), Column("confidence", "float", 2)]
        else:
            columns = [
                Column("frame", "int"),
                Column("face_id", "int"),
                Column("timestamp", "double", 3),
                Column("confidence", "float", 2),
                Column("success", "int"),
            ]
        if gaze:
            columns += GAZE_COLUMNS
        if pose:
            columns += [Column(name, "float", 1 if name[5] == "T" else 3) for name in POSE_COLUMNS]
        if landmarks:
            columns += _landmark_columns(1)
        columns += [Column(f"{au_label(au)}_r", "float", 2) for au in self.aus_r]
        columns += [Column(f"{au_label(au)}_c", "float", 1) for au in self.aus_c]
        columns += [Column(f"{au_label(au)}_p", "float", 4) for au in self.aus_p]
        if sides:
            columns += [Column(f"{au_label(au)}_r{side}", "float", 2) for au in self.aus_p for side in "LR"]
        columns += QUALITY_COLUMNS
        if media == "images":
            columns.append(Column("input", "text"))
        self.columns = tuple(columns)

    def rows(self, result: FrameResult) -> list[Row]:
        last: Row = [valid_text(result.frame.source)] if self.media == "images" else []
        if not result.faces:
            first, last = self._first_cells(result, None), [*NO_FACE_CELLS, *last]
            return [[*first, *[None] * (len(self.columns) - len(first) - len(last)), *last]]
        made = []
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            row = self._first_cells(result, face)
            row += _gaze_cells(face) if self.gaze else []
            row += openface_pose(face) if self.pose else []
            row += _landmark_cells(face) if self.landmarks else []
            made.append([*row, *self._au_cells(prediction), *quality_cells(face), *last])
        return made

    def _first_cells(self, result: FrameResult, face: Face | None) -> Row:
        if self.media == "image":
            return [None, 0.0] if face is None else [face.face_id, face.confidence]
        number, time_s = result.frame.index + 1, result.frame.time_s
        if face is None:
            return [number, 0, time_s, 0.0, 0]
        return [number, face.face_id, time_s, face.confidence, 1]

    def _au_cells(self, prediction: Prediction) -> Row:
        at = {au: i for i, au in enumerate(prediction.aus)}
        prob, intensity = prediction.au_prob.tolist(), prediction.au_intensity.tolist()
        present = prediction.au_present.tolist()
        cells: Row = [intensity[at[au]] if au in at else None for au in self.aus_r]
        cells += [float(present[at[au]]) if au in at else None for au in self.aus_c]
        cells += [prob[at[au]] for au in self.aus_p]
        if self.sides and prediction.au_sides is not None:
            cells += prediction.au_sides[[at[au] for au in self.aus_p]].ravel().tolist()
        return cells


class PyFeatSchema:
    """Columns and rows as py-feat v2 writes them, without the blocks that are not estimated."""

    name = "pyfeat"

    def __init__(self, aus: Sequence[int], media: str, pose: bool, landmarks: bool) -> None:
        self.aus, self.media, self.pose, self.landmarks = sorted(aus), media, pose, landmarks
        box = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
        columns = [Column(name, "float", 2) for name in box]
        columns += _landmark_columns(2) if landmarks else []
        columns += [Column(name, "float", 2) for name in ("Pitch", "Roll", "Yaw")] if pose else []
        columns += [Column(au_label(au), "float", 4) for au in self.aus]
        columns += [Column("Identity", "text"), Column("FrameHeight", "int"), Column("FrameWidth", "int")]
        columns += [Column("input", "text"), Column("frame", "int")]
        columns += [Column("approx_time", "text")] if media in ("video", "webcam") else []
        columns += QUALITY_COLUMNS
        self.columns = tuple(columns)

    def rows(self, result: FrameResult) -> list[Row]:
        last = self._last_cells(result)
        if not result.faces:
            last += NO_FACE_CELLS
            return [[*[None] * (len(self.columns) - len(last)), *last]]
        made = []
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            left, top, right, bottom = face.box_xyxy_px.tolist()
            pitch, yaw, roll = face.pose_deg.tolist()
            prob = dict(zip(prediction.aus, prediction.au_prob.tolist(), strict=True))
            row: Row = [left, top, right - left, bottom - top, face.confidence]
            row += _landmark_cells(face) if self.landmarks else []
            row += [pitch, roll, yaw] if self.pose else []
            made.append([*row, *(prob[au] for au in self.aus), f"Person_{face.face_id}", *last, *quality_cells(face)])
        return made

    def _last_cells(self, result: FrameResult) -> Row:
        frame, whole_s = result.frame, int(result.frame.time_s)
        height, width = frame.image_rgb.shape[:2]
        clock = [f"{whole_s // 60:02d}:{whole_s % 60:02d}"] if self.media in ("video", "webcam") else []
        return [height, width, valid_text(frame.source), frame.index, *clock]


class TidySchema:
    """One row per frame, face and action unit."""

    name = "tidy"
    columns: tuple[Column, ...] = (
        Column("source", "text"),
        Column("frame", "int"),
        Column("time_s", "double", 3),
        Column("face_id", "int"),
        Column("au", "text"),
        Column("prob", "float", 4),
        Column("intensity", "float", 2),
        Column("present", "int"),
        *QUALITY_COLUMNS,
    )

    def rows(self, result: FrameResult) -> list[Row]:
        first: Row = [valid_text(result.frame.source), result.frame.index + 1, result.frame.time_s]
        if not result.faces:
            return [[*first, None, None, None, None, None, *NO_FACE_CELLS]]
        made: list[Row] = []
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            values = zip(
                map(au_label, prediction.aus),
                prediction.au_prob.tolist(),
                prediction.au_intensity.tolist(),
                map(int, prediction.au_present),
                strict=True,
            )
            made += [[*first, face.face_id, *cells, *quality_cells(face)] for cells in values]
        return made
