"""Which face mesh comes nearest to the truth, and what it costs: landmarks of renders are known exactly.

    python benchmarks/finder.py [--data FOLDER ...] [--widths 24 32 40 80] [--task FILE] [--network FILE ...]

Each mesh reads every n-th frame of the clips at each face width, from where the face is (as when it is followed).
Errors are mean distances from the labels in percent of the distance between the outer eye corners; `scatter` is what
is left without each point's own mean offset, since a mesh and the labels need not mean the same spot. `found` is the
share of frames in which the mesh's own score says that a face is there; in the rows of the whole finder, which
searches the pictures, the share in which it finds the face. ms are of the network alone, a picture in to points out,
on one core. Prints a table and writes results/finder_meshes.csv.

Compared are the mesh that comes with the package, with --task that of a face_landmarker.task, with --network others
as ONNX files of the same form (faces/models/NOTICE.md), and, where MediaPipe before 0.10.30 is installed, its own
graph.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from timing import fastest, report

from actionunits.datasets.crops.synthau import LANDMARK_COLUMNS, read_frames
from actionunits.faces import FaceFinder
from actionunits.faces.landmarks import landmarks_from_mesh
from actionunits.faces.mesh import MIN_PRESENCE, MeshNetwork, MeshReader, mesh_network
from actionunits.faces.network import PictureNetwork
from actionunits.faces.quiet import quiet_native_start
from actionunits.media import open_media
from actionunits.types import Frame

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "finder_meshes.csv"
GROUPS = {"all": range(68), "jaw": range(17), "brows": range(17, 27), "lids": range(36, 48), "lips": range(48, 68)}
SAME_FACE = 0.5  # a found face lies at most so many eye distances from the labelled one, on average

Labelled = tuple[np.ndarray, np.ndarray]  # picture (H, W, 3) uint8, and its landmarks (68, 2)


class MediaPipeGraph:
    """The attention mesh as MediaPipe itself runs it."""

    side_px = 192
    _GRAPH = """
        input_stream: "image" input_stream: "roi"
        node { calculator: "FaceLandmarkCpu" input_stream: "IMAGE:image" input_stream: "ROI:roi"
               input_side_packet: "WITH_ATTENTION:attention" output_stream: "LANDMARKS:landmarks" }
    """
    _PRESENCE = "facelandmarkcpu__face_presence_score"

    def __init__(self) -> None:
        from mediapipe.framework.formats import rect_pb2
        from mediapipe.python.solution_base import PacketDataType, SolutionBase
        from mediapipe.python.solutions import face_mesh  # noqa: F401  (registers the graph's option types)

        kinds = {
            "image": PacketDataType.IMAGE_FRAME,
            "roi": PacketDataType.PROTO,
            "landmarks": PacketDataType.PROTO,
            self._PRESENCE: PacketDataType.FLOAT,
            "attention": PacketDataType.BOOL,
        }
        self._whole = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1, rotation=0)
        self._graph = SolutionBase(
            graph_config=self._GRAPH,
            calculator_params={"facelandmarkcpu__ThresholdingCalculator.threshold": 0.0},
            side_inputs={"attention": True},
            outputs=["landmarks", self._PRESENCE],
            stream_type_hints=kinds,
        )
        self(np.zeros((self.side_px, self.side_px, 3), np.uint8))

    def __call__(self, picture_rgb: np.ndarray) -> list[np.ndarray]:
        result = self._graph.process({"image": picture_rgb, "roi": self._whole})
        points = np.array([(p.x, p.y, p.z) for p in result.landmarks.landmark], np.float32) * self.side_px
        return [points, np.array(getattr(result, self._PRESENCE))]

    def many(self, pictures_rgb: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        return [self(picture) for picture in pictures_rgb]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", type=Path, nargs="+", default=[ROOT / "data/synthau-mini" / n for n in ("studio", "wild")]
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[24, 32, 40, 80], help="of the faces, pixels")
    parser.add_argument("--every", type=int, default=16, help="one frame of so many")
    parser.add_argument("--task", type=Path, help="face_landmarker.task")
    parser.add_argument("--network", type=Path, nargs="*", default=[], help="other meshes as ONNX files")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    networks = meshes(args.task, args.network)
    ms = milliseconds(networks)
    rows = []
    for folder in args.data:
        frames = list(labelled_frames(folder, args.every))
        for width in args.widths:
            resized = [at_width(*frame, width) for frame in frames]
            where = {"set": folder.name, "face_px": width, "frames": len(frames)}
            for name, network in networks.items():
                rows.append({"reader": name, **where, **mesh_errors(MeshReader(network), resized), "ms": ms[name]})
            rows.append({"reader": "the whole finder", **where, **finder_errors(resized)})
    report(pd.DataFrame(rows), args.out)


def meshes(task: Path | None, files: list[Path]) -> dict[str, MeshNetwork]:
    """The meshes to compare, by name; MediaPipe's own graph first, where it can run."""
    networks: dict[str, MeshNetwork] = {}
    with quiet_native_start():
        try:
            networks["MediaPipe's graph"] = MediaPipeGraph()
        except ImportError:
            print("MediaPipe before 0.10.30 is not installed: its own graph is left out")
    networks["attention_mesh.onnx"] = mesh_network()
    if task:
        networks[task.name] = mesh_network(task)
    return networks | {file.name: PictureNetwork(file) for file in files}


