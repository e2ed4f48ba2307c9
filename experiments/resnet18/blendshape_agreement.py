"""How well detected intensities follow MediaPipe's blendshapes on a real video of one person.

    actionunits detect clip.mp4 --out out/clip.csv
    python experiments/resnet18/blendshape_agreement.py out/clip.csv clip.mp4

Prints Pearson r per action unit and their median, over the action units that move in the video.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from actionunits.errors import UserError
from actionunits.evaluation.blendshapes import agreement, median_r, read_blendshapes
from actionunits.runtime.provenance import source_commit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detections", type=Path, help="table written by `actionunits detect` (CSV)")
    parser.add_argument("video", type=Path, help="the video it is of")
    parser.add_argument("--out", type=Path, help="also write the table, as CSV")
    options = parser.parse_args()
    try:
        detections = pd.read_csv(options.detections)
        table = agreement(detections, read_blendshapes(options.video))
    except (UserError, OSError, pd.errors.ParserError) as error:
        print(f"blendshape_agreement: {error}", file=sys.stderr)
        return 2
    shown = table.round({"r": 2, "presence_r": 2, "spread": 3, "highest": 1})
    print(shown.to_string(index=False))
    moving = table[table["varies"]]
    print(f"{len(moving)} AUs vary: median r {median_r(table):.2f}, mean {moving['r'].mean():.2f}", end="")
    print(f"; of presence median {moving['presence_r'].median():.2f}, mean {moving['presence_r'].mean():.2f}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        table.assign(commit=source_commit()).to_csv(
            options.out, index=False, float_format="%.4f", lineterminator="\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
