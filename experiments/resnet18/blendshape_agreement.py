"""How well detected intensities follow MediaPipe's blendshapes on real videos of one person each.

    actionunits detect clip.mp4 --out out/clip.csv
    python experiments/resnet18/blendshape_agreement.py out/clip.csv clip.mp4

    actionunits detect clips --out out/clips
    python experiments/resnet18/blendshape_agreement.py out/clips clips

Prints Pearson r per action unit and their median, over the action units that move in a video. Of a folder of videos,
the mean over the videos in which an action unit moves is printed, and the median over all pairs of both.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from actionunits.errors import UserError
from actionunits.evaluation.blendshapes import agreement, median_r, read_blendshapes
from actionunits.media.container import VIDEO_SUFFIXES
from actionunits.runtime.provenance import source_commit


def agreement_of(detections: Path, video: Path) -> pd.DataFrame:
    """The table of one video, or of all in a folder, whose tables of detections have their names."""
    if not video.is_dir():
        return agreement(pd.read_csv(detections), read_blendshapes(video))
    clips = sorted(path for path in video.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not clips:
        raise UserError(f"{video} has no videos")
    tables = (agreement_of(detections / f"{clip.stem}.csv", clip).assign(clip=clip.stem) for clip in clips)
    return pd.concat(tables, ignore_index=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detections", type=Path, help="table written by `actionunits detect` (CSV), or their folder")
    parser.add_argument("video", type=Path, help="the video it is of, or the folder of the videos")
    parser.add_argument("--out", type=Path, help="also write the table, as CSV")
    options = parser.parse_args()
    try:
        table = agreement_of(options.detections, options.video)
    except (UserError, OSError, pd.errors.ParserError) as error:
        print(f"blendshape_agreement: {error}", file=sys.stderr)
        return 2
    moving = table[table["varies"]]
    shown = table
    if "clip" in table:
        means = {"clips": ("clip", "size"), "r": ("r", "mean"), "presence_r": ("presence_r", "mean")}
        shown = moving.groupby("au", as_index=False).agg(**means)
    shown = shown.round({"r": 2, "presence_r": 2, "spread": 3, "highest": 1})
    print(shown.to_string(index=False))
    print(f"{len(moving)} AUs vary: median r {median_r(table):.3f}, mean {moving['r'].mean():.2f}", end="")
    print(f"; of presence median {moving['presence_r'].median():.2f}, mean {moving['presence_r'].mean():.2f}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        table.assign(commit=source_commit()).to_csv(
            options.out, index=False, float_format="%.4f", lineterminator="\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
