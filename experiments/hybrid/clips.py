"""What the default detector reads in clips of renders, frame by frame, kept beside them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionunits.aus import au_label
from actionunits.datasets.crops.synthau import coded_aus, read_frames
from actionunits.detection.calibration import logit_of
from actionunits.detection.detector import Detector
from actionunits.files import write_atomically


@dataclass(frozen=True)
class Clip:
    """Outputs and labels of one person's frames in time order, (T, A) each."""

    logit: np.ndarray  # log-odds of presence
    intensity: np.ndarray  # 0-5
    present: np.ndarray  # label, bool
    strength: np.ndarray  # label, 0-5


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Options that name the folders of clips to learn from, to choose by, and to judge by."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "valid", "test"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True)
    return parser


def read_folders(folders: Sequence[Path], detector: Detector) -> list[Clip]:
    """All clips of several folders, as `read_clips` reads them."""
    return [clip for folder in folders for clip in read_clips(folder, detector)]


def read_clips(folder: Path, detector: Detector) -> list[Clip]:
    """All clips of a folder of renders; frames and clips in which no face was found are left out.

    What the detector says is read from a file in the folder where there is one for these weights. Raises UserError
    where the folder holds no renders.
    """
    names = [au_label(au) for au in detector.aus]
    assert set(detector.aus) <= set(coded_aus(folder))
    table = read_frames(folder, [*names, *(f"{name}_r" for name in names)])
    clips = []
    for name, rows in table.groupby("clip", observed=True, sort=True):
        kept, logit, intensity = _outputs(folder / str(name), detector)
        if not len(kept):
            continue
        labels = rows.sort_values("frame").iloc[kept]
        present = labels[names].to_numpy() > 0
        clips.append(Clip(logit, intensity, present, labels[[f"{au}_r" for au in names]].to_numpy(np.float32)))
    return clips


def _outputs(path: Path, detector: Detector) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of the frames with a face (T,), log-odds and intensities of the largest one in each (T, A)."""
    kept = path.with_suffix(f".{detector.header['sha256'][:12]}.npz")
    if kept.is_file():
        with np.load(kept) as stored:
            return stored["frame"], stored["logit"], stored["intensity"]
    frame, logit, intensity = [], [], []
    for result in detector.stream(path):
        if result.predictions:
            sizes = [np.ptp(face.landmarks_px, axis=0).prod() for face in result.faces]
            said = result.predictions[int(np.argmax(sizes))]
            frame.append(result.frame.index)
            logit.append(logit_of(said.au_prob))
            intensity.append(said.au_intensity)
    found = np.array(frame, np.int64), np.array(logit, np.float32), np.array(intensity, np.float32)
    with write_atomically(kept) as partial, open(partial, "wb") as file:
        np.savez(file, frame=found[0], logit=found[1], intensity=found[2])
    return found
