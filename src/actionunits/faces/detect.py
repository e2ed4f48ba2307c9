"""Face boxes from MediaPipe's two box detectors, on the whole image and on tiles for small faces.

Networks: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. The
short-range network sees faces that fill a fifth of the image or more, the full-range one a tenth or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actionunits.faces.quiet import quiet_native_start

_FULL_RANGE_PX = 192  # input side of the full-range network: smaller tiles show it nothing new
_TILE_OVERLAP = 0.25  # a face of up to a quarter of a tile is whole in one of them
_SAME_FACE_IOU = 0.3


@dataclass(frozen=True)
class Detection:
    """One box with the detector's six points."""

    box_xyxy_px: np.ndarray  # (4,) float64: left, top, right, bottom
    points_px: np.ndarray  # (6, 2) float64: eyes (left, right of the image), nose, mouth, ears (left, right)
    score: float  # 0-1


def box_iou(box_a_xyxy: np.ndarray, box_b_xyxy: np.ndarray) -> float:
    """Intersection over union of two boxes (4,).

    >>> round(box_iou(np.array([0, 0, 2, 2]), np.array([1, 0, 3, 2])), 3)
    0.333
    """
    low, high = np.maximum(box_a_xyxy[:2], box_b_xyxy[:2]), np.minimum(box_a_xyxy[2:], box_b_xyxy[2:])
    shared = np.prod((high - low).clip(0))
    areas = np.prod(box_a_xyxy[2:] - box_a_xyxy[:2]) + np.prod(box_b_xyxy[2:] - box_b_xyxy[:2])
    return float(shared / (areas - shared)) if areas > shared else 0.0


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

    def __init__(self, min_score: float = 0.5) -> None:
        from mediapipe.python.solutions.face_detection import FaceDetection

        with quiet_native_start():
            self._short_range = FaceDetection(min_detection_confidence=min_score, model_selection=0)
            self._full_range = FaceDetection(min_detection_confidence=min_score, model_selection=1)
            for network in (self._short_range, self._full_range):
                network.process(np.zeros((64, 64, 3), np.uint8))

    def whole(self, image_rgb: np.ndarray) -> list[Detection]:
        """Faces seen in the whole image (H, W, 3) by either network."""
        image = shrink_to(image_rgb, 2 * _FULL_RANGE_PX)
        scale = np.array(image_rgb.shape[1::-1]) / np.array(image.shape[1::-1])
        found = self._run(self._short_range, image) + self._run(self._full_range, image)
        return merge([_moved(d, scale, np.zeros(2)) for d in found])

    def tile(self, image_rgb: np.ndarray, corner_px: tuple[int, int], side_px: int) -> list[Detection]:
        """Faces that the full-range network sees in one square tile; faces cut by its border are left out."""
        x, y = corner_px
        part = image_rgb[y : y + side_px, x : x + side_px]
        image = shrink_to(part, 2 * _FULL_RANGE_PX)
        scale = np.array(part.shape[1::-1]) / np.array(image.shape[1::-1])
        found = [_moved(d, scale, np.array([x, y])) for d in self._run(self._full_range, image)]
        height, width = image_rgb.shape[:2]
        low = np.array([x, y]) + np.array([x > 0, y > 0])
        high = np.array([x + part.shape[1], y + part.shape[0]])
        high = np.where(high < (width, height), high - 1, np.inf)
        low = np.where(np.array([x, y]) > 0, low, -np.inf)
        return [d for d in found if (d.box_xyxy_px[:2] >= low).all() and (d.box_xyxy_px[2:] <= high).all()]

    def close_up(self, crop_rgb: np.ndarray) -> list[Detection]:
        """Faces that the short-range network sees in a picture of about twice a face's size."""
        return self._run(self._short_range, crop_rgb)

    def search(self, image_rgb: np.ndarray, levels: int = 3) -> list[Detection]:
        """Faces of all sizes: the whole image, then tiles of a half, a quarter, ... (`levels` of them)."""
        height, width = image_rgb.shape[:2]
        found = self.whole(image_rgb)
        for level in range(1, levels + 1):
            side = tile_side(height, width, level)
            if side is None:
                break
            for corner in tile_corners(height, width, side):
                found += self.tile(image_rgb, corner, side)
        return merge(found)

    def close(self) -> None:
        """Stop both graphs."""
        self._short_range.close()
        self._full_range.close()

    @staticmethod
    def _run(network: object, image_rgb: np.ndarray) -> list[Detection]:
        size = np.array(image_rgb.shape[1::-1], np.float64)
        found = []
        result = network.process(np.ascontiguousarray(image_rgb))  # type: ignore[attr-defined]
        for raw in result.detections or []:
            box = raw.location_data.relative_bounding_box
            points = np.array([(p.x, p.y) for p in raw.location_data.relative_keypoints])
            low = np.array([box.xmin, box.ymin]) * size
            high = low + np.array([box.width, box.height]) * size
            # MediaPipe counts from the corner of the first pixel, this project from its centre.
            found.append(Detection(np.concatenate([low, high]) - 0.5, points * size - 0.5, float(raw.score[0])))
        return found


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
    if box_iou(box_a_xyxy, box_b_xyxy) >= _SAME_FACE_IOU:
        return True
    size = min((box_a_xyxy[2:] - box_a_xyxy[:2]).max(), (box_b_xyxy[2:] - box_b_xyxy[:2]).max())
    gap = (box_a_xyxy[:2] + box_a_xyxy[2:] - box_b_xyxy[:2] - box_b_xyxy[2:]) / 2
    return float(np.hypot(*gap)) < 0.3 * float(size)


def _moved(detection: Detection, scale: np.ndarray, offset_px: np.ndarray) -> Detection:
    def to_image(points: np.ndarray) -> np.ndarray:
        return (points + 0.5) * scale - 0.5 + offset_px

    box = to_image(detection.box_xyxy_px.reshape(2, 2)).ravel()
    return Detection(box, to_image(detection.points_px), detection.score)
