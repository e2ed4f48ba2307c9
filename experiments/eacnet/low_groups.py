"""What groups 1 and 2 make of rendered faces, computed once: the three networks leave these groups as they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import AugmentConfig, augment, center_crop
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.models.eacnet import EacNet
from actionunits.training.source import step_seed
from actionunits.training.validation import CropPredictions

AT_ONCE = 32
View = Callable[[Batch], Batch]  # of stored crops: what a network sees of them
# What differs from face to face once landmarks have registered them; no change of appearance, as in the paper.
GEOMETRY = AugmentConfig(
    rotation_deg=10.0,
    **dict.fromkeys(("brightness", "contrast", "saturation", "gamma", "grey", "blur", "noise"), 0.0),
    **dict.fromkeys(("low_resolution", "erase"), 0.0),
)


class AboveLowGroups(EacNet):
    """EAC-Net of batches whose `image` is what groups 1 and 2 made of the picture."""

    def low_groups(self, batch: Batch) -> Tensor:
        return batch.image

    def whole(self) -> EacNet:
        """The same network, of pictures."""
        network = EacNet(self.config, self.aus)
        network.load_state_dict(self.state_dict())
        return network.eval()


@dataclasses.dataclass(frozen=True)
class LowMaps:
    """Maps of group 2 of frames, each in `versions` versions, with labels and landmarks; F frames, V versions."""

    maps: Tensor  # (V, F, C, H, W) bfloat16
    landmarks: Tensor  # (V, F, 68, 2), 0-1 spans the network's crop
    present: Tensor  # (F, A)
    intensity: Tensor  # (F, A), 0-5

    def batch(self, rows: Tensor, versions: Tensor) -> Batch:
        """Some frames, each in one version."""
        known = torch.ones_like(self.present[rows], dtype=torch.bool)
        return Batch(
            image=self.maps[versions, rows].float(),
            landmarks=self.landmarks[versions, rows],
            au_present=self.present[rows],
            au_present_valid=known,
            au_intensity=self.intensity[rows],
            au_intensity_valid=known,
        )

    def whole(self) -> Batch:
        """Every frame in its first version."""
        rows = torch.arange(len(self.present))
        return self.batch(rows, torch.zeros_like(rows))


def plain_view(model: EacNet, data: CropData) -> View:
    """The registered crop."""
    return partial(center_crop, size=model.config.image_size, margin=data.margin)


def changed_views(model: EacNet, data: CropData, count: int, seed: int = 0) -> list[View]:
    """So many crops of every frame, each moved, turned and zoomed by chance."""
    generator = torch.Generator().manual_seed(seed)
    settings = {"generator": generator, "config": GEOMETRY, "margin": data.margin}
    return [partial(augment, size=model.config.image_size, **settings) for _ in range(count)]


@torch.inference_mode()
def low_maps(model: EacNet, data: CropData, views: Sequence[View]) -> LowMaps:
    """Maps of all frames, in a version for each view of the stored crop."""
    parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in views]
    for start in range(0, len(data), AT_ONCE):
        stored = data.batch(np.arange(start, min(start + AT_ONCE, len(data))), "cpu")
        for part, view in zip(parts, views, strict=True):
            batch = view(stored)
            picture = batch.image.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                maps = model.low_groups(dataclasses.replace(batch, image=picture))
            assert batch.landmarks is not None
            part.append((maps.bfloat16().contiguous(), batch.landmarks))
    maps, landmarks = (torch.stack([torch.cat([pair[k] for pair in part]) for part in parts]) for k in (0, 1))
    present = torch.from_numpy(np.asarray(data.au_present)).float()
    return LowMaps(maps, landmarks, present, torch.from_numpy(np.asarray(data.au_intensity)).float())


class LowSource:
    """Batches of one stage from stored maps, drawn evenly."""

    def __init__(self, maps: LowMaps, stage: Stage, number: int, seed: int, steps: int) -> None:
        self.maps, self.stage, self.number, self.seed, self.steps_per_epoch = maps, stage, number, seed, steps

    def batches(self, start: int) -> Generator[Batch, None, None]:
        versions, frames = self.maps.maps.shape[:2]
        step = start
        while True:
            generator = torch.Generator().manual_seed(step_seed(self.seed, self.number, step))
            rows = torch.randint(frames, (self.stage.batch_size,), generator=generator)
            yield self.maps.batch(rows, torch.randint(versions, rows.shape, generator=generator))
            step += 1


@torch.inference_mode()
def predict(model: nn.Module, batch: Batch) -> CropPredictions:
    """Outputs of a network in eval mode for all rows of a batch."""
    fields = {name: value for name, value in vars(batch).items() if value is not None}
    pieces = {name: value.split(256) for name, value in fields.items()}
    outputs = [
        model(Batch(**{name: values[k] for name, values in pieces.items()})) for k in range(len(pieces["image"]))
    ]
    return CropPredictions.concatenate([CropPredictions.of(output) for output in outputs])


def start_network(config: object, weights: dict[str, Tensor], seed: int) -> AboveLowGroups:
    """A network on a VGG-19 that is there, its other layers drawn by a seed."""
    torch.manual_seed(seed)
    model = AboveLowGroups(config, SYNTH_AUS)  # type: ignore[arg-type]
    model.take_body(weights)
    return model
