"""The picture with what was seen in it: face boxes, landmarks, and a panel of active AUs beside each face."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from itertools import product

import cv2
import numpy as np

from actionunits.reports.lettering import paint_label, render_label
from actionunits.reports.overlay_layout import BESIDE, CAPTION, Placement, place_panels, place_tags
from actionunits.reports.overlay_panel import Panel, PanelStyle, panel_forms
from actionunits.reports.palette import RGB, ink_on, person_colour
from actionunits.types import Face, Prediction

MIN_DISPLAY_SIDE_PX = 360  # below this, panels in the smallest readable type leave no room for the face
MAX_DISPLAY_SCALE = 8
MIN_FONT_PX, MAX_FONT_PX = 12, 64
MANY_FACES = 8  # more faces than this get one-line panels
CROWD = 4  # more faces than this get smaller type
DARK: RGB = (12, 16, 22)

# Runs of the 68 Multi-PIE points that form a line: (first, past the last, closed).
CONTOURS = (
    (17, 22, False),  # brows
    (22, 27, False),
    (27, 31, False),  # nose
    (31, 36, False),
    (36, 42, True),  # eyes
    (42, 48, True),
    (48, 60, True),  # lips
    (60, 68, True),
)
SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 pixel
FARTHEST_PX = 1e6  # coordinates beyond this would overflow OpenCV's fixed-point numbers


def display_scale(height: int, width: int) -> int:
    """Whole factor by which a picture is enlarged before drawing; 1 from 360 pixels on the shorter side.

    >>> display_scale(160, 160), display_scale(360, 640)
    (3, 1)
    """
    return int(np.clip(np.ceil(MIN_DISPLAY_SIDE_PX / min(height, width)), 1, MAX_DISPLAY_SCALE))


def font_size_px(height: int, width: int, faces: int) -> int:
    """Type size for a picture of that display size: 12 pixels up to 720x720, 24 at 1920x1080, 48 at 4K."""
    size = np.sqrt(height * width) / 60
    if faces > CROWD:
        size *= 0.8
    return int(np.clip(round(size), MIN_FONT_PX, MAX_FONT_PX))


def margin_beside(
    height: int, width: int, faces: Sequence[Face], predictions: Sequence[Prediction], max_aus: int = 10
) -> int:
    """Columns to add at the right of a picture of this size, so that its largest face need not lie under its panel.

    0 where there is room at one side of that face, where nobody is seen, and for crowds, whose panels are lines.
    """
    seen = [(f, p) for f, p in zip(faces, predictions, strict=True) if np.isfinite(f.box_xyxy_px).all()]
    if not seen or len(seen) > MANY_FACES:
        return 0
    face, prediction = max(seen, key=lambda pair: float(np.ptp(pair[0].box_xyxy_px.reshape(2, 2), axis=0).prod()))
    # A face may do little now and more later.
    fullest = replace(prediction, au_present=np.ones(len(prediction.aus), bool))
    left, right = max(float(face.box_xyxy_px[0]), 0), min(float(face.box_xyxy_px[2]), width)
    added = 0
    for _ in range(3):  # letters grow with the picture
        scale = display_scale(height, width + added)
        style = PanelStyle.of_font(font_size_px(height * scale, (width + added) * scale, len(seen)))
        unbounded = int(FARTHEST_PX)
        panel = panel_forms(face, fullest, style, unbounded, unbounded, max_aus, True)[0]
        needed = int(np.ceil((panel.width_px + 2 * style.font_px) / scale))
        if not added and max(left, width - right) >= needed:
            return 0
        added = int(np.ceil(needed - (width - right)))
    return added


def draw_faces(
    image_rgb: np.ndarray,
    faces: Sequence[Face],
    predictions: Sequence[Prediction | None],
    *,
    show_landmarks: bool = True,
    show_bars: bool = True,
    max_aus: int = 10,
    memory: MutableMapping[int, tuple[int, str]] | None = None,
) -> np.ndarray:
    """Copy of the picture with each face's box, number, landmarks and active AUs, (s H, s W, 3) uint8.

    image_rgb: (H, W, 3) uint8. s is `display_scale(H, W)`: small pictures are enlarged so that text can be
    read. predictions: one per face, or None where there is none. A panel lists at most `max_aus` AUs, the
    strongest, each with its name and a bar of the intensity 0-5 (marks A-E at 1-5). Where a face has too little
    room beside it the panel drops the names, then the bars; where nothing fits there is no panel. Without
    `show_bars` every panel is one line of AU numbers, as it is with more than eight faces.
    memory: pass the same dict for all frames of a video and panels keep their side from frame to frame.

    Raises ValueError if faces and predictions differ in number.
    """
    if len(faces) != len(predictions):
        raise ValueError(f"{len(faces)} faces but {len(predictions)} predictions")
    scale = display_scale(*image_rgb.shape[:2])
    canvas = np.array(image_rgb, np.uint8, order="C")
    if scale > 1:
        canvas = cv2.resize(canvas, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    # A face whose place is unknown cannot be drawn.
    seen = [(f, p) for f, p in zip(faces, predictions, strict=True) if np.isfinite(f.box_xyxy_px).all()]
    if not seen:
        return canvas
    height, width = canvas.shape[:2]
    font_px = font_size_px(height, width, len(seen))
    # Coordinates count from pixel centres, which enlarging moves.
    boxes = np.array([(np.asarray(f.box_xyxy_px, np.float64) + 0.5) * scale - 0.5 for f, _ in seen])
    boxes = np.clip(boxes, -FARTHEST_PX, FARTHEST_PX)
    points = [
        (np.asarray(f.landmarks_px, np.float64) + 0.5) * scale - 0.5 if np.isfinite(f.landmarks_px).all() else None
        for f, _ in seen
    ]

    for (face, _), box, landmarks in zip(seen, boxes, points, strict=True):
        colour = person_colour(face.face_id)
        draw_box(canvas, box, colour, font_px)
        if show_landmarks and landmarks is not None:
            draw_landmarks(canvas, landmarks, box, colour, font_px)
    put_panels(canvas, seen, boxes, points, PanelStyle.of_font(font_px), max_aus, show_bars, memory)
    return canvas


def put_panels(
    canvas: np.ndarray,
    seen: Sequence[tuple[Face, Prediction | None]],
    boxes_px: np.ndarray,
    landmarks_px: Sequence[np.ndarray | None],
    style: PanelStyle,
    max_aus: int,
    show_bars: bool,
    memory: MutableMapping[int, tuple[int, str]] | None,
) -> None:
    """Find free places for number tags and panels of boxes (N, 4), and draw them; in place."""
    height, width = canvas.shape[:2]
    tags = place_tags(width, height, boxes_px, [style.tag_size(str(face.face_id)) for face, _ in seen])
    bars = show_bars and len(seen) <= MANY_FACES
    forms = [panel_forms(face, prediction, style, width, height, max_aus, bars) for face, prediction in seen]
    placements = place_panels(
        width,
        height,
        boxes_px,
        np.array([feature_box(p, b) for p, b in zip(landmarks_px, boxes_px, strict=True)]),
        [[(panel.width_px, panel.height_px) for panel in panels] for panels in forms],
        taken_px=[tag for tag in tags if tag is not None],
        side_costs=BESIDE if bars else CAPTION,
        kept=None if memory is None else [memory.get(face.face_id) for face, _ in seen],
        gap_px=max(4, style.font_px // 2),
    )
    draw_panels(canvas, [face for face, _ in seen], boxes_px, forms, placements, style)
    for (face, _), tag in zip(seen, tags, strict=True):
        if tag is not None:
            draw_tag(canvas, tag, str(face.face_id), person_colour(face.face_id), style)
    if memory is not None:
        for (face, _), placement in zip(seen, placements, strict=True):
            if placement is not None:
                memory[face.face_id] = (placement.choice, placement.side)


def feature_box(landmarks_px: np.ndarray | None, box_px: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of brows, eyes, nose and mouth, (4,); the face box if not known."""
    if landmarks_px is None:
        return box_px
    features = landmarks_px[17:]
    return np.concatenate([features.min(axis=0), features.max(axis=0)])


