"""Whether OF-Net is only trained too little: scores of longer runs on many more people, and how they grow.

    python experiments/ofnet/longer.py --runs out/long --data out/bp4d-crops --flow out/test

Every folder in `--runs` is one of `train ofnet`; `tables.sh` makes them. AUC on the validation people along the
run is read from its log, AUC and F1 on all people of `--data` (F1 by the thresholds of the validation people) and the
end-point error of the flow relative to that of no motion on `--flow` (renders with `--flow`, see `flow.py`) are
of its checkpoint. Nobody is in two of the three. Writes results/ofnet_longer.csv.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd
from flow import NONE, no_motion

from actionunits.datasets.crops.synthau import subject_names
from actionunits.evaluation.flow_error import flow_errors, summarise
from actionunits.evaluation.protocols import evaluate_checkpoint, refuse_seen_subjects
from actionunits.files import write_atomically
from actionunits.reports.flow_grid import load_flow_model
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.weights.checkpoint_file import read_header

RESULTS = Path(__file__).parents[2] / "results" / "ofnet_longer.csv"


def log_rows(folder: Path) -> list[dict[str, Any]]:
    """AUC on the validation people after so many pictures, all stages of the run together."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    batch_size = json.loads((folder / "run.json").read_text())["config"]["batch_size"]
    last = {line["stage_number"]: line["step"] for line in lines}
    return [
        {
            "measure": f"validation_auc_{line['stage']}",
            "pictures": batch_size * (line["step"] + sum(last[k] for k in range(line["stage_number"]))),
            "value": line["validation"]["auc"],
        }
        for line in lines
        if "validation" in line
    ]


def score_rows(checkpoint: Path, data: Path) -> list[dict[str, Any]]:
    """Scores on new people, with intervals over them."""
    result, _ = evaluate_checkpoint(checkpoint, [data])
    return [
        {
            "measure": name,
            "people": result.subjects,
            "frames": result.frames,
            "value": result.means[name],
            "low": result.intervals[name][0],
            "high": result.intervals[name][1],
        }
        for name in ("auc", "f1")
    ]


def flow_rows(checkpoint: Path, folder: Path) -> list[dict[str, Any]]:
    """End-point errors relative to no motion, with intervals over people."""
    refuse_seen_subjects(read_header(checkpoint), subject_names(folder), str(checkpoint))
    model = load_flow_model(checkpoint)
    errors = flow_errors(folder, {NONE: no_motion, "model": model.flow}, model.config.image_size)
    table = summarise(errors, NONE)
    return [
        {
            "measure": f"flow_{row.area}",
            "people": row.people,
            "frames": row.frames,
            "value": row.ratio,
            "low": row.ratio_low,
            "high": row.ratio_high,
        }
        for row in table[table["method"] == "model"].itertuples()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of runs of train ofnet")
    parser.add_argument("--data", type=Path, required=True, help="prepared renders of other people")
    parser.add_argument("--flow", type=Path, required=True, help="renders of other people with their true motion")
    arguments = parser.parse_args()
    rows = []
    for checkpoint in sorted(arguments.runs.glob(f"*/{CHECKPOINT_FILE}")):
        header = read_header(checkpoint)
        about = {"run": checkpoint.parent.name, "trained_on": header["data"]["training_frames"]}
        found = log_rows(checkpoint.parent) + score_rows(checkpoint, arguments.data)
        found += flow_rows(checkpoint, arguments.flow)
        rows += [about | row | {"seed": header["seed"], "commit": header["commit"]} for row in found]
    counts = {"pictures": "Int64", "people": "Int64", "frames": "Int64"}
    table = pd.DataFrame(rows).astype(counts)
    print(table.to_string(index=False, float_format="%.3f"))
    with write_atomically(RESULTS) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    main()
