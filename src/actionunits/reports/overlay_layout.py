"""Where the panels of an overlay go: beside their face, inside the picture, never on one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Placement:
    """Chosen form and place of one panel."""

    choice: int  # which of the offered sizes was taken, 0 is the richest
    side: str  # "right" | "left" | "below" | "above" | "edge"
    box_xyxy_px: tuple[int, int, int, int]  # left, top, right, bottom; right and bottom exclusive


# What a place costs; a clear place beside the face costs about 0. Areas count as the share that is covered.
COVER_OWN_FEATURES = 3.0  # brows, eyes, nose and mouth of the face that the panel speaks of
COVER_OTHER_FEATURES = 9.0
COVER_OWN_BOX = 0.4
COVER_OTHER_BOX = 2.0
DISTANCE = 6.0  # per image diagonal, between panel and face box, beyond the usual gap
UNALIGNED = 0.1  # per image diagonal, between the upper edges of panel and face box
AMBIGUOUS = 0.4  # as near to another face as to its own
LESS_CLEAR = 0.2  # nearly so
CHANGE = 0.25  # leaving the form and side of the frame before
BESIDE = {"right": 0.0, "left": 0.01, "below": 0.04, "above": 0.05, "edge": 0.08}
CAPTION = {"below": 0.0, "above": 0.02, "right": 0.04, "left": 0.05, "edge": 0.08}


def place_panels(
    width: int,
    height: int,
    boxes_px: np.ndarray,
    features_px: np.ndarray,
    choices: Sequence[Sequence[tuple[int, int]]],
    *,
    taken_px: Sequence[tuple[int, int, int, int]] = (),
    choice_costs: Sequence[float] = (0.0, 0.25, 0.6),
    side_costs: Mapping[str, float] = BESIDE,
    kept: Sequence[tuple[int, str] | None] | None = None,
    gap_px: int = 6,
) -> list[Placement | None]:
    """Best free place for one panel per face; None where nothing fits. Large faces choose first.

    width, height: of the picture. boxes_px, features_px: (N, 4) left, top, right, bottom of each face and of
    its brows, eyes, nose and mouth. choices: per face the (width, height) of each form, richest first.
    taken_px: rectangles that panels must leave free. side_costs: BESIDE for columns, CAPTION for lines.
    kept: per face the (choice, side) of the frame before, which is left only for a clearly better one, so that
    panels of a video do not jump.

    Panels lie inside the picture and overlap neither each other nor `taken_px`.
    """
    boxes = np.asarray(boxes_px, np.float64).reshape(-1, 4)
    features = np.asarray(features_px, np.float64).reshape(-1, 4)
    taken = [tuple(map(int, rectangle)) for rectangle in taken_px]
    placements: list[Placement | None] = [None] * len(boxes)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for face in np.argsort(-area, kind="stable"):
        best_cost, best = np.inf, None
        for choice, (panel_width, panel_height) in enumerate(choices[face]):
            sides, rectangles = candidates(width, height, boxes[face], panel_width, panel_height, taken, gap_px)
            if not sides:
                continue
            cost = placement_costs(rectangles, face, boxes, features, np.hypot(width, height), gap_px)
            cost += choice_costs[min(choice, len(choice_costs) - 1)]
            cost += np.array([side_costs[side] for side in sides])
            if kept is not None and kept[face] is not None:
                cost += np.array([0.0 if (choice, side) == kept[face] else CHANGE for side in sides])
            cheapest = int(np.argmin(cost))
            if cost[cheapest] < best_cost:
                left, top, right, bottom = (int(v) for v in rectangles[cheapest])
                best_cost, best = (
                    cost[cheapest],
                    Placement(choice, sides[cheapest], (left, top, right, bottom)),
                )
        placements[face] = best
        if best is not None:
            taken.append(best.box_xyxy_px)
    return placements


def candidates(
    width: int,
    height: int,
    box_px: np.ndarray,
    panel_width: int,
    panel_height: int,
    taken_px: Sequence[tuple[int, ...]],
    gap_px: int,
) -> tuple[list[str], np.ndarray]:
    """Free places for one panel: names of the sides and rectangles (K, 4), all inside the picture."""
    if panel_width > width or panel_height > height:
        return [], np.empty((0, 4))
    left, top, right, bottom = np.clip(box_px, 0, [width, height, width, height])
    right_x, left_x = right + gap_px, left - gap_px - panel_width
    below_y, above_y = bottom + gap_px, top - gap_px - panel_height
    stacked_y = [y for t in taken_px for y in (t[3] + gap_px, t[1] - gap_px - panel_height)]
    stacked_x = [x for t in taken_px for x in (t[2] + gap_px, t[0] - gap_px - panel_width)]
    beside_y = [top, (top + bottom - panel_height) / 2, bottom - panel_height, *stacked_y]
    along_x = [left, (left + right - panel_width) / 2, right - panel_width, *stacked_x]
    places = [("right", right_x, y) for y in beside_y] + [("left", left_x, y) for y in beside_y]
    places += [("below", x, below_y) for x in along_x] + [("above", x, above_y) for x in along_x]
    margin_x, margin_y = min(gap_px, width - panel_width), min(gap_px, height - panel_height)
    edge_x, edge_y = width - panel_width - margin_x, height - panel_height - margin_y
    places += [("edge", x, y) for x in (margin_x, edge_x) for y in (margin_y, edge_y, *beside_y)]
    places += [("edge", x, y) for y in (margin_y, edge_y) for x in along_x]
    corner = np.array([(x, y) for _, x, y in places])
    corner = np.clip(np.round(corner), 0, [width - panel_width, height - panel_height])
    rectangles = np.hstack([corner, corner + np.array([panel_width, panel_height])])
    free = np.ones(len(rectangles), bool)
    if taken_px:
        free = (overlap_areas(rectangles, np.array(taken_px, np.float64)) == 0).all(axis=1)
    return [side for (side, _, _), ok in zip(places, free, strict=True) if ok], rectangles[free]


def placement_costs(
    rectangles: np.ndarray,
    face: int,
    boxes: np.ndarray,
    features: np.ndarray,
    diagonal: float,
    gap_px: int,
) -> np.ndarray:
    """Cost of each rectangle (K, 4) as the panel of `face`, (K,)."""
    others = np.arange(len(boxes)) != face
    box_share = overlap_areas(rectangles, boxes) / rectangle_areas(boxes)
    feature_share = overlap_areas(rectangles, features) / rectangle_areas(features)
    apart = np.maximum(0, np.maximum(rectangles[:, None, :2] - boxes[:, 2:], boxes[:, :2] - rectangles[:, None, 2:]))
    distance = np.hypot(apart[..., 0], apart[..., 1])  # (K, N)
    to_own, to_other = distance[:, face], distance[:, others].min(axis=1, initial=np.inf)
    return (
        COVER_OWN_FEATURES * feature_share[:, face]
        + COVER_OWN_BOX * box_share[:, face]
        + COVER_OTHER_FEATURES * feature_share[:, others].sum(axis=1)
        + COVER_OTHER_BOX * box_share[:, others].sum(axis=1)
        + DISTANCE * np.maximum(0, to_own - 1.5 * gap_px) / diagonal
        + UNALIGNED * np.abs(rectangles[:, 1] - boxes[face, 1]) / diagonal
        + np.where(to_other <= to_own, AMBIGUOUS, np.where(to_other < to_own + 3 * gap_px, LESS_CLEAR, 0.0))
    )


def place_tags(
    width: int, height: int, boxes_px: np.ndarray, sizes: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int, int] | None]:
    """Place of each face's number tag, at a corner of its box; None where no corner is free.

    boxes_px: (N, 4). sizes: (width, height) of each tag. Tags lie inside the picture and do not overlap.
    """
    taken = np.empty((0, 4))
    places: list[tuple[int, int, int, int] | None] = []
    for box, (tag_width, tag_height) in zip(np.asarray(boxes_px).reshape(-1, 4), sizes, strict=True):
        left, top, right, bottom = np.clip(box, 0, [width, height, width, height])
        place = None
        for x, y in (
            (left, top - tag_height),
            (left, top),
            (right - tag_width, top - tag_height),
            (right - tag_width, top),
            (left, bottom),
            (right - tag_width, bottom),
        ):
            x, y = round(float(x)), round(float(y))
            rectangle = np.array([[x, y, x + tag_width, y + tag_height]], np.float64)
            inside = x >= 0 and y >= 0 and x + tag_width <= width and y + tag_height <= height
            if inside and not overlap_areas(rectangle, taken).any():
                place = (x, y, x + tag_width, y + tag_height)
                taken = np.vstack([taken, rectangle])
                break
        places.append(place)
    return places


def overlap_areas(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Overlap of every rectangle (K, 4) with every rectangle (M, 4), in square pixels, (K, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.maximum(0, high - low).prod(axis=2)


def rectangle_areas(rectangles: np.ndarray) -> np.ndarray:
    """Area of each rectangle (M, 4), (M,); at least one square pixel."""
    return np.maximum(1, (rectangles[:, 2:] - rectangles[:, :2]).clip(0).prod(axis=1))
