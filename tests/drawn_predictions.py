"""Outputs of models that do not exist, on people who do not exist."""

import numpy as np

from actionunits.datasets.crops.crop_data import CropData
from actionunits.evaluation.predictions import FramePredictions
from actionunits.training.validation import CropPredictions


def labelled_rows(
    subjects: int = 8, frames: int = 60, aus: tuple[int, ...] = (1, 4, 12), seed: int = 0, name: str = "drawn"
) -> CropData:
    """Labels that last for some frames, without pictures; one clip of each person, some labels unknown."""
    rng = np.random.default_rng(seed)
    n = subjects * frames
    intensity = np.repeat(rng.integers(0, 6, (n // 5, len(aus))) * (rng.random((n // 5, len(aus))) < 0.5), 5, axis=0)
    people = tuple(f"{name}/S{k:04d}" for k in range(1, subjects + 1))
    return CropData(
        aus=aus,
        images=np.zeros((n, 1, 1, 3), np.uint8),
        au_present=(intensity >= 1).astype(np.uint8),
        au_present_valid=rng.random((n, len(aus))) < 0.95,
        au_intensity=intensity.astype(np.float32),
        au_intensity_valid=rng.random((n, len(aus))) < 0.95,
        subject=(np.arange(n) // frames).astype(np.int32),
        clip=(np.arange(n) // frames).astype(np.int32),
        frame=(np.arange(n) % frames).astype(np.int32),
        subjects=people,
        clips=tuple(f"clips/{person.split('/')[1]}_T1.mp4" for person in people),
        names=(name,),
    )


def outputs(data: CropData, noise: float, seed: int = 0, intensity: bool = True) -> CropPredictions:
    """Outputs that follow the labels, the less so the more noise."""
    rng = np.random.default_rng(seed)
    logit = 2.0 * data.au_present - 1 + noise * rng.normal(size=data.au_present.shape)
    rated = np.clip(data.au_intensity + noise * rng.normal(size=logit.shape), 0, 5)
    return CropPredictions(logit.astype(np.float32), rated.astype(np.float32) if intensity else None)


def drawn_predictions(
    data: CropData | None = None, noise: float = 1.0, seed: int = 0, fold: str = "", intensity: bool = True
) -> FramePredictions:
    """`outputs` beside their labels, with a threshold of 0.5."""
    data = labelled_rows() if data is None else data
    threshold = np.full(len(data.aus), 0.5)
    return FramePredictions.of(
        data, outputs(data, noise, seed, intensity), threshold, fold, {"run": f"noise {noise:g}"}
    )
