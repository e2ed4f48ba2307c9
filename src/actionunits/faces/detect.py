"""Face boxes from the two BlazeFace networks, on the whole image and on tiles for small faces.

The short-range network sees faces that fill a fifth of the image or more, the full-range one a tenth or more.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from actionunits.faces.boxes import BoxNetwork, Detection, box_iou
from actionunits.faces.network import MODELS

# Anchors: cells a side, and anchors a cell.
_SHORT_RANGE_GRIDS = ((16, 2), (8, 6))
_FULL_RANGE_GRIDS = ((48, 1),)
_FULL_RANGE_CAUTION = 0.1  # its limit is so much higher, as in MediaPipe's own graphs
_FULL_RANGE_PX = 192  # input side of the full-range network: smaller tiles show it nothing new
_TILE_OVERLAP = 0.25  # a face of up to a quarter of a tile is whole in one of them
_SAME_FACE_IOU = 0.3


def tile_corners(height: int, width: int, tile: int) -> list[tuple[int, int]]:
    """Top left corners (x, y) of overlapping square tiles that cover an image."""

    def starts(length: int) -> list[int]:
        if length <= tile:
            return [0]
        count = int(np.ceil((length - tile) / (tile * (1 - _TILE_OVERLAP)))) + 1
        return [round(k * (length - tile) / (count - 1)) for k in range(count)]

    return [(x, y) for y in starts(height) for x in starts(width)]


def tile_side(height: int, width: int, level: int) -> int | None:
    """Side of the tiles of a level: the longer side halved `level` times; None where that shows nothing new."""
    side = max(height, width) // 2**level
    return side if side >= 0.75 * _FULL_RANGE_PX else None


class FaceDetector:
    """Box detector for images of any size."""

    def __init__(self, min_score: float = 0.5, device: str = "cpu") -> None:
        """min_score: of the short-range network; what the full-range one sees needs `_FULL_RANGE_CAUTION` more."""
        self._short_range = BoxNetwork(MODELS / "short_range.onnx", _SHORT_RANGE_GRIDS, min_score, device)
        cautious = min_score + _FULL_RANGE_CAUTION
        self._full_range = BoxNetwork(MODELS / "full_range.onnx", _FULL_RANGE_GRIDS, cautious, device)

    def whole(self, image_rgb: np.ndarray) -> list[Detection]:
        """Faces seen in the whole image (H, W, 3) by either network."""
        image = shrink_to(image_rgb, 2 * _FULL_RANGE_PX)
        scale = np.array(image_rgb.shape[1::-1]) / np.array(image.shape[1::-1])
        found = self._short_range(image) + self._full_range(image)
        return merge([_moved(d, scale, np.zeros(2)) for d in found])

    def tiles(self, image_rgb: np.ndarray, corners_px: Sequence[tuple[int, int]], side_px: int) -> list[Detection]:
        """Faces that the full-range network sees in square tiles; faces cut by a tile's border are left out."""
        parts = [image_rgb[y : y + side_px, x : x + side_px] for x, y in corners_px]
        images = [shrink_to(part, 2 * _FULL_RANGE_PX) for part in parts]
        whole: list[Detection] = []
        for corner, part, image, seen in zip(corners_px, parts, images, self._full_range.many(images), strict=True):
            scale = np.array(part.shape[1::-1]) / np.array(image.shape[1::-1])
            begin, end = np.array(corner), corner + np.array(part.shape[1::-1])
            low = np.where(begin > 0, begin + 1, -np.inf)
            high = np.where(end < image_rgb.shape[1::-1], end - 1, np.inf)
            moved = [_moved(d, scale, begin) for d in seen]
            whole += [d for d in moved if (d.box_xyxy_px[:2] >= low).all() and (d.box_xyxy_px[2:] <= high).all()]
        return whole

    def close_up(self, crop_rgb: np.ndarray) -> list[Detection]:
        """Faces that the short-range network sees in a picture of about twice a face's size."""
        return self._short_range(crop_rgb)

    def search(self, image_rgb: np.ndarray, levels: int = 3) -> list[Detection]:
        """Faces of all sizes: the whole image, then tiles of a half, a quarter, ... (`levels` of them)."""
        height, width = image_rgb.shape[:2]
        found = self.whole(image_rgb)
        for level in range(1, levels + 1):
            side = tile_side(height, width, level)
            if side is None:
                break
            found += self.tiles(image_rgb, tile_corners(height, width, side), side)
        return merge(found)


def shrink_to(image_rgb: np.ndarray, side_px: int) -> np.ndarray:
    """The image, averaged down so that its longer side is at most `side_px`."""
    longer = max(image_rgb.shape[:2])
    if longer <= side_px:
        return image_rgb
    size = tuple(max(1, round(n * side_px / longer)) for n in image_rgb.shape[1::-1])
    return cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)


def merge(detections: list[Detection]) -> list[Detection]:
    """The best-scored detection of each face, best first."""
    kept: list[Detection] = []
    for candidate in sorted(detections, key=lambda d: -d.score):
        if all(not same_face(candidate.box_xyxy_px, k.box_xyxy_px) for k in kept):
            kept.append(candidate)
    return kept


def same_face(box_a_xyxy: np.ndarray, box_b_xyxy: np.ndarray) -> bool:
    """Whether two boxes (4,) mark one face: enough overlap, or one centre well inside the other box."""
    if float(box_iou(box_a_xyxy, box_b_xyxy)) >= _SAME_FACE_IOU:
        return True
    size = min((box_a_xyxy[2:] - box_a_xyxy[:2]).max(), (box_b_xyxy[2:] - box_b_xyxy[:2]).max())
    gap = (box_a_xyxy[:2] + box_a_xyxy[2:] - box_b_xyxy[:2] - box_b_xyxy[2:]) / 2
    return float(np.hypot(*gap)) < 0.3 * float(size)


def _moved(detection: Detection, scale: np.ndarray, offset_px: np.ndarray) -> Detection:
    def to_image(points: np.ndarray) -> np.ndarray:
        return (points + 0.5) * scale - 0.5 + offset_px

    box = to_image(detection.box_xyxy_px.reshape(2, 2)).ravel()
    return Detection(box, to_image(detection.points_px), detection.score)
