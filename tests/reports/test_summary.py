"""Summaries name what was seen, with the numbers of the table."""

from io import StringIO

import numpy as np
import pandas as pd
from rich.console import Console

from actionunits.reports.summary import summarise


def text_of(table: pd.DataFrame) -> str:
    console = Console(width=120, record=True, file=StringIO())
    console.print(summarise(table))
    return console.export_text()


def line_with(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def video() -> pd.DataFrame:
    intensity = np.array([0.0, 1.0, 4.2, 0.8])
    return pd.DataFrame(
        {
            "frame": range(1, 5),
            "face_id": 0,
            "timestamp": [0.0, 0.5, 61.5, 62.0],
            "confidence": 0.9,
            "success": 1,
            "AU12_r": intensity,
            "AU12_c": (intensity >= 1).astype(float),
            "AU12_p": intensity / 5,
            "AU28_c": np.nan,
        }
    )


def test_video_gives_share_mean_maximum_and_its_time():
    line = line_with(text_of(video()), "AU12")
    for part in ("lip corner puller", "50%", "1.5", "4.2 D", "1:01.5"):
        assert part in line


def test_columns_without_a_value_are_not_listed():
    assert "AU28" not in text_of(video())


def test_share_of_frames_in_which_the_person_is_seen_is_given():
    table = video()
    table.loc[[0], ["success", "AU12_r", "AU12_c", "AU12_p"]] = [0, np.nan, np.nan, np.nan]
    text = text_of(table)
    assert "seen in 75% of 4 frames" in text
    assert "67%" in line_with(text, "AU12")


def test_photograph_gives_probability_intensity_and_letter():
    photo = pd.DataFrame(
        {
            "face": [0, 1],
            "confidence": 0.9,
            "AU04_r": [0.1, 0.0],
            "AU12_r": [2.6, 0.0],
            "AU04_c": 0.0,
            "AU12_c": [1.0, 0.0],
            "AU04_p": [0.07, 0.1],
            "AU12_p": [0.93, 0.1],
        }
    )
    text = text_of(photo)
    assert "Face 0" in text
    assert "Face 1" in text
    smile, brow = line_with(text, "AU12"), line_with(text, "AU04")
    assert "●" in smile
    assert "0.93" in smile
    assert "2.6 C" in smile
    assert "●" not in brow


def test_several_photographs_give_one_line_per_face():
    table = video().assign(input=[f"folder/{name}.jpg" for name in "abcd"], timestamp=0.0)
    table.loc[[3], ["success", "AU12_r", "AU12_c"]] = [0, np.nan, np.nan]
    text = text_of(table)
    assert "AU12 4.2 D" in line_with(text, "c.jpg")
    assert "none" in line_with(text, "a.jpg")
    assert "no face" in line_with(text, "d.jpg")


def test_no_face_is_said_plainly():
    assert "No face was found in any of 4 frames" in text_of(video().assign(success=0))


def test_unknown_values_are_dashes_and_do_not_fail():
    line = line_with(text_of(video().assign(AU12_r=np.nan)), "AU12")
    assert "–" in line
    assert "50%" in line