def milliseconds(networks: dict[str, MeshNetwork]) -> dict[str, float]:
    """Of one core for one picture, the fastest of some turns of 20 pictures."""

    def twenty(network: MeshNetwork) -> None:
        picture = np.full((network.side_px, network.side_px, 3), 127, np.uint8)
        for _ in range(20):
            network(picture)

    calls: dict[str, Any] = {name: (lambda n=network: twenty(n)) for name, network in networks.items()}
    return {name: 1000 / 20 * seconds for name, seconds in fastest(calls, 8).items()}


def labelled_frames(folder: Path, every: int) -> Iterator[Labelled]:
    """Each `every`-th picture of a data set of renders, with its landmarks."""
    for clip, rows in read_frames(folder).groupby("clip", observed=True):
        points = rows[list(LANDMARK_COLUMNS)].to_numpy(np.float64).reshape(-1, 2, 68).swapaxes(1, 2)
        with open_media(str(folder / str(clip))) as media:
            for k, frame in enumerate(media):
                if k % every == 0:
                    yield frame.image_rgb, points[k]


def at_width(image_rgb: np.ndarray, landmarks_px: np.ndarray, width_px: int) -> Labelled:
    """The same picture in the size in which the face is so wide."""
    scale = width_px / np.ptp(landmarks_px[:, 0])
    height, width = image_rgb.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return resized, (landmarks_px + 0.5) * np.array(size) / [width, height] - 0.5


def mesh_errors(reader: MeshReader, frames: list[Labelled]) -> dict[str, float]:
    """Share of frames with a face, and the errors in those."""
    offsets = []
    for image, truth in frames:
        reading = reader.around(image, truth)
        if reading.presence >= MIN_PRESENCE:
            offsets.append(offset_in_face(landmarks_from_mesh(reading.mesh_px), truth))
    return summary(offsets, len(frames))


def finder_errors(frames: list[Labelled]) -> dict[str, float]:
    """The same for a finder that is not told where the face is."""
    offsets = []
    with FaceFinder(video=False) as finder:
        for image, truth in frames:
            for face in finder(Frame(image, 0, 0.0, "render")):
                offset = offset_in_face(face.landmarks_px, truth)
                if np.hypot(*offset.T).mean() < SAME_FACE:
                    offsets.append(offset)
                    break
    return summary(offsets, len(frames))


def offset_in_face(points_px: np.ndarray, truth_px: np.ndarray) -> np.ndarray:
    """Offsets (68, 2) from the truth along and across the eye line, in distances of the outer eye corners."""
    across = truth_px[45] - truth_px[36]
    turn = np.array([[across[0], -across[1]], [across[1], across[0]]]) / (across @ across)
    return (points_px - truth_px) @ turn


def summary(offsets: list[np.ndarray], frames: int) -> dict[str, float]:
    """Percent of the eye distance, by group of points: errors, and scatter around each point's mean offset."""
    told = {"found": len(offsets) / frames}
    every = np.array(offsets).reshape(-1, 68, 2)
    for kind, values in (("error", every), ("scatter", every - every.mean(0))):
        distance = 100 * np.hypot(values[..., 0], values[..., 1])
        told |= {f"{name}_{kind}": float(distance[:, list(group)].mean()) for name, group in GROUPS.items()}
    return told


if __name__ == "__main__":
    main()
