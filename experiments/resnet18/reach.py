"""How far the mesh network's layers should go on from MediaPipe's weights, beyond where training brought them.

    python experiments/resnet18/reach.py before.safetensors --beside runs/mesh-3?/model.safetensors --faces FACES \
        --facekit DIR --assets DIR

Reads renders and photographs coded by eye with layers whose weights are MediaPipe's, and what the trainings (their
mean) have added to them, multiplied. Writes mean AUC to results/mesh_reach.csv: of the layers alone, with the
landmarks (`fast`), and with the landmarks and the ResNet (`resnet18`), in the shares of the release. On photographs,
action units with five faces or more count.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from image_branches import averaged, beside, reaching, with_settings, without_resnet
from release import IMAGE_ONLY, add_judge_options, coded_batches, evidence, judging_renders
from result_files import write_results

from actionunits.datasets.sampling.augment import plain_batches
from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import read_coded_faces
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint

sys.path.insert(0, str(Path(__file__).parents[1]))
from resnet18.results_tables import JUDGED_FACES

REACHES = (1.0, 1.15, 1.3, 1.5, 1.7, 2.0)
LANDMARK_SHARE, LAYERS_SHARE = 0.5, 0.5


def mean_auc(score: np.ndarray, present: np.ndarray, valid: np.ndarray) -> float:
    """Mean AUC over the action units that have one."""
    return float(np.nanmean(metrics.auc(present, score, valid)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a ResNet-18 with landmarks and without these layers")
    parser.add_argument("--beside", type=Path, nargs="+", required=True, help="checkpoints of mesh_layers.py")
    add_judge_options(parser)
    options = parser.parse_args()
    try:
        checkpoint = load_checkpoint(options.weights)
        model, size = checkpoint.model, checkpoint.model.config.image_size
        renders, faces = judging_renders(options, checkpoint), read_coded_faces(options.faces)
        trained = averaged([load_checkpoint(path) for path in options.beside])
        batches, coded = list(plain_batches(renders, size)), coded_batches(faces, size)
    except UserError as error:
        print(f"reach: {error}", file=sys.stderr)
        return 2
    judged = faces.valid & ((faces.present * faces.valid).sum(0) >= JUDGED_FACES)
    sets = {
        "renders": (batches, renders.au_present, renders.au_present_valid),
        "faces": (coded, faces.present, judged),
    }
    rows = []
    for reach in REACHES:
        layers = reaching(trained, reach)
        fast = without_resnet(beside(model, layers, batches, 1.0))
        readers = {"fast": fast, "resnet18": beside(model, layers, batches, LAYERS_SHARE)}
        row = {"reach": reach}
        for name, (said, present, valid) in sets.items():
            row[f"{name}_layers"] = mean_auc(evidence(fast, said).presence[0], present, valid)
            for key, reader in readers.items():
                released = with_settings(reader, image_only=IMAGE_ONLY, landmark_weight=LANDMARK_SHARE)
                presence, _ = evidence(released, said).at(released.landmark_shares[0].numpy())
                row[f"{name}_{key}"] = mean_auc(presence, present, valid)
        rows.append(row)
        print({key: round(value, 3) for key, value in row.items()}, flush=True)
    write_results(pd.DataFrame(rows), "mesh_reach")
    return 0


if __name__ == "__main__":
    sys.exit(main())
