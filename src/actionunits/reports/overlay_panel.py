"""The panel of one face: its active AUs as named bars, in up to three sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from actionunits.aus import AUS, INTENSITY_LETTERS, INTENSITY_MAX
from actionunits.reports.flow_colours import FULL_COLOUR_SHARE, flow_colours
from actionunits.reports.lettering import paint_label, render_label
from actionunits.reports.number_text import intensity_text
from actionunits.reports.palette import RGB
from actionunits.types import Face, Prediction

INK: RGB = (250, 250, 250)
FAINT_INK: RGB = (185, 190, 197)
TRACK: RGB = (92, 98, 106)
BACKDROP_SHARE = 0.24  # of the picture that shines through a panel: white text keeps a contrast above 7:1
BACKDROP_LEVEL = 10
FLOW_LINES = 6  # height of a flow's picture, in lines of text


@dataclass(frozen=True)
class Row:
    """One line of a panel; `intensity` is None for a line without a bar."""

    text: str
    value: str
    intensity: float | None


@dataclass(frozen=True)
class PanelStyle:
    """Sizes of everything in a panel, all in proportion to the type."""

    font_px: int
    small_px: int
    line_px: int  # height of one line of text
    small_line_px: int
    pad_px: int
    stripe_px: int
    bar_px: int
    gap_px: int

    @classmethod
    def of_font(cls, font_px: int) -> PanelStyle:
        """Sizes that go with a type size."""
        small = max(9, round(font_px * 0.75))
        return cls(
            font_px=font_px,
            small_px=small,
            line_px=render_label("0", font_px).height_px,
            small_line_px=render_label("0", small).height_px,
            pad_px=round(font_px * 0.5),
            stripe_px=max(3, round(font_px / 4)),
            bar_px=max(4, round(font_px / 3)),
            gap_px=max(2, round(font_px / 4)),
        )

    @property
    def row_px(self) -> int:
        return self.line_px + self.bar_px + self.gap_px

    def tag_size(self, text: str) -> tuple[int, int]:
        """Width and height of the plate with a person's number."""
        return max(self.line_px, render_label(text, self.font_px, True).width_px + self.pad_px), self.line_px


