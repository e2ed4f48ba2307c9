"""Whether a detector that learned one look reads another better after it has seen unlabelled video of that.

    python experiments/resnet18/adapt.py --facekit DIR --assets ASSETS --keep out/people \
        --videos out/wild-1 out/wild-2 --test out/wild-3 --recordings out/videos --out out/adapt

A small ResNet-18 learns from studio renders (three seeds: other people, other start). It is then adapted to VIDEOS,
renders of the wild look at 25 frames a second whose labels are not read, and judged on TEST, other people of that
look. The released detector's image branch is adapted to RECORDINGS, which `actionunits prepare videos` has made of
real clips, and judged on the same clips. Ways to adapt, one thing more each:

    as trained       nothing
    batch norm       means and variances of all batch normalisations, from plain crops of the videos (AdaBN)
    own answers      besides, weights learn from changed crops what the adapted network says of plain ones, as far
                     as it is sure
    mean answers     besides, what it says is the mean over a crop and its mirror image, and over five frames
    labels           the same steps with the labels of the videos: what could be gained at most

Writes results/adapt.csv: AUC on renders, and on recordings the median correlation of intensities with blendshapes.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.fresh import STREAM, FreshPlan, as_crop_data, kept_person
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import augment, plain_batches
from actionunits.evaluation.blendshapes import BLENDSHAPES, VARIES, reading
from actionunits.files import write_atomically
from actionunits.models.layers.blendshapes import NAMES, BlendshapeNet
from actionunits.runtime.provenance import source_commit
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run import run
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.settings import make_settings, read_config_file
from actionunits.weights.locate import find_weights

RESULTS = Path(__file__).parents[2] / "results" / "adapt.csv"
SEED, STORED, PEOPLE = 31, 167, 1000  # of the renders of train_on_renders.py
STUDIO_PEOPLE, TUNE_PEOPLE = 300, 30
SMALL = {"image_size": 48, "width": 16, "batch_size": 64, "epochs": 4, "rotation_deg": 10.0}
EVERY = 2  # of videos and recordings, frames that are used
BATCH, LR = 64, 1e-4
STEPS = {"renders": 50, "clips": 15}
SMOOTHED = 5  # frames
WAYS = ("as trained", "batch norm", "own answers", "mean answers", "labels")


def studio_people(plan: FreshPlan, folder: Path, seed: int) -> tuple[CropData, CropData]:
    """Training and tuning people of the studio look, others for each seed."""
    looks = [np.random.default_rng((plan.seed, STREAM, k)).random() < plan.wild_share for k in range(PEOPLE)]
    numbers = np.random.default_rng(seed).permutation(np.flatnonzero(~np.array(looks)))

    def people(chosen: np.ndarray) -> CropData:
        data = as_crop_data(plan, chosen, [kept_person(plan, folder, int(k)) for k in chosen])
        return dataclasses.replace(data, mesh=None, mesh_valid=None)

    return people(numbers[TUNE_PEOPLE : TUNE_PEOPLE + STUDIO_PEOPLE]), people(numbers[:TUNE_PEOPLE])


def trained(training: CropData, tuning: CropData, seed: int, out: Path) -> Any:
    """A small ResNet-18 of these people."""
    if not (out / CHECKPOINT_FILE).exists():
        settings = make_settings("resnet18", read_config_file("resnet18_small") | SMALL | {"seed": seed})
        run("resnet18", settings, training, tuning, out, make_fabric(Hardware(accelerator="cpu")))
    return load_checkpoint(out / CHECKPOINT_FILE).model


def image_branch(model: Any, image: Tensor) -> tuple[Tensor, Tensor]:
    """Log-odds of presence and intensities, (B, A) each, as the crop alone tells them."""
    output = model._branch(model.image(image))
    return output.au_logit, output.au_intensity


@torch.no_grad()
def read(model: Any, data: CropData, mirrored: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """What the image branch says of plain crops, (N, A) each; mirrored: on average with their mirror images."""
    said = []
    for batch in plain_batches(data, model.config.image_size):
        with torch.autocast("cpu", torch.bfloat16):
            views = [image_branch(model, batch.image)]
            if mirrored:
                views.append(image_branch(model, batch.image.flip(-1)))
        said.append([torch.stack(values).mean(0).float().numpy() for values in zip(*views, strict=True)])
    logits, intensities = zip(*said, strict=True)
    return np.concatenate(logits), np.concatenate(intensities)


def over_time(values: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """Mean over SMOOTHED frames of the same clip; rows in order of time."""
    table = pd.DataFrame(values).groupby(clip)
    smooth = table.rolling(SMOOTHED, center=True, min_periods=1).mean()
    return smooth.droplevel(0).sort_index().to_numpy(values.dtype)


def norms(model: Any) -> list[nn.BatchNorm2d]:
    return [module for module in model.image.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def renew_statistics(model: Any, data: CropData) -> None:
    """Means and variances of all batch normalisations, from 1,000 plain crops at most."""
    for norm in norms(model):
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    model.image.train()
    rows = np.random.default_rng(0).permutation(len(data))[:1000]
    for batch in plain_batches(data.subset(rows), model.config.image_size):
        with torch.autocast("cpu", torch.bfloat16):
            model.image(batch.image)
    model.eval()
    for norm in norms(model):
        norm.momentum = 0.1


def learn(model: Any, data: CropData, logits: np.ndarray, intensities: np.ndarray, steps: int, seed: int) -> None:
    """Train on changed crops towards these answers, each presence weighed by how sure it is."""
    optimizer = torch.optim.Adam(model.image.parameters(), LR)
    generator = torch.Generator().manual_seed(seed)
    probability = 1 / (1 + np.exp(-logits))
    sure = np.abs(2 * probability - 1)
    targets = [torch.from_numpy(np.array(values)) for values in (probability, intensities, sure)]
    model.image.train()
    for _ in range(steps):
        rows = torch.randint(len(data), (BATCH,), generator=generator)
        stored = data.batch(rows.numpy(), "cpu")
        batch = augment(stored, model.config.image_size, generator, margin=data.margin)
        present, strength, weight = (values[rows].float() for values in targets)
        with torch.autocast("cpu", torch.bfloat16):
            logit, intensity = image_branch(model, batch.image)
        loss = (weight * F.binary_cross_entropy_with_logits(logit, present, reduction="none")).mean()
        loss = loss + F.smooth_l1_loss(intensity, strength)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def adapted(model: Any, data: CropData, way: str, steps: int, seed: int) -> Any:
    """A copy of the model that has been adapted to the data in one of WAYS."""
    model = copy.deepcopy(model).eval()
    if way == "as trained":
        return model
    renew_statistics(model, data)
    if way == "batch norm":
        return model
    if way == "labels":
        logits = np.where(data.au_present, 20.0, -20.0).astype(np.float32)
        answers = logits, data.au_intensity
    else:
        answers = read(model, data, mirrored=way == "mean answers")
        if way == "mean answers":
            answers = tuple(over_time(values, data.clip) for values in answers)
    learn(model, data, *answers, steps, seed)
    renew_statistics(model, data)
    return model


def render_rows(options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    """AUC on other people of the wild look, for every seed and way."""
    plan = FreshPlan(options.facekit, SEED, STORED, options.assets)
    size = stored_size(SMALL["image_size"])
    videos, test = (
        load_data(folders, size, aus=SYNTH_AUS, every=EVERY, cache=options.out / "crops")
        for folders in (options.videos, options.test)
    )
    test = test.subset(np.arange(0, len(test), 5))
    for seed in range(options.seeds):
        model = trained(*studio_people(plan, options.keep, seed), seed, options.out / f"studio-{seed}")
        for way in WAYS:
            logits, intensities = read(adapted(model, videos, way, STEPS["renders"], seed), test)
            auc = metrics.auc(test.au_present, logits, test.au_present_valid)
            icc = metrics.icc_3_1(test.au_intensity, intensities, test.au_intensity_valid)
            row = {"on": "renders of the other look", "seed": seed, "way": way, "people": len(test.present_subjects)}
            yield row | {"auc": metrics.mean_over_aus(auc), "icc": metrics.mean_over_aus(icc)}


@torch.no_grad()
def blendshape_readings(data: CropData) -> pd.DataFrame:
    """What MediaPipe's blendshapes say of the action units of every row."""
    network = BlendshapeNet().eval()
    scores = network(torch.from_numpy(np.asarray(data.mesh)).float()).numpy()
    named = [dict(zip(NAMES, row, strict=True)) for row in scores]
    return pd.DataFrame({au: [reading(row, au) for row in named] for au in BLENDSHAPES})


