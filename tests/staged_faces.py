"""Pictures that say how many faces they hold, and a finder that reads it: detection tests without networks."""

from pathlib import Path

import cv2
import numpy as np

from actionunits.faces.mean_face import template_landmarks
from actionunits.media import VideoWriter
from actionunits.types import Face, Frame

SIZE = (120, 200)  # height, width
STEP = 40  # grey levels of the corner per face, more than compression changes


def picture(faces: int, shade: int = 0) -> np.ndarray:
    """(120, 200, 3) uint8: a pattern that depends on `shade`, and the number of faces in the top left corner."""
    height, width = SIZE
    across = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    image = (across * (0.4 + 0.05 * (shade % 8))).astype(np.uint8)
    cv2.circle(image, (100, 70), 20 + shade % 20, (200, 120, 90), -1)
    image[:16, :16] = faces * STEP + STEP // 2
    return image


def video_frames(counts, fps: float = 25, source: str = "staged"):
    """Frames with these numbers of faces."""
    return [Frame(picture(n, k), k, k / fps, source) for k, n in enumerate(counts)]


def write_video(path: str | Path, counts, fps: float = 25) -> str | Path:
    """Write `video_frames` as a video, and the folders that it lies in; gives its path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps=fps) as writer:
        for frame in video_frames(counts):
            writer.write(frame.image_rgb)
    return path


class StagedFinder:
    """Stands in for FaceFinder; face i lies i * 20 pixels to the right and keeps the number i."""

    def __init__(self, video, max_faces=None, model=None, min_confidence=0.5, device="cpu"):
        self.video, self.max_faces = video, max_faces

    def __call__(self, frame: Frame) -> list[Face]:
        count = int(frame.image_rgb[4:12, 4:12].mean()) // STEP
        faces = [self._face(i) for i in range(count)]
        return faces if self.max_faces is None else faces[: self.max_faces]

    def _face(self, i: int) -> Face:
        points = (template_landmarks() * 60 + [20 + 20 * i, 40]).astype(np.float32)
        mesh = np.zeros((478, 3), np.float32)
        mesh[:68, :2] = points
        return Face(
            box_xyxy_px=np.concatenate([points.min(0), points.max(0)]),
            landmarks_px=points,
            confidence=0.9,
            pose_deg=np.zeros(3, np.float32),
            position_mm=np.array([0, 0, 600], np.float32),
            mesh_px=mesh,
            face_id=i,
        )

    def close(self) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass
