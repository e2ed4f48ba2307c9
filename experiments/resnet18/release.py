"""From trained weights to released ones: shares, decisions and intensities that hold on real faces.

    python experiments/resnet18/release.py runs/a/detector/model.safetensors --faces DIR --facekit DIR --assets DIR \
        --beside runs/mesh/model.safetensors --out resnet18.safetensors

Training leaves one estimate of presence and one of intensity from each of two branches, all of them learned from
renders. With photographs coded by eye (`--faces`, see evaluation/coded_faces.py) this

- puts the mesh network's layers of another checkpoint beside the ResNet (`--beside`, mesh_layers.py), or of several
  whose weights are averaged; they may go on from MediaPipe's weights beyond where training brought them (`--reach`,
  reach.py). The image branch then is the mean of both by their shares (`--layers-share`), each in units of its own
  spread on renders; `--without-resnet` leaves those layers alone;
- tells what each branch says of every action unit, and what every share of the landmark branch is worth, on renders
  and on these faces (results/detector_branches.csv, results/detector_shares.csv);
- leaves AUs to the image branch that show in folds of the skin and hardly move a landmark (`--image-only`);
- averages presence and intensity, and adds the AU's own blendshapes unless an earlier release has done so; both are
  then two readings of one evidence and cannot contradict each other;
- moves the log-odds of every action unit to where real faces have them: a logistic regression with one slope for all,
  whose offsets are held together by a prior, since some action units are present in a handful of faces;
- sets each threshold where the F1 that these probabilities promise is highest, and intensity 1 (level A) there.

All of it is linear in the last layers and is written into their weights, so that it costs detection nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from image_branches import averaged, beside, reaching, with_settings, without_resnet
from result_files import write_results
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit
from train_on_renders import render_validation

from actionunits.aus import INTENSITY_MAX, au_label
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.detection.coded_faces import middle_face
from actionunits.errors import UserError
from actionunits.evaluation.blendshapes import BLENDSHAPES
from actionunits.evaluation.coded_faces import CodedFaces, read_coded_faces
from actionunits.faces import FaceFinder
from actionunits.faces.align import cut_out, similarity_transform, transform_points
from actionunits.media import open_media
from actionunits.models.batch import Batch
from actionunits.models.layers.blendshapes import NAMES
from actionunits.scores import metrics
from actionunits.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from actionunits.training.validation import judged
from actionunits.weights.locate import find_weights

SHARES = tuple(round(0.1 * k, 1) for k in range(11))
BLENDSHAPE_WEIGHT = 0.5  # of a blendshape's own word, beside 1 for the mean of presence and intensity
DEAD_OR_WEAK = (6, 9, 24)  # AUs whose blendshapes hardly move on any face, or say little
IMAGE_ONLY = (4, 9)  # AUs of knitted brows and of a wrinkled nose: folds of the skin, where points hardly move
PRIOR_SD = 1.0  # log-odds by which an action unit's offset may well differ from that of all
LOOSE_SD = 3.0  # the same on renders, where every action unit is frequent
LEVEL_A = logit(1 / INTENSITY_MAX)  # activation of intensity 1
SLOPES = (0.3, 6.0)  # in which the slope of intensity is looked for
SIDES_DIFFER = 1.0  # in intensity: one side is then visibly stronger


@dataclass(frozen=True)
class Evidence:
    """Activations of both branches for N faces, (2, N, A): the image branch first."""

    presence: np.ndarray  # log-odds
    intensity: np.ndarray  # before the logistic function
    blendshapes: np.ndarray  # (N, A): the AU's own blendshapes, standardised; 0 for an AU without

    def at(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means of both branches, (N, A) each; share: of the landmark branch for each AU, (A,)."""
        weight = np.stack([1 - share, share])[:, None]
        return (self.presence * weight).sum(0), (self.intensity * weight).sum(0)


