"""The 478-point face mesh of one region of an image, with the network's score that a face is there.

Network: Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020 (bundled
with MediaPipe); or the "Face mesh detection model v2" of a MediaPipe Tasks file (`face_landmarker.task`).

Deviations: the region is tracked here, not inside MediaPipe's graph: its own graphs follow a face without
telling how sure they are, and search the whole image again in every frame while they see fewer faces than
asked for.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from actionunits.errors import UserError
from actionunits.faces.quiet import quiet_native_start

_EYE_CORNERS = (33, 263)  # mesh vertices: outer corners, image left and right
_MARGIN = 1.5  # side of the region over the longer side of the face, as in MediaPipe's own graph

MIN_PRESENCE = 0.5  # as in MediaPipe's own graph; below it a region holds no face

_BUNDLED_SIZE = 192
_BUNDLED_GRAPH = """
input_stream: "image"
input_stream: "roi"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image" input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""
_BUNDLED_PRESENCE = "facelandmarkcpu__face_presence_score"  # a stream inside FaceLandmarkCpu

_TASK_SIZE = 256
_TASK_MEMBER = "face_landmarks_detector.tflite"
_TASK_GRAPH = """
input_stream: "image"
input_side_packet: "model_blob"
output_stream: "landmarks"
output_stream: "presence"
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image" output_stream: "TENSORS:input_tensors"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: 256 output_tensor_height: 256 output_tensor_float_range { min: 0 max: 1 } } }
}
node {
  calculator: "TfLiteModelCalculator"
  input_side_packet: "MODEL_BLOB:model_blob" output_side_packet: "MODEL:model"
}
node {
  calculator: "InferenceCalculatorCpu"
  input_stream: "TENSORS:input_tensors" output_stream: "TENSORS:output_tensors"
  input_side_packet: "MODEL:model"
  options { [mediapipe.InferenceCalculatorOptions.ext] { delegate { xnnpack {} } } }
}
node {
  calculator: "SplitTensorVectorCalculator"
  input_stream: "output_tensors" output_stream: "landmark_tensors" output_stream: "presence_tensors"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] {
    ranges { begin: 0 end: 1 } ranges { begin: 1 end: 2 } } }
}
node {
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:presence_tensors" output_stream: "FLOAT:presence"
  options { [mediapipe.TensorsToFloatsCalculatorOptions.ext] { activation: SIGMOID } }
}
node {
  calculator: "TensorsToLandmarksCalculator"
  input_stream: "TENSORS:landmark_tensors" output_stream: "NORM_LANDMARKS:landmarks"
  options { [mediapipe.TensorsToLandmarksCalculatorOptions.ext] {
    num_landmarks: 478 input_image_width: 256 input_image_height: 256 } }
}
"""


@dataclass(frozen=True)
class Region:
    """A square of the image, turned so that the eyes are level in it."""

    centre_px: np.ndarray  # (2,) float64
    side_px: float
    angle_rad: float  # clockwise as seen, from the image's x axis to the line through the eyes


@dataclass(frozen=True)
class MeshReading:
    """What the mesh network says about a region."""

    mesh_px: np.ndarray  # (478, 3) float32, image pixels
    presence: float  # 0-1, the network's score that the region holds a face


def region_of_mesh(mesh_px: np.ndarray) -> Region:
    """The region to read a face from, given its mesh (478, 3) in this or the previous frame."""
    points = np.asarray(mesh_px, np.float64)[:, :2]
    eye_line = points[_EYE_CORNERS[1]] - points[_EYE_CORNERS[0]]
    return _region(points, float(np.arctan2(eye_line[1], eye_line[0])))


def region_of_points(points_px: np.ndarray, left_eye_px: np.ndarray, right_eye_px: np.ndarray) -> Region:
    """The region around points (N, 2) with the eyes (2,) at the left and the right of the image."""
    eye_line = np.asarray(right_eye_px, np.float64) - left_eye_px
    return _region(np.asarray(points_px, np.float64), float(np.arctan2(eye_line[1], eye_line[0])))


def _region(points_px: np.ndarray, angle_rad: float) -> Region:
    axes = np.array([[np.cos(angle_rad), np.sin(angle_rad)], [-np.sin(angle_rad), np.cos(angle_rad)]])
    turned = points_px @ axes.T
    low, high = turned.min(0), turned.max(0)
    return Region((low + high) / 2 @ axes, _MARGIN * float((high - low).max()), angle_rad)


