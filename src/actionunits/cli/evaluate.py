"""Commands that score outputs: `evaluate` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actionunits.cli.options import LARGEST_BATCH, LARGEST_COUNT, LARGEST_SEED, CheckpointArgument, DeviceOption
from actionunits.errors import UserError


def evaluate(
    checkpoint: CheckpointArgument,
    data: Annotated[
        str | None, typer.Option(help="Test data, of people not trained on: one folder, or several with commas.")
    ] = None,
    faces: Annotated[
        Path | None, typer.Option(help="Photographs coded by eye instead: a folder with labels.csv and pictures.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Results table to write or extend (CSV).")] = None,
    every: Annotated[int, typer.Option(min=1, max=LARGEST_COUNT, help="Use each n-th frame of every clip.")] = 1,
    batch_size: Annotated[
        int, typer.Option(min=1, max=LARGEST_BATCH, help="Crops that pass the model at once.")
    ] = 128,
    device: DeviceOption = "auto",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for registered crops, when the data's own is read-only.")
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Measure each clip from its person's resting face, as detect does."),
    ] = False,
    over_time: Annotated[
        str | None, typer.Option(help="Read every clip over time: average, minimum (running), calibrated or so-far.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Also write labels and outputs of every frame (Parquet), for `compare`.")
    ] = None,
) -> None:
    """Score a checkpoint per action unit on data of known action units, or on photographs coded by eye.

    Refuses data whose people the checkpoint was trained or tuned on.
    """
    if (data is None) == (faces is None):
        raise UserError("give either --data, prepared or rendered frames, or --faces, photographs coded by eye")
    if faces is not None:
        _evaluate_faces(checkpoint, faces, out, device)
        return
    assert data is not None
    from rich.console import Console

    from actionunits.datasets.crops.load import split_paths
    from actionunits.evaluation.protocols import evaluate_checkpoint, refuse_outputs, run_name, write_results
    from actionunits.evaluation.result_rows import is_rendered
    from actionunits.reports.scores import evaluation_table

    folders = split_paths(data)
    refuse_outputs(out, predictions)
    if calibrate and over_time not in (None, "calibrated"):
        raise UserError("--calibrate is --over-time calibrated; give one of them")
    reading = "calibrated" if calibrate else over_time
    result, header = evaluate_checkpoint(
        checkpoint,
        folders,
        every=every,
        batch_size=batch_size,
        device=device,
        cache=cache,
        progress=True,
        predictions_file=predictions,
        over_time=reading,
    )
    run = run_name(checkpoint) + (f", {reading}" if reading else "")
    if out is not None:
        write_results(out, result, run, header)
    console = Console()
    console.print(evaluation_table(result, run, console.width))
    if is_rendered(folders):
        typer.echo("The pictures are renders of people who do not exist.")
    for path in (out, predictions):
        if path is not None:
            typer.echo(f"written to {path}")


def _evaluate_faces(checkpoint: str, folder: Path, out: Path | None, device: str) -> None:
    """Score a checkpoint, and the other programs whose answers are in the folder, on faces coded by eye."""
    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress

    from actionunits.detection.coded_faces import answers_for
    from actionunits.detection.detector import Detector
    from actionunits.evaluation.coded_faces import FACE_COLUMNS, read_coded_faces, read_rivals, score_answers
    from actionunits.evaluation.protocols import merge_rows, refuse_other_table, run_name
    from actionunits.reports.scores import coded_faces_table

    if out is not None:
        refuse_other_table(out, FACE_COLUMNS)
    coded = read_coded_faces(folder)
    rivals = read_rivals(folder, coded)
    detector = Detector(weights=checkpoint, device=device)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Reading faces", total=len(coded.ids))
        ours = answers_for(
            detector,
            coded.pictures,
            coded.aus,
            run_name(checkpoint),
            lambda done, _: bar.update(task, completed=done),
        )
    scores = pd.concat([score_answers(coded, answers) for answers in (ours, *rivals)], ignore_index=True)
    Console().print(coded_faces_table(coded, scores))
    if out is not None:
        merge_rows(out, scores, ("data", "reader"))
        typer.echo(f"written to {out}")


def compare(
    first: Annotated[
        str,
        typer.Argument(help="Outputs of one model, from evaluate ... --predictions; of several seeds with commas."),
    ],
    second: Annotated[str, typer.Argument(help="Outputs of another model on the same frames, likewise.")],
    metric: Annotated[
        str, typer.Option(help="f1, f1_event, auc, icc, mae, or several with commas; by default all there are.")
    ] = "",
    unit: Annotated[str, typer.Option(help="What the signs are flipped of: subject or fold.")] = "subject",
    replicates: Annotated[int, typer.Option(min=100, max=LARGEST_COUNT, help="Bootstrap draws of subjects.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Table to write (CSV).")] = None,
) -> None:
    """Tell whether two models differ on the same frames: differences with intervals, and two paired tests."""
    from rich.console import Console

    from actionunits.datasets.crops.load import split_paths
    from actionunits.evaluation.compare import compare_files, write_comparison
    from actionunits.reports.scores import comparison_tables

    result = compare_files(split_paths(first), split_paths(second), metric, unit, replicates, seed)
    if out is not None:
        write_comparison(out, result)
    Console().print(comparison_tables(result))
    if out is not None:
        typer.echo(f"written to {out}")
