"""From trained weights of a network that reads images alone to released ones: decisions on real faces.

    python experiments/released_rows.py runs/renet/model.safetensors --faces DIR --out renet.safetensors

Photographs coded by eye give one slope for all log-odds, one offset for each action unit with a prior, and the
thresholds, as for the default detector (experiments/resnet18/release.py). They are written into the rows of the last
layer and change no order of faces.

The hybrid network's LSTMs correct the CNN's scores: slope and offsets are written into what reads and what gives
these scores, so that all log-odds over time are scaled alike. A photograph is a sequence of one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).parent / "resnet18"))
from release import PRIOR_SD, coded_batches, decided_on, fit, promised_thresholds

from actionunits.aus import au_label
from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import read_coded_faces
from actionunits.models.eacnet import EacNet
from actionunits.models.hybrid import HybridNet
from actionunits.models.hybrid.lstm import AuLstm
from actionunits.models.ofnet import OfNet
from actionunits.models.renet import ReNet
from actionunits.models.resnet18 import ResNet18
from actionunits.models.tcae import Tcae
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint


def read(model: Any, batches: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of presence and intensities, (N, A) each; intensities of NaN from a model without them."""
    with torch.inference_mode():
        outputs = [model(batch) for batch in batches]
    logit = torch.cat([output.au_logit for output in outputs])
    told = [torch.full_like(o.au_logit, torch.nan) if o.au_intensity is None else o.au_intensity for o in outputs]
    return logit.numpy(), torch.cat(told).numpy()


@torch.no_grad()
def scale(model: Any, slope: float, offset: torch.Tensor, path: Path) -> None:
    """Make all log-odds `slope` times what they are and add the offsets (A,). Raises UserError where none can be."""
    if isinstance(model, HybridNet):
        scale_corrections(model, slope, offset, path)
        return
    weight, bias = presence_rows(model, path)
    weight.mul_(slope)
    bias.mul_(slope).add_(offset)


def scale_corrections(model: HybridNet, slope: float, offset: torch.Tensor, path: Path) -> None:
    """`scale` of LSTMs that follow each AU and correct its score."""
    if not isinstance(model.lstm, AuLstm) or model.config.lstm_says != "corrections" or not model.follows_time():
        raise UserError(
            f"{path} has no LSTMs that correct each score; set lstm_reads=each_score, lstm_says=corrections"
        )
    for values in (model.cnn.fc8.weight, model.cnn.fc8.bias, *model.lstm.output.parameters()):
        values.mul_(slope)
    model.lstm.bias.mul_(slope).add_(offset / 2)  # log-odds are twice the score before tanh
    first = model.lstm.shared.lstm.weight_ih_l0
    first[:, :2].div_(slope)  # the AU's own score and the mean score of the frame


def presence_rows(model: Any, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (A, D) and biases (A,) of the log-odds of presence. Raises UserError for a model without such rows."""
    if isinstance(model, EacNet):
        layer = model.regression_layer()
        return layer.weight, layer.bias
    if isinstance(model, OfNet):
        return model.au_net.output.weight, model.au_net.output.bias
    if isinstance(model, Tcae):
        return model.probe.weight, model.probe.intercept
    if isinstance(model, ResNet18) and model.landmarks is None:
        return model.au_rows()[0]
    if not isinstance(model, ReNet) or model.own_head is None or model.config.tasks == "intensity":
        raise UserError(f"{path} has no rows of presence of its own for each action unit")
    return model.own_head.weight[:, 0], model.own_head.bias[:, 0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "weights",
        type=Path,
        help="a trained network that reads images alone",
    )
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    parser.add_argument("--stored-type", choices=("float16", "int8"), default="float16", help="of the weights")
    parser.add_argument("--out", type=Path, required=True, help="weights to write")
    options = parser.parse_args()
    try:
        checkpoint = load_checkpoint(options.weights)
        model, header = checkpoint.model, checkpoint.header
        faces = read_coded_faces(options.faces)
        logits, intensity = read(model, coded_batches(faces, model.config.image_size))
        for name, values in (("presence", logits), ("intensity", intensity)):
            if np.isfinite(values).all():
                auc = metrics.mean_over_aus(metrics.auc(faces.present, values, faces.valid))
                print(f"AUC of {name} on {len(faces.ids)} faces: {auc:.3f}")
        slope, offset = fit(logits, faces.present, faces.valid, PRIOR_SD)
        scale(model, slope, torch.from_numpy(offset).float(), options.weights)
        thresholds = promised_thresholds(expit(slope * logits + offset))
        fields = {name: header[name] for name in ("data", "seed", "commit", "scores")}
        added = dict(zip(map(au_label, checkpoint.aus), offset.tolist(), strict=True))
        fields["neutral_logit"] = {au: slope * value + added[au] for au, value in header["neutral_logit"].items()}
        save_checkpoint(
            options.out, model, fields | decided_on(faces, fields, model.aus, thresholds), options.stored_type
        )
    except UserError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