def cut_region(image_rgb: np.ndarray, region: Region, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The region as a (size, size, 3) uint8 picture, and the (2, 3) affine from its pixels to the image's.

    Outside the image the border pixels are repeated.
    """
    scale = region.side_px / size
    cos, sin = np.cos(region.angle_rad) * scale, np.sin(region.angle_rad) * scale
    to_image = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    to_image[:, 2] = region.centre_px - to_image[:, :2] @ np.full(2, (size - 1) / 2)
    source, matrix = image_rgb, to_image
    if scale > 2:
        # Bilinear sampling skips pixels when it shrinks: average a neighbourhood first.
        factor = int(scale)
        low = np.floor(region.centre_px - region.side_px).astype(int).clip(0)
        high = np.ceil(region.centre_px + region.side_px).astype(int).clip(1)
        part = image_rgb[low[1] : high[1], low[0] : high[0]]
        shrunk = (max(1, part.shape[1] // factor), max(1, part.shape[0] // factor))
        source = cv2.resize(part, shrunk, interpolation=cv2.INTER_AREA)
        ratio = np.array([part.shape[1] / shrunk[0], part.shape[0] / shrunk[1]])[:, None]
        matrix = to_image.copy()
        matrix[:, 2] -= low
        matrix[:, 2] += 0.5  # pixel centres: small = (full + 0.5) / ratio - 0.5
        matrix /= ratio
        matrix[:, 2] -= 0.5
    crop = cv2.warpAffine(
        source,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return crop, to_image


class MeshReader:
    """Reads the mesh of a region with MediaPipe's bundled network, or with that of a Tasks file."""

    def __init__(self, model: Path | None = None) -> None:
        """Raises UserError when `model` is not a MediaPipe face landmarker file."""
        with quiet_native_start():
            self._full = _full_region()
            try:
                self._graph, self._size, self._presence = _bundled_graph() if model is None else _task_graph(model)
                # A graph loads its network, and says its last start-up words, when it first runs.
                self._run(np.zeros((self._size, self._size, 3), np.uint8))
            except (OSError, zipfile.BadZipFile, KeyError, RuntimeError, ValueError) as error:
                if model is None:
                    raise
                reason = (str(error).splitlines() or [type(error).__name__])[-1]
                raise UserError(
                    f"{model} is not a MediaPipe face landmarker file (face_landmarker.task): {reason}"
                ) from None

    def __call__(self, image_rgb: np.ndarray, region: Region) -> MeshReading:
        """Mesh and presence of the face that a region of an image (H, W, 3) uint8 is taken to hold."""
        crop, to_image = cut_region(image_rgb, region, self._size)
        result = self._run(crop)
        points = np.array([(p.x, p.y, p.z) for p in result.landmarks.landmark]) * self._size
        mesh = np.empty((len(points), 3), np.float32)
        mesh[:, :2] = (points[:, :2] - 0.5) @ to_image[:, :2].T + to_image[:, 2]
        mesh[:, 2] = points[:, 2] * (region.side_px / self._size)
        return MeshReading(mesh, float(getattr(result, self._presence)))

    def around(self, image_rgb: np.ndarray, landmarks_px: np.ndarray) -> MeshReading:
        """Mesh of the face whose 68 landmarks (68, 2) are known roughly, as if it had been followed to here.

        The first look is at the landmarks, the second at the first one's mesh: the region that a followed face has.
        """
        eyes = landmarks_px[36:42].mean(0), landmarks_px[42:48].mean(0)
        first = self(image_rgb, region_of_points(landmarks_px, *eyes))
        return self(image_rgb, region_of_mesh(first.mesh_px))

    def _run(self, crop_rgb: np.ndarray) -> Any:
        inputs = {"image": crop_rgb}
        if self._presence == _BUNDLED_PRESENCE:
            inputs["roi"] = self._full
        return self._graph.process(inputs)

    def close(self) -> None:
        """Stop the graph."""
        self._graph.close()


def _full_region() -> Any:
    from mediapipe.framework.formats import rect_pb2

    return rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1, rotation=0)


def _bundled_graph() -> tuple[Any, int, str]:
    # Importing the solution registers the graph's option types.
    from mediapipe.python.solution_base import PacketDataType, SolutionBase
    from mediapipe.python.solutions import face_mesh  # noqa: F401

    graph = SolutionBase(
        graph_config=_BUNDLED_GRAPH,
        # The graph drops its result below the threshold; the score is judged by the caller instead.
        calculator_params={"facelandmarkcpu__ThresholdingCalculator.threshold": 0.0},
        side_inputs={"with_attention": True},
        outputs=["landmarks", _BUNDLED_PRESENCE],
        stream_type_hints={
            "image": PacketDataType.IMAGE_FRAME,
            "roi": PacketDataType.PROTO,
            "landmarks": PacketDataType.PROTO,
            _BUNDLED_PRESENCE: PacketDataType.FLOAT,
            "with_attention": PacketDataType.BOOL,
        },
    )
    return graph, _BUNDLED_SIZE, _BUNDLED_PRESENCE


def _task_graph(model: Path) -> tuple[Any, int, str]:
    from mediapipe.python import packet_creator
    from mediapipe.python.solution_base import PacketDataType, SolutionBase
    from mediapipe.python.solutions import face_mesh  # noqa: F401

    class BlobSolution(SolutionBase):  # type: ignore[misc]
        """SolutionBase encodes text only; a network is bytes."""

        def _make_packet(self, packet_data_type: Any, data: Any) -> Any:
            if isinstance(data, bytes):
                return packet_creator.create_string(data)
            return super()._make_packet(packet_data_type, data)

    with zipfile.ZipFile(model) as bundle:
        blob = bundle.read(_TASK_MEMBER)
    graph = BlobSolution(
        graph_config=_TASK_GRAPH,
        side_inputs={"model_blob": blob},
        stream_type_hints={
            "image": PacketDataType.IMAGE_FRAME,
            "landmarks": PacketDataType.PROTO,
            "presence": PacketDataType.FLOAT,
            "model_blob": PacketDataType.STRING,
        },
    )
    return graph, _TASK_SIZE, "presence"
