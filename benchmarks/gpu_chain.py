"""What `benchmarks/gpu.py` measures of the chain from a file to predictions, on a GPU and on the cores beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch.nn.functional as F
from detect import HEIGHT, WIDTH, make_video, measure_parts, measure_whole
from torch import Tensor

from actionunits.detection.detector import Detector
from actionunits.faces.align import cut_out, similarity_transform
from actionunits.faces.mean_face import template_landmarks
from actionunits.faces.network import MODELS, PictureNetwork
from actionunits.faces.torch_network import TorchNetwork
from actionunits.media import VideoWriter
from actionunits.runtime.device import on_device
from actionunits.types import Frame

FPS = 30
PARTS = ("decode", "find", "register", "predict")
NETWORKS = {"face mesh": "attention_mesh.onnx", "search for faces": "full_range.onnx"}
FACE_SHARE = 0.36  # width of a face whose crop is cut, of the height of its frame
Row = tuple[str, int, float, str]
Rate = Callable[[Callable[[], Any]], float]  # calls per second


def networks(device: str, counts: tuple[int, ...], rate: Rate) -> Iterator[Row]:
    """Pictures per second of the face finder's networks: on the device at once, and one by one on a core."""
    for name, file in NETWORKS.items():
        alone, batch = PictureNetwork(MODELS / file), TorchNetwork(MODELS / file, device)
        (picture,) = noise(1, alone.side_px)
        yield f"{name}, one core", 1, rate(partial(alone, picture)), "pictures per second"
        for count in counts:
            yield name, count, count * rate(partial(batch, noise(count, alone.side_px))), "pictures per second"


def crops(device: str, count: int, size: int, rate: Rate) -> Iterator[Row]:
    """Crops per second that are on the device: cut there from frames, and cut on a core and brought there."""
    for height in (HEIGHT, 3 * HEIGHT):
        frames = np.stack([cv2.resize(noise(1, 64)[0], (height * WIDTH // HEIGHT, height))] * count)
        points = (template_landmarks() - 0.5) * FACE_SHARE * height + [height, height / 2]
        matrices = np.stack([similarity_transform(points, size)] * count)

        def on_core(frames: np.ndarray = frames, matrices: np.ndarray = matrices) -> Tensor:
            cut = [cut_out(frame, matrix, size) for frame, matrix in zip(frames, matrices, strict=True)]
            return on_device({"image": np.stack(cut)}, device)["image"]

        def there(frames: np.ndarray = frames, matrices: np.ndarray = matrices) -> Tensor:
            return sampled(on_device({"image": frames}, device)["image"], matrices, size)

        where = f"of frames of {height} rows"
        yield f"crops cut on a core, {where}", count, count * rate(on_core), "pictures per second"
        yield f"crops sampled on the device, {where}", count, count * rate(there), "pictures per second"


def sampled(frames: Tensor, matrices: np.ndarray, size: int) -> Tensor:
    """What `cut_out` makes of each frame (B, H, W, 3) uint8, with matrices (B, 2, 3) of one scale, on its device."""
    step = max(1, 2 ** int(np.ceil(np.log2(0.5 / np.hypot(*matrices[0, :, 0])))))
    small = F.avg_pool2d(frames.permute(0, 3, 1, 2).float(), step, ceil_mode=True, count_include_pad=False)
    linear = np.linalg.inv(matrices[:, :, :2])
    places = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2)
    # From the crop's pixels to the frame's, and to -1 to 1 from edge to edge of what is sampled.
    shown = (places - matrices[:, None, :, 2]) @ linear.transpose(0, 2, 1)
    spans = step * np.array(small.shape[:1:-1])
    grid = np.float32((2 * shown + 1) / spans - 1).reshape(-1, size, size, 2)
    cut = F.grid_sample(small, on_device({"grid": grid}, frames.device)["grid"], "bilinear", "border", False)
    return cut.permute(0, 2, 3, 1).round().byte()


def chain(device: str, faces: str, clip: Path, folder: Path, frames: int) -> Iterator[Row]:
    """Frames per second of a clip, of each part alone and from the file to a table of all."""
    detector = Detector(device=device)
    seconds, done = measure_parts(detector, clip, folder, frames, device)
    where = "cores alone" if device == "cpu" else "with the device"
    for part in filter(seconds.__contains__, PARTS):  # a clip may hold no face
        yield f"{part} {faces}, {where}", detector.batch_size, done / seconds[part][0], "frames per second"
    spent, done = measure_whole(detector, clip, folder, annotate=False)
    yield f"detect {faces}, {where}", detector.batch_size, done / spent, "frames per second"


def photographs(device: str, side_px: int, frames: int) -> Row:
    """Photographs per second, of one face each, in memory."""
    from skimage.data import astronaut

    photo = Frame(cv2.resize(astronaut(), (side_px, side_px), interpolation=cv2.INTER_CUBIC), 0, 0.0, "photo")
    detector = Detector(device=device)
    list(detector.stream_frames([photo], video=False))  # what is loaded only once
    start = time.perf_counter()
    done = len(list(detector.stream_frames([photo] * frames, video=False)))
    where = "cores alone" if device == "cpu" else "with the device"
    name = f"detect photographs of {side_px} pixels, {where}"
    return name, detector.batch_size, done / (time.perf_counter() - start), "frames per second"


def make_clips(folder: Path, clip: Path | None, crowd: tuple[int, int], frames: int) -> dict[str, Path]:
    """A clip of one face, unless one is given, and one of rows and columns of faces, by what they show."""
    one, many = folder / "one.mp4", folder / "many.mp4"
    if clip is None:
        make_video(one, frames / FPS)
    make_crowd(many, crowd, frames)
    return {"one face" if clip is None else clip.name: clip or one, f"{crowd[0] * crowd[1]} faces": many}


def make_crowd(path: Path, crowd: tuple[int, int], frames: int) -> None:
    """Rows and columns of faces, which sway together."""
    from skimage.data import astronaut

    rows, columns = crowd
    head = cv2.resize(astronaut()[20:220, 130:320], (WIDTH // columns, HEIGHT // rows), interpolation=cv2.INTER_AREA)
    scene = np.tile(head, (rows, columns, 1))
    with VideoWriter(path, fps=FPS) as writer:
        for k in range(frames):
            writer.write(np.roll(scene, round(5 * np.sin(k / 5)), axis=1))


def noise(count: int, side_px: int) -> np.ndarray:
    """(count, side_px, side_px, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (count, side_px, side_px, 3), dtype=np.uint8)
