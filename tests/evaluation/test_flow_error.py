"""End-point errors by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from actionunits.evaluation.flow_error import end_point_error, near_au_centers, summarise
from actionunits.faces.mean_face import template_landmarks


def test_end_point_error_is_the_mean_distance_over_the_pixels_that_count():
    true = np.zeros((2, 1, 3, 2))
    flow = true.copy()
    flow[0, 0] = [(3, 4), (0, 1), (100, 0)]
    counts = np.array([[[True, True, False]], [[False, False, False]]])
    error = end_point_error(flow, true, counts)
    assert error[0] == pytest.approx((5 + 1) / 2) and np.isnan(error[1])


def test_areas_lie_around_the_lip_corners_and_not_on_the_nose():
    points = template_landmarks()
    mask = near_au_centers(torch.from_numpy(points)[None], 100)[0]

    def at(point):
        x, y = np.floor(points[point] * 100).astype(int)
        return mask[y, x]

    assert at(48) and at(54) and not at(29)
    assert 0.05 < mask.mean() < 0.25


def test_people_weigh_the_same_whatever_their_number_of_frames():
    frames = pd.DataFrame(
        {
            "subject": [0, 0, 0, 1] * 2,
            "method": ["zero"] * 4 + ["half"] * 4,
            "area": "all",
            "error_px": [1.0, 1, 1, 3, 0.5, 0.5, 0.5, 1.5],
        }
    )
    table = summarise(frames, "zero").set_index("method")
    assert table.loc["zero", "error_px"] == pytest.approx(2) and table.loc["half", "error_px"] == pytest.approx(1)
    half = table.loc["half"]
    assert half["ratio"] == half["ratio_low"] == half["ratio_high"] == pytest.approx(0.5)
    assert half["people"] == 2 and half["frames"] == 4
