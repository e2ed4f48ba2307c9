"""The command `detect`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from actionunits.cli.options import (
    FRAME_RATE,
    LARGEST_BATCH,
    LARGEST_COUNT,
    DeviceOption,
    figure_ending,
    number_above,
    seconds,
    share,
)
from actionunits.errors import UserError


def detect(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Photos, videos, folders, quoted patterns such as 'day1/*.jpg', tables with a column 'input', in "
            "any mixture; webcam:0, or - for standard input."
        ),
    ],
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Folders in folders too; results lie in folders of the same names."),
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results, or one .csv or .parquet file.")
    ] = Path(),
    table_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, parquet, or dataset: one Parquet data set with a partition for each input. csv by default, "
            "and dataset on a cluster.",
        ),
    ] = None,
    schema: Annotated[str, typer.Option(help="Columns: openface, pyfeat or tidy.")] = "openface",
    pose: Annotated[bool, typer.Option(help="Columns of head position and rotation.")] = True,
    landmarks: Annotated[bool, typer.Option(help="Columns of the 68 landmarks.")] = True,
    annotate: Annotated[bool, typer.Option("--annotate", help="Also write the annotated picture or video.")] = False,
    show: Annotated[
        str | None, typer.Option(help="flow: annotate, with the motion from the neutral face that ofnet estimates.")
    ] = None,
    sides: Annotated[
        bool, typer.Option("--sides", help="Also the intensities of the person's own left and right.")
    ] = False,
    gaze: Annotated[bool, typer.Option("--gaze", help="Also columns of where the eyes look.")] = False,
    eyes_closed: Annotated[
        bool, typer.Option("--eyes-closed", help="Also AU43: eyes that stay closed for more than half a second.")
    ] = False,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also draw the action units over time.")] = False,
    timeline_format: Annotated[
        str, typer.Option(callback=figure_ending, help="Timelines as png, jpg, svg or pdf.")
    ] = "png",
    summary: Annotated[
        bool | None,
        typer.Option(help="Also summary.csv and episodes.csv over all inputs; by default where there are several."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Also report.html about all inputs, to be looked at and printed.")
    ] = False,
    relations: Annotated[
        bool,
        typer.Option(
            "--relations",
            help="Also cooccurrence.csv, of action units in a person, and synchrony.csv, of people in a video.",
        ),
    ] = False,
    same_people: Annotated[
        bool,
        typer.Option(
            "--same-people",
            help="One number for a person over a whole video, and over all inputs (people.csv), from the face.",
        ),
    ] = False,
    elan: Annotated[
        bool, typer.Option("--elan", help="Also the episodes of each video as tiers of an ELAN document (.eaf).")
    ] = False,
    aus: Annotated[str | None, typer.Option(help="Only these action units, such as 1,2,12.")] = None,
    neutral: Annotated[
        str | None,
        typer.Option(
            help="Measure from this neutral face: frame number from 1, times (3.2s or 3.2s,40s), a picture, or a "
            ".csv with columns video and time."
        ),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure from each person's own resting face in the video.")
    ] = False,
    smooth: Annotated[
        float | None,
        typer.Option(callback=number_above(0, 3600), help="Smooth over time with this time constant, in seconds."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(callback=FRAME_RATE, help="The pictures of a folder are a sequence with this many per second."),
    ] = None,
    start: Annotated[float, typer.Option(callback=seconds, help="Begin each video at this time, in seconds.")] = 0.0,
    end: Annotated[
        float | None, typer.Option(callback=number_above(0, 1e9), help="Stop in each video before this time.")
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, max=LARGEST_COUNT, help="Analyse each n-th frame, or picture of a folder.")
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=1024,
            help="Inputs analysed at once, each in a process; on a cluster one per core.",
        ),
    ] = None,
    on: Annotated[str | None, typer.Option(help="ray: analyse on a Ray cluster.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only this share of the inputs, such as 2/8, for one of several machines.")
    ] = None,
    skip_done: Annotated[
        bool, typer.Option("--skip-done", help="Leave what an earlier run with the same options has finished.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Name of a model with released weights.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint file to use instead.")] = None,
    landmarker: Annotated[
        Path | None, typer.Option(help="MediaPipe's face_landmarker.task, in place of the bundled network.")
    ] = None,
    max_faces: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_COUNT, help="Only the largest faces, at most this many.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(callback=share, help="Leave out faces found with less confidence.")
    ] = 0.5,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int, typer.Option(min=1, max=LARGEST_BATCH, help="Faces that pass the model at once in videos.")
    ] = 8,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Open addresses such as rtsp://camera/stream.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Find faces and write their action units, frame by frame, to a table with a run card beside it.

    Exit codes: 0 done; 2 an input, option or file cannot be used; 3 an input is damaged, the table holds
    what could be read; 130 interrupted, the table holds the frames so far.
    """
    from actionunits.aus import parse_aus
    from actionunits.cli.console import detect_inputs
    from actionunits.detection.detector import Detector
    from actionunits.detection.inputs import find_inputs, shard_of
    from actionunits.detection.neutral_table import is_table, with_moments
    from actionunits.detection.options import AnalysisOptions
    from actionunits.detection.output_files import DATASET
    from actionunits.detection.run import CLUSTERS, Run
    from actionunits.media import FrameChoice

    if show not in (None, "flow"):
        raise UserError(f"--show {show}: the one thing to show besides is flow")
    frames = FrameChoice(start, end, every)
    annotate = annotate or show is not None
    if on not in (None, *CLUSTERS):
        raise UserError(f"--on {on}: choose {', '.join(CLUSTERS)}, or leave it out for this machine")
    if report and shard is not None:
        raise UserError("--report is about all inputs; leave it out with --shard")
    table_format = table_format or ("csv" if on is None else DATASET)
    found = find_inputs(inputs, out, table_format, recursive, allow_network)
    summary = len(found) > 1 or report or relations if summary is None else summary
    if (report or relations) and not summary:
        raise UserError(f"{'--report' if report else '--relations'} goes with the summary; leave --no-summary out")
    options = AnalysisOptions(
        schema=schema,
        pose=pose,
        landmarks=landmarks,
        all_openface_aus=aus is None,
        annotate=annotate,
        timeline=timeline_format if timeline else None,
        neutral=neutral,
        calibrate=calibrate,
        fps=fps,
        allow_network=allow_network,
        sides=sides,
        episodes=summary,
        elan=elan,
        frames=frames,
        relations=relations,
        same_people=same_people,
        gaze=gaze,
        eyes_closed=eyes_closed,
    )
    if neutral is not None and is_table(neutral):
        found = with_moments(found, Path(neutral))
    chosen = None if aus is None else parse_aus(aus)
    make_detector = partial(
        Detector,
        model,
        weights,
        device,
        batch_size=batch_size,
        max_faces=max_faces,
        landmarker=landmarker,
        min_confidence=min_confidence,
        aus=chosen,
        smoothing_s=smooth,
        flow=show == "flow",
    )
    run = Run(make_detector, options, jobs, skip_done, on=on)
    todo = found if shard is None else shard_of(found, shard)
    raise typer.Exit(detect_inputs(run, todo, out, quiet, report, whole=shard is None))