def evidence(model: Any, batches: list[Batch]) -> Evidence:
    """What the branches say of faces whose meshes are known."""
    presence, intensity, blendshapes = [], [], []
    own = torch.from_numpy(own_blendshapes(model.aus, ("Left", "Right"), model.config.image_only).T).float()
    with torch.inference_mode():
        for batch in batches:
            output = model(batch)
            both = (output.image, output.landmarks)
            presence.append(torch.stack([branch.au_logit for branch in both]).numpy())
            intensity.append(torch.stack([branch.intensity for branch in both]).numpy())
            blendshapes.append(
                (model.landmarks.spread(model.blendshapes(batch.mesh), batch.mesh_valid) @ own).numpy()
            )
    return Evidence(np.concatenate(presence, 1), np.concatenate(intensity, 1), np.concatenate(blendshapes))


def own_blendshapes(aus: Sequence[int], sides: Sequence[str], image_only: Sequence[int]) -> np.ndarray:
    """Mean of an AU's own blendshapes as weights, (A, 52); of those with sides, only of the named ones.

    They are 0 for an AU that the image branch alone reads.
    """
    weights = np.zeros((len(aus), len(NAMES)))
    for row, au in enumerate(aus):
        names = [] if au in (*DEAD_OR_WEAK, *image_only) else BLENDSHAPES.get(au, ())
        chosen = [name for name in names if name.endswith(tuple(sides)) or not name.endswith(("Left", "Right"))]
        weights[row, [NAMES.index(name) for name in chosen]] = 1 / max(1, len(chosen))
    return weights


def coded_batches(faces: CodedFaces, size: int) -> list[Batch]:
    """The face of every photograph as detection sees it. Raises UserError where one is not found."""
    batches = []
    with FaceFinder(video=False) as finder:
        for name, path in zip(faces.ids, faces.pictures, strict=True):
            with open_media(path) as media:
                frame = next(iter(media))
            found = finder(frame)
            chosen = middle_face(frame, found)
            if chosen is None:
                raise UserError(f"no face is found in {path}; take {name} out of the table")
            face = found[chosen]
            matrix = similarity_transform(face.landmarks_px, size)
            crop = torch.from_numpy(cut_out(frame.image_rgb, matrix, size)).permute(2, 0, 1)[None].float() / 255
            assert face.mesh_px is not None
            mesh = torch.from_numpy((transform_points(face.mesh_px, matrix) + np.float32([0.5, 0.5, 0])) / size)[None]
            landmarks = torch.from_numpy((transform_points(face.landmarks_px, matrix) + 0.5) / size)[None].float()
            batches.append(Batch(image=crop, mesh=mesh, mesh_valid=torch.tensor([True]), landmarks=landmarks))
    return batches


def fit(scores: np.ndarray, present: np.ndarray, valid: np.ndarray, prior_sd: float) -> tuple[float, np.ndarray]:
    """Slope, the same for all AUs, and offset of each, (A,), of log-odds that fit labels best.

    scores: (N, A); the offsets have a normal prior about their mean.
    """

    def loss(values: np.ndarray) -> float:  # slope's logarithm, offset of all, and of each beside it
        odds = np.exp(values[0]) * scores + values[1] + values[2:]
        cost = np.logaddexp(0, odds) - present * odds
        return float(cost[valid].sum() + 0.5 * ((values[2:] / prior_sd) ** 2).sum())

    found = minimize(loss, np.zeros(scores.shape[1] + 2), method="L-BFGS-B").x
    return float(np.exp(found[0])), np.asarray(found[1] + found[2:])


def promised_thresholds(probability: np.ndarray) -> np.ndarray:
    """Threshold of each AU, (A,), at which the F1 that the probabilities (N, A) promise is highest.

    A face called present with probability p is right p times; F1 is 2 sum(p of the called) / (sum(p) + called).
    """
    ordered = -np.sort(-probability, axis=0)
    called = np.arange(1, len(probability) + 1)[:, None]
    promised = 2 * ordered.cumsum(0) / (probability.sum(0) + called)
    best = promised.argmax(0)
    columns = np.arange(probability.shape[1])
    following = ordered[np.minimum(best + 1, len(ordered) - 1), columns]
    return (ordered[best, columns] + following) / 2


