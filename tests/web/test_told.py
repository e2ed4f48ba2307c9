"""Frames as JSON for the page, and the tidy rows of the API."""

import json

import numpy as np
import pytest

from actionunits.reports.schemas import TidySchema
from actionunits.types import Face, Frame, FrameResult, Prediction
from actionunits.web.told import frame_told, row_values


def face(quality=()):
    box, nowhere = np.array([10, 20, 110, 120], np.float32), np.zeros(3, np.float32)
    return Face(box, np.zeros((68, 2), np.float32), 0.9, nowhere, nowhere, quality=quality)


def result(intensity=1.234, sides=None, quality=()):
    unit = {"au_prob": 0.123456, "au_intensity": intensity}
    arrays = {name: np.array([value, 0.5], np.float32) for name, value in unit.items()}
    prediction = Prediction((1, 12), au_present=np.array([False, True]), au_sides=sides, **arrays)
    return FrameResult(Frame(np.zeros((48, 64, 3), np.uint8), 4, 0.16, "clip.mp4"), [face(quality)], [prediction])


def test_a_frame_is_told_as_valid_json():
    told = json.loads(json.dumps(frame_told(result(np.nan)), allow_nan=False))
    assert (told["frame"], told["time_s"], told["size"]) == (5, 0.16, [64, 48])
    (seen,) = told["faces"]
    assert (seen["prob"], seen["intensity"], seen["present"]) == ([0.1235, 0.5], [None, 0.5], [0, 1])
    assert "sides" not in seen and (seen["usable"], seen["quality"]) == (1, [])
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


@pytest.mark.parametrize(("quality", "usable"), [(("small", "dark"), 0), (("new_id",), 1)])
def test_what_speaks_against_a_face_has_the_words_of_the_table(quality, usable):
    (seen,) = frame_told(result(quality=quality))["faces"]
    row = row_values(result(quality=quality))[0]
    assert (seen["usable"], " ".join(seen["quality"])) == (usable, row["quality"]) and row["usable"] == usable
