"""Registration: a similarity transform that brings a face's landmarks onto the mean face of the crop; or a box."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from actionunits.faces.mean_face import REGISTRATION_POINTS, template_landmarks

CROP_SIZE = 112
_POINTS = np.array(REGISTRATION_POINTS)


def similarity_transform(landmarks_px: np.ndarray, size: int = CROP_SIZE, margin: float = 0.0) -> np.ndarray:
    """Least-squares similarity from image pixels to pixels of a `size` x `size` crop, (..., 2, 3) float64.

    landmarks_px: (68, 2), or (..., 68, 2) for a matrix each. Eye corners and nose base decide
    (REGISTRATION_POINTS). The crop shows `margin` more on every side, as a fraction of the plain crop's width:
    128 pixels with a margin of 8 / 112 are the plain 112-pixel crop and 8 pixels around it.
    Source: Umeyama, "Least-squares estimation of transformation parameters", PAMI 1991.
    """
    source = np.asarray(landmarks_px, np.float64)[..., _POINTS, :]
    source_mean = source.mean(-2)
    s = source - source_mean[..., None, :]
    # In complex numbers a similarity without reflection is one multiplication.
    sc = s[..., 0] + 1j * s[..., 1]
    target_mean, tc = _target(size, margin)
    factor = (np.conj(sc) @ tc) / (np.abs(sc) ** 2).sum(-1)
    rotation = np.stack([np.stack([factor.real, -factor.imag], -1), np.stack([factor.imag, factor.real], -1)], -2)
    offset = target_mean[:, None] - rotation @ source_mean[..., None]
    return np.concatenate([rotation, offset], -1)


@cache
def _target(size: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a registered crop has the points that decide: their mean, (2,), and complex offsets from it, (P,)."""
    points = ((template_landmarks()[_POINTS].astype(np.float64) - 0.5) / (1 + 2 * margin) + 0.5) * size - 0.5
    offsets = points - points.mean(0)
    return points.mean(0), offsets[:, 0] + 1j * offsets[:, 1]


def box_transform(landmarks_px: np.ndarray, size: int = CROP_SIZE, margin: float = 0.0) -> np.ndarray:
    """Shift and scale, without a turn, from image pixels to pixels of a crop around a face, (2, 3) float64.

    landmarks_px: (68, 2), NaN where unknown. The smallest square around the known ones comes where that of the mean
    face is in a registered crop, so that both show as much of a face. margin: see `similarity_transform`.
    """
    points = np.asarray(landmarks_px, np.float64)
    known = np.isfinite(points).all(1)
    middle, side = _square(points[known])
    target_middle, target_side = _square(template_landmarks()[known].astype(np.float64))
    shown = 1 + 2 * margin
    scale = target_side / shown * size / max(side, 1e-9)
    offset = ((target_middle - 0.5) / shown + 0.5) * size - 0.5 - scale * middle
    return np.column_stack([scale * np.eye(2), offset])


def face_transform(aligned: bool) -> Callable[..., np.ndarray]:
    """The function that crops are cut out with: `similarity_transform`, or `box_transform` where not aligned."""
    return similarity_transform if aligned else box_transform


def _square(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle and side of the smallest upright square around points, (P, 2)."""
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, float((high - low).max())


def register(
    image_rgb: np.ndarray, landmarks_px: np.ndarray, size: int = CROP_SIZE, margin: float = 0.0
) -> np.ndarray:
    """Registered face crop, (size, size, 3) uint8; outside the image the border pixels are repeated.

    image_rgb: (H, W, 3) uint8; landmarks_px: (68, 2); margin: see `similarity_transform`.
    """
    return cut_out(image_rgb, similarity_transform(landmarks_px, size, margin), size)


def cut_out(image_rgb: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The picture that `matrix`, (2, 3), makes of an image, (size, size, 3) uint8; see `register`."""
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 0.5:
        # Bilinear sampling skips pixels when it shrinks: halve the image first until one step is left.
        image_rgb, matrix = _shrunk(image_rgb, matrix, size, 2 ** int(np.ceil(np.log2(0.5 / scale))))
    return cv2.warpAffine(image_rgb, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _shrunk(image_rgb: np.ndarray, matrix: np.ndarray, size: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that a crop shows, averaged over `step` pixels each way, and the (2, 3) matrix from it."""
    to_image = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, size, 0, size], [0, 0, size, size]]) - 0.5
    shown = to_image[:, :2] @ corners + to_image[:, 2:]
    # Whole blocks of pixels, counted from the image's corner, with one more around for the sampling.
    blocks = shown.clip(0, [[image_rgb.shape[1] - 1], [image_rgb.shape[0] - 1]]) // step
    low = ((blocks.min(1) - 1) * step).clip(0).astype(int)
    high = ((blocks.max(1) + 2) * step).astype(int)
    part = image_rgb[low[1] : high[1], low[0] : high[0]]
    height, width = part.shape[:2]
    small = cv2.resize(part, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    ratio = np.array([width, height]) / small.shape[1::-1]
    from_small = np.empty((2, 3))
    # Pixel centres: full = (small + 0.5) * ratio - 0.5 + low.
    from_small[:, :2] = matrix[:, :2] * ratio
    from_small[:, 2] = matrix[:, :2] @ (0.5 * ratio - 0.5 + low) + matrix[:, 2]
    return small, from_small


def transform_points(points_px: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a (2, 3) similarity to points (..., 2 or 3); a third coordinate is scaled like the others."""
    points = np.asarray(points_px, np.float64)
    moved = points[..., :2] @ matrix[:, :2].T + matrix[:, 2]
    if points.shape[-1] == 2:
        return moved.astype(np.float32)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    return np.concatenate([moved, points[..., 2:] * scale], axis=-1).astype(np.float32)