def agreement(intensities: np.ndarray, aus: tuple[int, ...], other: pd.DataFrame, clip: np.ndarray) -> float:
    """Median correlation over the action units that vary in a clip, mean over clips."""
    found = []
    for number in np.unique(clip):
        rows = clip == number
        own = [
            np.corrcoef(intensities[rows, aus.index(au)], other.loc[rows, au])[0, 1]
            for au in other
            if au in aus and other.loc[rows, au].std() > VARIES
        ]
        found.append(np.nanmedian(own))
    return float(np.mean(found))


def recording_rows(options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    """Agreement of the released detector's image branch with blendshapes on real clips, for every way."""
    model = load_checkpoint(find_weights("resnet18")).model
    size = stored_size(model.config.image_size)
    data = load_data([options.recordings], size, aus=(), every=EVERY, meshes=True, cache=options.out / "crops")
    other = blendshape_readings(data)
    for way in WAYS[:-1]:
        _, intensities = read(adapted(model, data, way, STEPS["clips"], 0), data)
        row = {"on": "real clips", "seed": 0, "way": way, "people": len(data.present_subjects)}
        yield row | {"agreement": agreement(intensities, model.aus, other, data.clip)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--videos", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, nargs="+", required=True)
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and crops; finished runs are read")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for found in (render_rows(options), recording_rows(options)):
        for row in found:
            rows.append(row | {"commit": source_commit()})
            print(row, flush=True)
            with write_atomically(RESULTS) as temporary:
                pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    main()
