"""What each loss of OF-Net does: joint training without one of them, on the first fold of renders.

    actionunits synth --layout bp4d --facekit KIT --out out/bp4d --subjects 41 --clips 4 --frames 32 --fps 8
    actionunits prepare bp4d out/bp4d --out out/bp4d-crops
    actionunits synth --facekit KIT --out out/flow --subjects 12 --clips 2 --frames 32 --fps 8 --seed 19 --flow
    python experiments/ofnet/losses.py --data out/bp4d-crops --flow out/flow --out out/losses

Same people, seed and steps for all (`configs/ofnet_small.yaml`, about a minute of one core each). Scores of the test
people with intervals over people, their differences to the run with all losses (`actionunits compare`), and the
end-point error of the flow on other renders relative to that of no motion (`flow.py`). Finished runs in `--out`
are not trained again. Writes results/ofnet_losses.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
from flow import NONE, no_motion

from actionunits.datasets.crops.synthau import subject_names
from actionunits.evaluation.compare import MEAN, compare
from actionunits.evaluation.crossval import FoldOutputs, System, cross_validate
from actionunits.evaluation.flow_error import flow_errors, summarise
from actionunits.evaluation.protocols import refuse_seen_subjects, score_frames
from actionunits.evaluation.questions import Question, load_protocol
from actionunits.files import write_atomically
from actionunits.reports.flow_grid import load_flow_model
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.settings import make_settings, parse_assignments, read_config_file

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "ofnet_losses.csv"
ALL_LOSSES = "variant=joint"
RUNS = (ALL_LOSSES, "pixel_weight=0", "smooth_weight=0", "dssim_weight=0", "au_weight=0.3", "variant=separate")
METRICS = ("f1", "auc")


def first_fold(data: Path, assignment: str, out: Path) -> tuple[FoldOutputs, Path]:
    """Outputs for the test people of the first fold, and the checkpoint."""
    values = read_config_file("ofnet_small") | parse_assignments([assignment])
    settings = make_settings("ofnet", values)
    protocol = load_protocol(Question("folds", (data,)), settings)
    protocol = dataclasses.replace(protocol, folds=protocol.folds[:1])
    (outputs,) = cross_validate(System("ofnet", settings), protocol, out, make_fabric(Hardware(accelerator="cpu")))
    return outputs, out / f"fold-{outputs.name}" / CHECKPOINT_FILE


def score_rows(name: str, outputs: FoldOutputs, reference: FoldOutputs) -> list[dict[str, Any]]:
    """Mean scores with intervals, and how much they differ from those with all losses."""
    result = score_frames(outputs.frames)
    about = {"run": name, "people": result.subjects, "frames": result.frames, "commit": outputs.header["commit"]}
    rows = {}
    for metric in METRICS:
        low, high = result.intervals[metric]
        rows[metric] = about | {"measure": metric, "value": result.means[metric], "low": low, "high": high}
    if outputs is not reference:
        table = compare(outputs.frames, reference.frames, metric_names=METRICS).table
        for row in table[table["au"] == MEAN].itertuples():
            rows[row.metric] |= {
                "difference": row.difference,
                "difference_low": row.low,
                "difference_high": row.high,
                "p_flip": row.p_flip,
            }
    return list(rows.values())


def flow_rows(folder: Path, runs: dict[str, FoldOutputs], paths: dict[str, Path]) -> list[dict[str, Any]]:
    """End-point errors relative to no motion, with intervals."""
    for path, outputs in zip(paths.values(), runs.values(), strict=True):
        refuse_seen_subjects(outputs.header, subject_names(folder), str(path))
    models = {name: load_flow_model(path) for name, path in paths.items()}
    (size,) = {model.config.image_size for model in models.values()}
    estimators = {NONE: no_motion} | {name: model.flow for name, model in models.items()}
    table = summarise(flow_errors(folder, estimators, size), NONE)
    return [
        {
            "run": row.method,
            "people": row.people,
            "frames": row.frames,
            "commit": runs[row.method].header["commit"],
            "measure": f"flow_{row.area}",
            "value": row.ratio,
            "low": row.ratio_low,
            "high": row.ratio_high,
        }
        for row in table.itertuples()
        if row.method != NONE
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="prepared renders in BP4D's layout")
    parser.add_argument("--flow", type=Path, required=True, help="renders of other people with their true motion")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    runs, paths = {}, {}
    for name in RUNS:
        runs[name], paths[name] = first_fold(arguments.data, name, arguments.out / name)
    rows = [row for name, outputs in runs.items() for row in score_rows(name, outputs, runs[ALL_LOSSES])]
    table = pd.DataFrame(rows + flow_rows(arguments.flow, runs, paths))
    print(table.to_string(index=False, float_format="%.3f"))
    with write_atomically(RESULTS) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    main()
