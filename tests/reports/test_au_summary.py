"""What is printed of an input: the numbers of the table, and no number where nothing is known."""

import numpy as np
import pytest
from rich.console import Console

from actionunits.reports.au_summary import AuSummary
from actionunits.reports.number_text import intensity_text
from actionunits.types import Face, Frame, FrameResult, Prediction

AUS = (1, 12)
FACE = Face(
    np.zeros(4, np.float32), np.zeros((68, 2), np.float32), 1.0, np.zeros(3, np.float32), np.zeros(3, np.float32)
)


def summary_of(*intensities):
    """Summary of a face whose AUs are all present, with these intensities frame by frame."""
    summary = AuSummary(AUS)
    for index, values in enumerate(intensities):
        prediction = Prediction(AUS, np.full(2, 0.9), np.array(values, np.float32), np.ones(2, bool))
        frame = Frame(np.zeros((4, 4, 3), np.uint8), index, index / 25, "clip.mp4")
        summary.add(FrameResult(frame, [FACE], [prediction]))
    return summary


def shown(table):
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table)
    return [line.split("│") for line in captured.get().splitlines() if "AU" in line and "│" in line]


def test_unknown_intensities_are_a_dash_and_not_a_zero():
    summary = summary_of([np.nan, 2.0], [np.nan, np.nan], [np.nan, 4.0])
    first, second = shown(summary.video_table("clip"))
    assert [cell.strip() for cell in first[-4:-1]] == ["100%", "-", "-"]
    assert [cell.strip() for cell in second[-4:-1]] == ["100%", "3.0 C", "4.0 D"]
    assert [cell.strip() for cell in shown(summary_of([np.nan, 2.0]).photo_table("p"))[0]][-2] in ("-", "2.0 B")


@pytest.mark.parametrize("value", [0.0, 0.49, 0.5, 1.5, 2.5, 2.55, 3.46, 4.5, 5.0])
def test_the_letter_is_that_of_pictures(value):
    (_, row) = shown(summary_of([1.0, value]).video_table("clip"))
    assert row[-2].strip() == intensity_text(value)