def draw_box(canvas: np.ndarray, box_px: np.ndarray, colour: RGB, font_px: int) -> None:
    """Face box with a dark rim, which keeps it visible on a background of its own colour; in place."""
    line = max(1, round(font_px / 8))
    left, top, right, bottom = (round(float(v)) for v in box_px)
    cv2.rectangle(canvas, (left, top), (right, bottom), DARK, line + 2)
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, line)


def draw_landmarks(
    canvas: np.ndarray, landmarks_px: np.ndarray, box_px: np.ndarray, colour: RGB, font_px: int
) -> None:
    """Contours of brows, eyes, nose and lips, and a dot on each of the 68 points (68, 2); in place."""
    face_width = float(box_px[2] - box_px[0])
    if face_width < 24:
        return  # lines would hide the face
    one = 1 << SUBPIXEL_BITS
    fixed = np.round(np.clip(landmarks_px, -FARTHEST_PX, FARTHEST_PX) * one).astype(np.int32)
    line = max(1, round(min(face_width / 220, font_px / 10)))
    rims = ((DARK, line + 1), (colour, line)) if face_width >= 180 else ((colour, line),)
    for (ink, thickness), (first, last, closed) in product(rims, CONTOURS):
        cv2.polylines(canvas, [fixed[first:last]], closed, ink, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    if face_width < 110:
        return  # 68 dots would run into one another
    radius = float(np.clip(face_width / 160, 0.8, font_px / 7))
    for x, y in fixed.tolist():
        cv2.circle(canvas, (x, y), round((radius + 0.6) * one), DARK, -1, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.circle(canvas, (x, y), round(radius * one), (255, 255, 255), -1, cv2.LINE_AA, SUBPIXEL_BITS)


def draw_tag(
    canvas: np.ndarray, tag_xyxy_px: tuple[int, int, int, int], text: str, colour: RGB, style: PanelStyle
) -> None:
    """The person's number on a plate of the person's colour; in place."""
    left, top, right, bottom = tag_xyxy_px
    canvas[top:bottom, left:right] = colour
    label = render_label(text, style.font_px, True)
    paint_label(canvas, label, left + (right - left - label.width_px) // 2, top, ink_on(colour))


def draw_panels(
    canvas: np.ndarray,
    faces: Sequence[Face],
    boxes_px: np.ndarray,
    forms: Sequence[Sequence[Panel]],
    placements: Sequence[Placement | None],
    style: PanelStyle,
) -> None:
    """The placed panels, with a line to the face from those that lie apart from it; in place."""
    placed = [(f, b, p, q) for f, b, p, q in zip(faces, boxes_px, forms, placements, strict=True) if q]
    for face, box, _, placement in placed:
        draw_leader(canvas, box, placement.box_xyxy_px, person_colour(face.face_id), style.font_px)
    for face, _, panels, placement in placed:
        left, top, _, _ = placement.box_xyxy_px
        panels[placement.choice].paint(canvas, left, top, person_colour(face.face_id), style)


def draw_leader(
    canvas: np.ndarray, box_px: np.ndarray, panel_px: tuple[int, int, int, int], colour: RGB, font_px: int
) -> None:
    """Line from a panel to its face box, if they are more than two lines of text apart; in place."""
    low = np.maximum(box_px[:2], panel_px[:2])
    high = np.minimum(box_px[2:], panel_px[2:])
    if np.hypot(*np.maximum(0, low - high)) <= 2 * font_px:
        return
    # Where the spans overlap the line runs straight across, from the middle of the shared span.
    shared = (low + high) / 2
    apart = low > high
    panel_centre = (np.array(panel_px[:2]) + panel_px[2:]) / 2
    on_box = np.where(apart, np.clip(panel_centre, box_px[:2], box_px[2:]), shared)
    on_panel = np.where(apart, np.clip(on_box, panel_px[:2], panel_px[2:]), shared)
    line = max(1, round(font_px / 12))
    start, end = (tuple(int(v) for v in np.round(point)) for point in (on_box, on_panel))
    cv2.line(canvas, start, end, DARK, line + 2, cv2.LINE_AA)
    cv2.line(canvas, start, end, colour, line, cv2.LINE_AA)