def intensity_slope(score: np.ndarray, border: float, truth: np.ndarray) -> float:
    """Slope of the intensity 5 s(slope (score - border) + LEVEL_A) with the best ICC(3,1) on renders of one AU."""

    def loss(slope: float) -> float:
        said = INTENSITY_MAX * expit(slope * (score - border) + LEVEL_A)
        return -float(metrics.icc_3_1(truth[:, None], said[:, None], np.ones((len(truth), 1), bool))[0])

    return float(minimize_scalar(loss, bounds=SLOPES, method="bounded").x)


@torch.no_grad()
def write_into_heads(
    model: Any, presence: np.ndarray, intensity: np.ndarray, sides: np.ndarray, share: np.ndarray
) -> None:
    """Replace the outputs of both branches by linear functions of them and of the blendshapes.

    presence, intensity: (4, A) factors of log-odds, of intensity and of the AU's own blendshapes, and what is added;
    sides: (3, A) factors of a side's own activation and blendshapes, and what is added; share: of the landmark
    branch for each AU, (A,).
    """

    def column(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
        shape = (-1, *[1] * (like.ndim - 1))
        return torch.from_numpy(values).to(like).view(shape)

    factors = (presence, intensity, sides, sides)
    heads = (model.image.head, model.landmarks.head)
    for rows in (*(head.weight for head in heads), *(head.bias for head in heads), model.landmarks.direct.weight):
        odds, strength, left, right = rows.clone().chunk(4)
        changed = [column(f[0], rows) * odds + column(f[1], rows) * strength for f in (presence, intensity)]
        changed += [column(sides[0], rows) * side for side in (left, right)]
        if rows.ndim == 1:
            changed = [values + column(f[-1], rows) for values, f in zip(changed, factors, strict=True)]
        rows.copy_(torch.cat(changed))
    every = ("Left", "Right")
    own = [own_blendshapes(model.aus, n, model.config.image_only) for n in (every, every, every[:1], every[1:])]
    # The landmark branch has a share in the mean; what is added to it alone has to be larger by that. Where it has
    # none, there is nothing to add.
    larger = 1 / np.where(share > 0, share, 1)
    added = np.concatenate([(f[-2] * larger)[:, None] * weights for f, weights in zip(factors, own, strict=True)])
    model.landmarks.direct.weight.add_(torch.from_numpy(added).to(model.landmarks.direct.weight))


def calibrate(
    model: Any,
    renders: CropData,
    on_renders: Evidence,
    faces: CodedFaces,
    on_faces: Evidence,
    weight: float,
) -> np.ndarray:
    """Write decisions and intensities into the model, and return the thresholds of the AUs, (A,).

    weight: of an AU's own blendshapes.
    """
    share = model.landmark_shares[0].numpy()
    odds, strength = on_renders.at(share)
    spread = 2 * odds.std(0), 2 * strength.std(0)  # the two count alike
    seen = renders.au_present_valid
    blended = weight * on_renders.blendshapes
    score = odds / spread[0] + strength / spread[1] + blended
    slope, offset = fit(score, renders.au_present, seen, LOOSE_SD)
    real_odds, real_strength = on_faces.at(share)
    real_score = real_odds / spread[0] + real_strength / spread[1] + weight * on_faces.blendshapes
    real = slope * real_score + offset
    real_slope, real_offset = fit(real, faces.present, faces.valid, PRIOR_SD)
    thresholds = promised_thresholds(expit(real_slope * real + real_offset))

    factor, added = real_slope * slope, real_slope * offset + real_offset
    border = (logit(thresholds) - added) / factor  # of the score
    slopes = np.array(
        [intensity_slope(score[:, k], border[k], renders.au_intensity[:, k]) for k in range(score.shape[1])]
    )
    # What a side's own activation says of the score without the blendshapes, which is of both sides and of presence.
    plain = score - blended
    own = [np.polyfit(strength[:, k] / spread[1][k], plain[:, k], 1) for k in range(score.shape[1])]
    gain, rest = np.array(own).T
    base = LEVEL_A - slopes * border
    write_into_heads(
        model,
        np.stack([factor / spread[0], factor / spread[1], np.full_like(added, factor * weight), added]),
        np.stack([slopes / spread[0], slopes / spread[1], slopes * weight, base]),
        np.stack([slopes * gain / spread[1], slopes * weight, slopes * rest + base]),
        share,
    )
    return thresholds


def decided_on(
    faces: CodedFaces, header: dict[str, Any], aus: Sequence[int], thresholds: np.ndarray
) -> dict[str, Any]:
    """Fields of a checkpoint whose thresholds, (A,), were set on coded faces."""
    chosen = {"name": faces.name, "faces": len(faces.ids), "people": faces.people}
    return {
        "data": header["data"] | {"calibrated_on": chosen},
        "thresholds": {au_label(au): float(value) for au, value in zip(aus, thresholds, strict=True)},
    }


def branches_table(
    renders: CropData, on_renders: Evidence, faces: CodedFaces, on_faces: Evidence, share: float
) -> pd.DataFrame:
    """AUC of presence by the image branch, by the landmark branch and by their mean, for every AU."""
    scores = {}
    for name, found, present, valid in (
        ("renders", on_renders, renders.au_present, renders.au_present_valid),
        (faces.name, on_faces, faces.present, faces.valid),
    ):
        image, landmarks = found.presence
        both = {"image": image, "landmarks": landmarks, "both": (1 - share) * image + share * landmarks}
        scores |= {f"{name}_{branch}": metrics.auc(present, score, valid) for branch, score in both.items()}
    return pd.DataFrame({"au": [au_label(au) for au in renders.aus], "share": share} | scores)


def shares_table(
    renders: CropData,
    on_renders: Evidence,
    faces: CodedFaces,
    on_faces: Evidence,
    weight: float,
    counted: np.ndarray,
) -> pd.DataFrame:
    """Mean AUC of presence, of intensity and of their mean, on renders and on coded faces, for every share.

    counted: (A,), 0 for an AU that the image branch alone reads and 1 for the others.
    """
    rows = []
    for share in SHARES:
        for name, found, present, valid in (
            ("renders", on_renders, renders.au_present, renders.au_present_valid),
            (faces.name, on_faces, faces.present, faces.valid),
        ):
            odds, strength = found.at(share * counted)
            scale = [values.std(0) for values in on_renders.at(share * counted)]
            both = (odds / scale[0] + strength / scale[1]) / 2
            kinds = {"presence": odds, "intensity": strength, "both": both}
            kinds["with_blendshapes"] = both + weight * found.blendshapes
            auc = {kind: metrics.mean_over_aus(metrics.auc(present, s, valid)) for kind, s in kinds.items()}
            rows.append({"data": name, "landmark_share": share} | auc)
    return pd.DataFrame(rows)


def sides_table(model: Any, renders: CropData) -> pd.DataFrame:
    """How often the stronger side is told, of frames of renders whose sides differ by more than SIDES_DIFFER."""
    assert renders.au_sides is not None
    batches = plain_batches(renders, model.config.image_size)
    with torch.inference_mode():
        said = np.concatenate([model(batch).au_sides.numpy() for batch in batches])
    rows = []
    for k, au in enumerate(renders.aus):
        differ = renders.au_sides[:, k, 0] - renders.au_sides[:, k, 1]
        chosen = np.abs(differ) > SIDES_DIFFER
        told = (said[chosen, k, 0] > said[chosen, k, 1]) == (differ[chosen] > 0)
        if chosen.any():
            rows.append({"au": au_label(au), "frames": int(chosen.sum()), "told": float(told.mean())})
    return pd.DataFrame(rows)


def add_judge_options(parser: argparse.ArgumentParser) -> None:
    """What weights are judged on: photographs, and people who are rendered for it."""
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    parser.add_argument("--facekit", required=True, help="the face model, for validation people")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--people", type=int, default=150, help="validation people")
    parser.add_argument("--workers", type=int, default=2)


def judging_renders(options: argparse.Namespace, checkpoint: Checkpoint) -> CropData:
    """Frames with a mesh of people whom the checkpoint has not learned from."""
    rendered = checkpoint.header["data"]["rendered"]
    plan = FreshPlan(options.facekit, rendered["seed"] + 1, rendered["crop_size"], options.assets, mesh_every=1)
    renders = render_validation(plan, options.people, options.workers)
    return renders.subset(renders.mesh_valid)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="what train_on_renders.py wrote, or the name of released weights")
    add_judge_options(parser)
    parser.add_argument("--beside", type=Path, nargs="+", default=[], help="checkpoints of mesh_layers.py to average")
    parser.add_argument("--reach", type=float, default=1.0, help="of these layers, from MediaPipe's; 1: as trained")
    parser.add_argument("--layers-share", type=float, default=0.5, help="of these layers in the image branch")
    parser.add_argument(
        "--without-resnet", action="store_true", help="read images by the mesh network's layers alone"
    )
    parser.add_argument("--share", type=float, default=0.6, help="of the landmark branch")
    parser.add_argument("--image-only", type=int, nargs="*", default=IMAGE_ONLY, help="AUs that it has no share in")
    parser.add_argument("--results", default="detector", help="how the names of the tables in results/ begin")
    parser.add_argument("--out", type=Path, required=True, help="weights to write")
    options = parser.parse_args()
    try:
        checkpoint = load_checkpoint(find_weights(options.weights))
        model, header = checkpoint.model, checkpoint.header
        meshed, faces = judging_renders(options, checkpoint), read_coded_faces(options.faces)
        size = model.config.image_size
        batches = list(plain_batches(meshed, size))
        if options.beside:
            trained = [load_checkpoint(path) for path in options.beside]
            layers = reaching(averaged(trained), options.reach)
            told = [checkpoint.header["data"] for checkpoint in trained]
            names = dict.fromkeys(name for data in (header["data"], *told) for name in data["names"])
            header["data"] |= {"beside": told, "names": list(names)}
            model = beside(model, layers, batches, 1.0 if options.without_resnet else options.layers_share)
        if options.without_resnet:
            model = without_resnet(model)
        shares = {"landmark_weight": options.share, "landmark_intensity_weight": None}
        model = with_settings(model, **shares, image_only=tuple(options.image_only))
        on_renders = evidence(model, batches)
        on_faces = evidence(model, coded_batches(faces, size))
        weight = 0.0 if "calibrated_on" in header["data"] else BLENDSHAPE_WEIGHT
        table = branches_table(meshed, on_renders, faces, on_faces, options.share)
        write_results(table, f"{options.results}_branches")
        table = shares_table(meshed, on_renders, faces, on_faces, weight, model.landmarks_count.numpy())
        write_results(table, f"{options.results}_shares")
        thresholds = calibrate(model, meshed, on_renders, faces, on_faces, weight)
        fields = {name: header[name] for name in ("data", "seed", "commit")} | judged(model, meshed, size)
        save_checkpoint(options.out, model, fields | decided_on(faces, fields, model.aus, thresholds), "int8")
        write_results(sides_table(model, meshed), f"{options.results}_sides")
        print(f"{options.out}: {fields['scores']['validation']}")
    except UserError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
