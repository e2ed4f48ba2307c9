"""Flow as colours: the wheel of Fig. 4, the picture in panels, and grids of clips."""

import numpy as np
import pytest
import torch
from PIL import Image

from actionunits.models import find_model
from actionunits.reports.flow_colours import colour_wheel, flow_colours
from actionunits.reports.flow_grid import flow_figure, flows_of
from actionunits.reports.image_file import save_figure
from actionunits.reports.overlay_panel import PanelStyle, panel_forms


def colour(u, v, full=1.0):
    return flow_colours(np.array([u, v], np.float64), full).astype(int)


def test_no_motion_is_white_and_unknown_motion_grey():
    assert colour(0, 0).tolist() == [255, 255, 255]
    assert colour(np.nan, 0).tolist() == [128, 128, 128]


@pytest.mark.parametrize(
    ("u", "v", "strong", "weak"),
    [(1, 0, 0, 2), (-1, 0, 2, 0), (0, -1, 2, 1), (0, 1, 0, 2)],
    ids=["right", "left", "up", "down"],
)
def test_directions_have_their_colours(u, v, strong, weak):
    here = colour(u, v)
    assert here[strong] > 200 and here[weak] < 60


def test_longer_motion_is_more_saturated_and_beyond_the_full_colour_darker():
    saturation = [np.ptp(colour(length, 0)) for length in (0.2, 0.5, 1.0)]
    assert saturation[0] < saturation[1] < saturation[2]
    assert colour(3, 0).sum() < colour(1, 0).sum()
    np.testing.assert_array_equal(colour(2, 1, full=4), colour(1, 0.5, full=2))


def test_the_wheel_shows_every_direction_on_white():
    wheel = colour_wheel(101)
    assert wheel.shape == (101, 101, 3) and (wheel[0, 0] == 255).all() and (wheel[50, 50] > 240).all()
    np.testing.assert_array_equal(wheel[50, 95], colour((95.5 / 101) * 2 - 1, (50.5 / 101) * 2 - 1))


def test_a_panel_offers_the_flow_first_and_the_plain_forms_after():
    from test_overlay import make_face, make_prediction, picture

    plain = make_prediction()
    flow = np.zeros((64, 64, 2), np.float16)
    flow[..., 0] = 10
    with_flow = type(plain)(plain.aus, plain.au_prob, plain.au_intensity, plain.au_present, flow)
    style = PanelStyle.of_font(12)
    forms = [panel_forms(make_face(), p, style, 640, 360, 10, True) for p in (plain, with_flow)]
    assert len(forms[1]) == 2 * len(forms[0]) and forms[1][3:] == forms[0]
    canvas = picture()
    panel = forms[1][0]
    panel.paint(canvas, 10, 10, (0, 0, 255), style)
    red = (canvas == flow_colours(flow[0, 0], 64 * 0.05)).all(-1)
    assert red.sum() == len(panel.picture) ** 2
    rows, columns = np.nonzero(red)
    assert rows.max() < 10 + panel.height_px and columns.max() < 10 + panel.width_px


def test_a_grid_has_a_row_per_crop_and_a_column_per_method(tmp_path, monkeypatch, capsys):
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 255, (64, 64, 3)).astype(np.uint8) for _ in range(2)]
    torch.manual_seed(0)
    model = find_model("ofnet").model(find_model("ofnet").config(image_size=64, width=4), (1, 2)).eval()
    flows = flows_of(images, images[::-1], {"learned": model})
    assert set(flows) - {"TV-L1, two frames"} == {"DIS, two frames", "learned"}
    assert all(flow.shape == (2, 64, 64, 2) for flow in flows.values())
    monkeypatch.delattr("cv2.optflow", raising=False)
    assert list(flows_of(images, images, {})) == ["DIS, two frames"]
    assert "no TV-L1 flow, so it is left out" in capsys.readouterr().err
    save_figure(flow_figure(images, images, ["a", "b"], flows), tmp_path / "grid.png")
    width, height = Image.open(tmp_path / "grid.png").size
    assert width == (2 + len(flows)) * (160 + 12) + 12 and height > 2 * 160
