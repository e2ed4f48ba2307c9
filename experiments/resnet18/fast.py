"""The fast detector: the default one with a small network for the image, and decisions that hold on real faces.

    python experiments/resnet18/fast.py runs/fast/model.safetensors --facekit DIR --assets ASSETS --keep out/people \
        --faces FACES --out resnet18-fast.safetensors

The weights are those of student.py, taught by the default detector. Its landmark branch stays as it is; left and
right are left out. Prints what every share of the landmark branch is worth on photographs coded by eye. Slope,
offsets and thresholds are then chosen as those of the other released networks are (experiments/released_rows.py), and
intensity is the same function of the log-odds as in the default detector, 1 at the threshold.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from release import LEVEL_A, PRIOR_SD, SHARES, coded_batches, decided_on, fit, promised_thresholds
from scipy.special import expit, logit
from student import PEOPLE, VALIDATION

from actionunits.datasets.crops.fresh import kept_crop_data
from actionunits.detection.detector import DEFAULT_MODEL
from actionunits.evaluation.coded_faces import read_coded_faces
from actionunits.models.batch import Batch
from actionunits.models.resnet18 import ResNet18
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.validation import judged
from actionunits.weights.locate import find_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
import students

OF_LANDMARKS = ("landmarks.head.", "landmarks.direct.")


def grafted(default: ResNet18, student: ResNet18) -> ResNet18:
    """The default detector without left and right, with the student in place of its image branch."""
    config = dataclasses.replace(default.config, width=student.config.width, sides=False)
    model = ResNet18(config, default.aus)
    state = {name: value for name, value in default.state_dict().items() if not name.startswith("image.")}
    for name in state:
        if name.startswith(OF_LANDMARKS):
            state[name] = torch.cat(state[name].chunk(4)[:2])
    state |= {name: value for name, value in student.state_dict().items() if name.startswith("image.")}
    model.load_state_dict(state)
    return model.eval()


def slopes_of(default: ResNet18) -> torch.Tensor:
    """How much intensity rises with the log-odds of presence, before the logistic function, of each AU, (A,)."""
    (odds, _), (strength, _) = default.au_rows()
    return (odds * strength).sum(1) / (odds**2).sum(1)


@torch.no_grad()
def calibrate(model: ResNet18, slope: float, offset: np.ndarray, rise: torch.Tensor, thresholds: np.ndarray) -> None:
    """Write decisions into both branches: log-odds `slope` times what they are and the offsets (A,) beside, and
    intensities that rise with them."""
    base = LEVEL_A - rise * torch.from_numpy(logit(thresholds)).float()
    added = torch.from_numpy(offset).float()
    assert model.landmarks is not None
    for layer in (model.image.head, model.landmarks.head, model.landmarks.direct):
        odds = slope * layer.weight.chunk(2)[0]
        layer.weight.copy_(torch.cat([odds, rise[:, None] * odds]))
        if layer.bias is not None:
            odds = slope * layer.bias.chunk(2)[0] + added
            layer.bias.copy_(torch.cat([odds, rise * odds + base]))


def branches(model: ResNet18, batches: list[Batch]) -> np.ndarray:
    """Log-odds of both branches, (2, N, A)."""
    with torch.inference_mode():
        outputs = [model(batch) for batch in batches]
    return np.stack(
        [torch.cat([getattr(o, name).au_logit for o in outputs]).numpy() for name in ("image", "landmarks")]
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="what student.py wrote")
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    parser.add_argument("--out", type=Path, required=True, help="weights to write")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    plan = students.plan_of(options, students.SMALL)
    validation = kept_crop_data(plan, range(PEOPLE, PEOPLE + VALIDATION), options.keep)
    default, student = (load_checkpoint(path) for path in (find_weights(DEFAULT_MODEL), options.weights))
    model = grafted(default.model, student.model)
    faces = read_coded_faces(options.faces)
    said = branches(model, coded_batches(faces, model.config.image_size))
    for share in SHARES:
        auc = metrics.auc(faces.present, (1 - share) * said[0] + share * said[1], faces.valid)
        print(f"share {share}: AUC {metrics.mean_over_aus(auc):.3f}")
    share = model.config.landmark_weight
    odds = (1 - share) * said[0] + share * said[1]
    slope, offset = fit(odds, faces.present, faces.valid, PRIOR_SD)
    thresholds = promised_thresholds(expit(slope * odds + offset))
    calibrate(model, slope, offset, slopes_of(default.model), thresholds)
    fields = {name: student.header[name] for name in ("data", "seed", "commit")}
    fields["data"] = fields["data"] | {"landmarks_of": default.header["sha256"]}
    fields |= judged(model, validation.subset(validation.mesh_valid), model.config.image_size)
    save_checkpoint(options.out, model, fields | decided_on(faces, fields, model.aus, thresholds), "float16")
    print(f"{options.out}: {fields['scores']['validation']}")


if __name__ == "__main__":
    sys.exit(students.as_command("fast", lambda: run(parse())))
