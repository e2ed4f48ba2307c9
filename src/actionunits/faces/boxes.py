"""Face boxes of one picture from a BlazeFace network: anchors, decoding, overlapping boxes averaged.

Source: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019: Sec. 3 anchors,
Sec. 4 the average that takes the place of non-maximum suppression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from actionunits.faces.network import PictureNetwork

_SAME_BOX_IOU = 0.3  # boxes that overlap more are averaged, as in MediaPipe's own graph


@dataclass(frozen=True)
class Detection:
    """One box with the detector's six points."""

    box_xyxy_px: np.ndarray  # (4,) float64: left, top, right, bottom
    points_px: np.ndarray  # (6, 2) float64: eyes (left, right of the image), nose, mouth, ears (left, right)
    score: float  # 0-1


def box_iou(box_a_xyxy: np.ndarray, box_b_xyxy: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4), 0 where both are empty.

    >>> box_iou(np.array([0, 0, 2, 2]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [0.333, 0.0]
    """
    low = np.maximum(box_a_xyxy[..., :2], box_b_xyxy[..., :2])
    high = np.minimum(box_a_xyxy[..., 2:], box_b_xyxy[..., 2:])
    shared = (high - low).clip(0).prod(-1)
    area_a, area_b = ((box[..., 2:] - box[..., :2]).prod(-1) for box in (box_a_xyxy, box_b_xyxy))
    return shared / np.maximum(area_a + area_b - shared, 1e-12)


def anchor_centres(grids: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Centres (N, 2), as fractions of the picture, of square grids of (cells a side, anchors a cell), row by row.

    >>> anchor_centres(((2, 1), (1, 2))).tolist()
    [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75], [0.5, 0.5], [0.5, 0.5]]
    """
    centres = []
    for cells, per_cell in grids:
        y, x = np.mgrid[:cells, :cells].reshape(2, -1)
        centres.append(np.repeat((np.column_stack([x, y]) + 0.5) / cells, per_cell, axis=0))
    return np.concatenate(centres)


def average_overlapping(boxes_xyxy: np.ndarray, points: np.ndarray, scores: np.ndarray) -> list[Detection]:
    """One detection for each group of boxes around one place: their average, weighted by score, with the best score.

    boxes_xyxy: (N, 4); points: (N, 6, 2); scores: (N,). The best-scored box that is left gathers all that overlap it.
    """
    left = np.argsort(-scores, kind="stable")
    found = []
    while len(left):
        joined = box_iou(boxes_xyxy[left[0]], boxes_xyxy[left]) > _SAME_BOX_IOU
        joined[0] = True  # an empty box overlaps nothing, not even itself
        group = left[joined]
        weights = scores[group] / scores[group].sum()
        found.append(
            Detection(weights @ boxes_xyxy[group], np.tensordot(weights, points[group], 1), float(scores[group[0]]))
        )
        left = left[~joined]
    return found


class BoxNetwork:
    """A box network with its anchors."""

    def __init__(self, path: Path, grids: tuple[tuple[int, int], ...], min_score: float, device: str) -> None:
        """path: an ONNX file with outputs `boxes` (N, 16) and `scores` (N,); grids: see `anchor_centres`."""
        self._network = PictureNetwork(path, device)
        self._anchors = anchor_centres(grids)
        self._min_score = min_score

    def __call__(self, image_rgb: np.ndarray) -> list[Detection]:
        """Faces seen in the whole of an image (H, W, 3) uint8, in its pixels, best first."""
        (found,) = self.many([image_rgb])
        return found

    def many(self, images_rgb: Sequence[np.ndarray]) -> list[list[Detection]]:
        """The faces of several images, see above."""
        outputs = self._network.many([_letterbox(image, self._network.side_px) for image in images_rgb])
        return [self._seen(image, *output) for image, output in zip(images_rgb, outputs, strict=True)]

    def _seen(self, image_rgb: np.ndarray, raw: np.ndarray, scores: np.ndarray) -> list[Detection]:
        likely = np.flatnonzero(scores >= self._min_score)
        # Eight pairs: the box's centre, width and height, the six points; all but the size are from the anchor.
        pairs = raw[likely].reshape(-1, 8, 2).astype(np.float64) / self._network.side_px
        pairs[:, [0, *range(2, 8)]] += self._anchors[likely, None]
        height, width = image_rgb.shape[:2]
        longer = max(height, width)
        pairs *= longer
        # The networks count from the corner of the first pixel, this project from its centre.
        pairs[:, [0, *range(2, 8)]] += (np.array([width, height]) - longer) / 2 - 0.5
        centre, size = pairs[:, 0], pairs[:, 1]
        boxes = np.hstack([centre - size / 2, centre + size / 2])
        return average_overlapping(boxes, pairs[:, 2:], scores[likely].astype(np.float64))


def _letterbox(image_rgb: np.ndarray, side_px: int) -> np.ndarray:
    """The image in the middle of a black square picture (side_px, side_px, 3), as large as fits."""
    height, width = image_rgb.shape[:2]
    longer = max(height, width)
    scale = longer / side_px
    # Sampled at the corners of the picture's pixels, not at their centres, as MediaPipe does.
    matrix = np.array([[scale, 0, (width - longer) / 2], [0, scale, (height - longer) / 2]])
    return cv2.warpAffine(image_rgb, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
