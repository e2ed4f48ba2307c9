"""What the report warns of, from run cards; the page itself is tested from the command."""

import pytest

from actionunits.reports.html_report import warnings_of

FINE = {
    **{"frames_written": 10, "frames_with_face": 10, "frames_usable": 8, "quality": {"dark": 2}},
    **{"damage": None, "interrupted": False, "without_neutral_reference": [], "notes": []},
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"frames_usable": 7}, ["only 70% of 10 frames can be used (dark 2)"]),
        ({"frames_usable": 7, "quality": {}}, ["only 70% of 10 frames can be used (the others show no face)"]),
        ({"frames_with_face": 0, "frames_usable": 0}, ["no face was found"]),
        ({"damage": "it is cut"}, ["it is cut"]),
        ({"interrupted": True}, ["interrupted: only the frames so far were analysed"]),
        ({"without_neutral_reference": [0, 2]}, ["no neutral reference for face 0, 2: left as they are"]),
        ({"notes": ["scaled"], "damage": "cut"}, ["cut", "scaled"]),
    ],
)
def test_warnings(change, told):
    assert warnings_of(FINE | change) == told