@dataclass(frozen=True)
class Panel:
    """A panel ready to be placed: title, lines, and its size in pixels."""

    title: str
    note: str  # faint, right of the title
    rows: tuple[Row, ...]
    width_px: int
    height_px: int
    picture: np.ndarray | None = None  # (P, P, 3) uint8, below the lines

    def paint(self, image_rgb: np.ndarray, left_px: int, top_px: int, colour: RGB, style: PanelStyle) -> None:
        """Draw into the picture (H, W, 3) uint8, in place, with the person's colour."""
        right, bottom = left_px + self.width_px, top_px + self.height_px
        region = image_rgb[top_px:bottom, left_px:right]
        cv2.convertScaleAbs(region, dst=region, alpha=BACKDROP_SHARE, beta=BACKDROP_LEVEL)
        region[:, : style.stripe_px] = colour
        x0, x1 = left_px + style.stripe_px + style.pad_px, right - style.pad_px
        y = top_px + style.pad_px // 2
        paint_label(image_rgb, render_label(self.title, style.font_px, True), x0, y, INK)
        if self.note:
            note = render_label(self.note, style.font_px)
            paint_label(image_rgb, note, x1 - note.width_px, y, FAINT_INK)
        y += style.line_px + style.gap_px
        for row in self.rows:
            paint_label(image_rgb, render_label(row.text, style.font_px), x0, y, INK)
            value = render_label(row.value, style.font_px)
            paint_label(image_rgb, value, x1 - value.width_px, y, INK)
            if row.intensity is not None:
                paint_bar(image_rgb, x0, x1, y + style.line_px, row.intensity, colour, style)
            y += style.row_px
        if any(row.intensity is not None for row in self.rows):
            for level in range(1, len(INTENSITY_LETTERS)):
                letter = render_label(INTENSITY_LETTERS[level], style.small_px)
                x = x0 + round((x1 - x0) * level / INTENSITY_MAX)
                paint_label(image_rgb, letter, x - letter.width_px // 2, y - style.gap_px // 2, FAINT_INK)
        if self.picture is not None:
            side, end = len(self.picture), bottom - style.pad_px
            image_rgb[end - side : end, x0 : x0 + side] = self.picture


def paint_bar(
    image_rgb: np.ndarray, left: int, right: int, top: int, intensity: float, colour: RGB, style: PanelStyle
) -> None:
    """Bar of an intensity 0-5 with notches at 1, 2, 3 and 4; in place."""
    image_rgb[top : top + style.bar_px, left:right] = TRACK
    end = left + round((right - left) * float(np.clip(intensity / INTENSITY_MAX, 0, 1)))
    image_rgb[top : top + style.bar_px, left:end] = colour
    notch = max(1, style.font_px // 12)
    for level in range(1, int(INTENSITY_MAX)):
        x = left + round((right - left) * level / INTENSITY_MAX)
        image_rgb[top : top + style.bar_px, x - notch // 2 : x - notch // 2 + notch] = (0, 0, 0)


def panel_forms(
    face: Face,
    prediction: Prediction | None,
    style: PanelStyle,
    image_width: int,
    image_height: int,
    max_aus: int,
    show_bars: bool,
) -> list[Panel]:
    """Panels to choose from for a face, richest first: names and bars, bars, one line of numbers.

    A prediction with a flow first offers each of them with a picture of it. Empty if there is no prediction, or no
    finite probability in it. Forms that the picture cannot hold are left out, and a form too high for it lists fewer
    AUs.
    """
    if prediction is None or not np.isfinite(prediction.au_prob).any():
        return []
    active = strongest(prediction, max_aus)
    hidden = int(prediction.au_present.sum()) - len(active)
    forms = []
    if show_bars and active:
        room = (image_height - bar_panel_height(0, style)) // style.row_px
        if room >= 1:
            shown = strongest(prediction, min(max_aus, room))
            more = f"+{len(active) - len(shown) + hidden}" if len(shown) < len(active) + hidden else ""
            forms += [bar_panel(face, prediction, shown, more, style, named) for named in (True, False)]
    numbers = " ".join(str(prediction.aus[k]) for k in active)
    more = f" +{hidden}" if hidden else ""
    forms.append(line_panel(f"AU {numbers}{more}" if active else "no active AU", style))
    if prediction.flow_px is not None and show_bars:
        forms = [with_flow(panel, prediction.flow_px, style) for panel in forms] + forms
    return [panel for panel in forms if panel.width_px <= image_width and panel.height_px <= image_height]


def strongest(prediction: Prediction, count: int) -> list[int]:
    """Positions of the present AUs, at most `count`, in the order of `aus`: the highest intensities,
    or the highest probabilities where the intensity is unknown."""
    unknown = ~np.isfinite(prediction.au_intensity)
    strength = np.where(unknown, np.nan_to_num(prediction.au_prob) * INTENSITY_MAX, prediction.au_intensity)
    present = np.flatnonzero(prediction.au_present & np.isfinite(prediction.au_prob))
    return sorted(present[np.argsort(-strength[present], kind="stable")][:count].tolist())


def bar_panel(
    face: Face, prediction: Prediction, shown: list[int], more: str, style: PanelStyle, named: bool
) -> Panel:
    """Panel with a bar per AU, with the AUs' names or with their numbers alone."""
    rows = []
    for k in shown:
        number, intensity = prediction.aus[k], float(prediction.au_intensity[k])
        name = f"AU{number} {AUS[number].name}" if named else f"AU{number}"
        if np.isfinite(intensity):
            rows.append(Row(name, intensity_text(intensity, named), intensity))
        else:
            rows.append(Row(name, f"{prediction.au_prob[k]:.0%}", None))
    # The width fits every AU that the model knows, so that it stays the same through a video.
    names = [f"AU{n} {AUS[n].name}" if named else f"AU{n}" for n in prediction.aus]
    values = ("0.0 A", "100%") if named else ("0.0", "100%")
    text_width = max(render_label(name, style.font_px).width_px for name in names)
    value_width = max(render_label(value, style.font_px).width_px for value in values)
    title = f"Face {face.face_id}"
    title_width = render_label(title, style.font_px, True).width_px
    note_width = render_label(more, style.font_px).width_px if more else 0
    width = max(text_width + value_width, title_width + note_width) + style.pad_px
    height = bar_panel_height(len(rows), style)
    return Panel(title, more, tuple(rows), width + style.stripe_px + 2 * style.pad_px, height)


def with_flow(panel: Panel, flow_px: np.ndarray, style: PanelStyle) -> Panel:
    """The panel with the picture of a flow, (S, S, 2) pixels of the crop, below its lines."""
    side = FLOW_LINES * style.line_px
    picture = flow_colours(flow_px, FULL_COLOUR_SHARE * len(flow_px))
    picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)
    width = max(panel.width_px, side + style.stripe_px + 2 * style.pad_px)
    height = panel.height_px + style.gap_px + side + style.pad_px
    return replace(panel, width_px=width, height_px=height, picture=picture)


def bar_panel_height(rows: int, style: PanelStyle) -> int:
    """Height in pixels of a panel with that many bars: title, bars, and the line of letters."""
    return style.pad_px // 2 + style.line_px + style.gap_px + rows * style.row_px + style.small_line_px


def line_panel(text: str, style: PanelStyle) -> Panel:
    """Panel of one line."""
    width = render_label(text, style.font_px, True).width_px + style.stripe_px + 2 * style.pad_px
    return Panel(text, "", (), width, style.line_px + 2 * (style.pad_px // 2))
