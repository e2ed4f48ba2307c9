"""From a trained RE-Net, EAC-Net or TCAE to a released one: log-odds and thresholds that hold on real faces.

    python experiments/released_rows.py runs/renet/model.safetensors --faces DIR --out renet.safetensors

Photographs coded by eye give one slope for all log-odds, one offset for each action unit with a prior, and the
thresholds, as for the default detector (experiments/resnet18/release.py). They are written into the rows of the last
layer and change no order of faces.
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
from actionunits.models.renet import ReNet
from actionunits.models.tcae import Tcae
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint


def read(model: Any, batches: list[Any]) -> dict[str, np.ndarray]:
    """Log-odds of presence and, where the model has them, intensities, (N, A) each."""
    with torch.inference_mode():
        outputs = [model(batch) for batch in batches]
    return {
        name: torch.cat([getattr(output, name) for output in outputs]).numpy()
        for name in ("au_logit", "au_intensity")
        if getattr(outputs[0], name) is not None
    }


def presence_rows(model: Any, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (A, D) and biases (A,) of the log-odds of presence. Raises UserError for a model without such rows."""
    if isinstance(model, EacNet):
        layer = model.regression_layer()
        return layer.weight, layer.bias
    if isinstance(model, Tcae):
        return model.probe.weight, model.probe.intercept
    if not isinstance(model, ReNet) or model.own_head is None or model.config.tasks == "intensity":
        raise UserError(f"{path} has no rows of presence of its own for each action unit")
    return model.own_head.weight[:, 0], model.own_head.bias[:, 0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a trained RE-Net, EAC-Net or TCAE")
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    parser.add_argument("--out", type=Path, required=True, help="weights to write")
    options = parser.parse_args()
    try:
        checkpoint = load_checkpoint(options.weights)
        model, header = checkpoint.model, checkpoint.header
        weight, bias = presence_rows(model, options.weights)
        faces = read_coded_faces(options.faces)
        said = read(model, coded_batches(faces, model.config.image_size))
        logits = said["au_logit"]
        for name, values in said.items():
            auc = metrics.mean_over_aus(metrics.auc(faces.present, values, faces.valid))
            print(f"AUC of {name} on {len(faces.ids)} faces: {auc:.3f}")
        slope, offset = fit(logits, faces.present, faces.valid, PRIOR_SD)
        with torch.no_grad():
            weight.mul_(slope)
            bias.mul_(slope).add_(torch.from_numpy(offset).float())
        thresholds = promised_thresholds(expit(slope * logits + offset))
        fields = {name: header[name] for name in ("data", "seed", "commit", "scores")}
        added = dict(zip(map(au_label, checkpoint.aus), offset.tolist(), strict=True))
        fields["neutral_logit"] = {au: slope * value + added[au] for au, value in header["neutral_logit"].items()}
        save_checkpoint(options.out, model, fields | decided_on(faces, fields, model.aus, thresholds), "float16")
    except UserError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
