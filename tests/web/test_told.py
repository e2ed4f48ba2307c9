"""Frames as JSON for the page, and the tidy rows of the API."""

import json

import numpy as np
import pytest

from actionunits.reports.schemas import TidySchema
from actionunits.types import Face, Frame, FrameResult, Prediction
from actionunits.web.told import frame_told, row_values, warnings


def face(size_px=100.0, confidence=0.9, pose=(0, 0, 0)):
    box = np.array([10, 20, 10 + size_px, 20 + size_px], np.float32)
    pose_deg, nowhere = np.array(pose, np.float32), np.zeros(3, np.float32)
    return Face(box, np.zeros((68, 2), np.float32), confidence, pose_deg, nowhere)


def result(intensity=1.234, sides=None):
    unit = {"au_prob": 0.123456, "au_intensity": intensity}
    arrays = {name: np.array([value, 0.5], np.float32) for name, value in unit.items()}
    prediction = Prediction((1, 12), au_present=np.array([False, True]), au_sides=sides, **arrays)
    return FrameResult(Frame(np.zeros((48, 64, 3), np.uint8), 4, 0.16, "clip.mp4"), [face()], [prediction])


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (face(), []),
        (face(size_px=47), ["small face"]),
        (face(confidence=0.6), ["uncertain face"]),
        (face(pose=(0, -40, 0)), ["turned away"]),
        (face(pose=(36, 0, 0)), ["turned away"]),
        (face(pose=(0, 0, 80)), []),  # a tilted head is turned upright
    ],
)
def test_warnings_tell_why_a_face_may_be_read_wrong(seen, words):
    assert warnings(seen) == words


def test_a_frame_is_told_as_valid_json():
    told = json.loads(json.dumps(frame_told(result(np.nan)), allow_nan=False))
    assert (told["frame"], told["time_s"], told["size"]) == (5, 0.16, [64, 48])
    (seen,) = told["faces"]
    assert (seen["prob"], seen["intensity"], seen["present"]) == ([0.1235, 0.5], [None, 0.5], [0, 1])
    assert "sides" not in seen
    both = frame_told(result(sides=np.array([[1, 2], [3, np.nan]], np.float32)))["faces"][0]
    assert both["sides"] == [[1.0, 2.0], [3.0, None]]


def test_rows_have_the_columns_and_decimals_of_the_tidy_table():
    first, second = row_values(result())
    assert list(first) == [column.name for column in TidySchema.columns]
    assert first == {
        "source": "clip.mp4", "frame": 5, "time_s": 0.16, "face_id": 0,
        "au": "AU01", "prob": 0.1235, "intensity": 1.23, "present": 0, "usable": 1, "quality": None,
    }  # fmt: skip
    assert second["present"] == 1 and row_values(result(np.nan))[0]["intensity"] is None
    empty = FrameResult(result().frame, [], [])
    assert [row["au"] for row in row_values(empty)] == [None]
