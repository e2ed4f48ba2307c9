"""Frames of a clip beside their motion from a neutral one: computed from two frames, and learned (OF-Net, Fig. 3)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from actionunits.errors import UserError
from actionunits.faces import FaceFinder
from actionunits.faces.align import register
from actionunits.media import open_media
from actionunits.models.batch import Batch
from actionunits.models.contract import EstimatesFlow
from actionunits.models.ofnet.two_frame import has_tvl1, two_frame_flow
from actionunits.reports.contact_sheet import sheet_figure
from actionunits.reports.flow_colours import FULL_COLOUR_SHARE, flow_colours
from actionunits.training.checkpoint import load_checkpoint

COMPUTED = {"DIS, two frames": "dis", "TV-L1, two frames": "tvl1"}
LEARNED = "learned, one frame"


@dataclass(frozen=True)
class ClipCrops:
    """Registered crops of one clip's largest face."""

    anchor: np.ndarray  # (S, S, 3) uint8
    crops: list[np.ndarray]  # likewise, of the chosen frames
    frames: list[int]  # their numbers, from 1


def load_flow_model(weights: Path) -> EstimatesFlow:
    """A stored model that estimates flow. Raises UserError for another one."""
    model = load_checkpoint(weights).model
    if not isinstance(model, EstimatesFlow):
        raise UserError(f"{weights} holds a model that estimates no flow; use weights of ofnet")
    return model


def choose_crops(source: str, size: int, count: int, anchor: int | None = None) -> ClipCrops:
    """The anchor, and of each of `count` equal stretches of the clip the crop that differs most from it.

    anchor: number of the neutral frame, from 1; the first frame with a face unless it is given. Raises UserError
    where the clip has no such frame, or a face in no other one.
    """
    if anchor is not None:
        neutral = next((crop for number, crop in _crops(source, size) if number == anchor), None)
        if neutral is None:
            raise UserError(f"{source}: no face in frame {anchor}; choose another neutral frame")
    else:
        anchor, neutral = next(_crops(source, size), (0, None))
        if neutral is None:
            raise UserError(f"{source}: no face found")
    with open_media(source) as media:
        total = media.frame_count
    best: dict[int, tuple[float, int, np.ndarray]] = {}
    for number, crop in _crops(source, size):
        if number == anchor:
            continue
        stretch = 0 if not total else min((number - 1) * count // total, count - 1)
        difference = float(np.abs(crop.astype(float) - neutral).mean())
        if stretch not in best or difference > best[stretch][0]:
            best[stretch] = (difference, number, crop)
    if not best:
        raise UserError(f"{source} shows a face in frame {anchor} alone; motion needs two frames")
    chosen = [best[stretch] for stretch in sorted(best)]
    return ClipCrops(neutral, [crop for *_, crop in chosen], [number for _, number, _ in chosen])


def _crops(source: str, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Frame numbers from 1 and crops of the largest face, where there is one."""
    with open_media(source) as media, FaceFinder(video=media.kind == "video") as finder:
        for frame in media:
            faces = finder(frame)
            if faces:
                areas = [float(np.ptp(face.box_xyxy_px.reshape(2, 2), axis=0).prod()) for face in faces]
                face = faces[int(np.argmax(areas))]
                yield frame.index + 1, register(frame.image_rgb, face.landmarks_px, size)


@torch.inference_mode()
def flows_of(
    images: Sequence[np.ndarray], anchors: Sequence[np.ndarray], models: Mapping[str, EstimatesFlow]
) -> dict[str, np.ndarray]:
    """Flow of each method from crops to their anchors, (N, S, S, 2) pixels: those of COMPUTED, then the models.

    images, anchors: (S, S, 3) uint8. TV-L1 is left out, in words, where OpenCV has none.
    """
    image, anchor = (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2).float() / 255 for part in (images, anchors))
    computed = {name: method for name, method in COMPUTED.items() if method != "tvl1" or has_tvl1()}
    if len(computed) < len(COMPUTED):
        print(
            "this OpenCV has no TV-L1 flow, so it is left out; opencv-contrib-python-headless has it", file=sys.stderr
        )
    flows = {name: two_frame_flow(method, image, anchor) for name, method in computed.items()}
    for name, model in models.items():
        flows[name] = model.flow(Batch(image, anchor=anchor))
    return {name: flow.permute(0, 2, 3, 1).numpy() for name, flow in flows.items()}


def flow_figure(
    images: Sequence[np.ndarray],
    anchors: Sequence[np.ndarray],
    captions: Sequence[str],
    flows: Mapping[str, np.ndarray],
) -> Figure:
    """A sheet with a row per crop: the crop, its anchor, then its flow by every method; NaN is grey.

    images, anchors: (S, S, 3) uint8; flows: (N, S, S, 2) pixels. The full colour is a
    motion of FULL_COLOUR_SHARE of the width.
    """
    full_px = FULL_COLOUR_SHARE * images[0].shape[1]
    pictures, texts = [], []
    for k, (image, anchor, caption) in enumerate(zip(images, anchors, captions, strict=True)):
        pictures += [image, anchor, *(flow_colours(flow[k], full_px) for flow in flows.values())]
        texts += [caption, "neutral frame", *flows]
    return sheet_figure(pictures, texts, columns=2 + len(flows))


def clip_figure(source: str, weights: Path, frames: int, anchor: int | None = None) -> Figure:
    """The sheet of a clip's most moved frames with the learned flow of a stored model."""
    model = load_flow_model(weights)
    crops = choose_crops(source, int(model.config.image_size), frames, anchor)  # type: ignore[attr-defined]
    anchors = [crops.anchor] * len(crops.crops)
    flows = flows_of(crops.crops, anchors, {LEARNED: model})
    return flow_figure(crops.crops, anchors, [f"frame {number}" for number in crops.frames], flows)
