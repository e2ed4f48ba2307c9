"""Command line: parses options, calls the library, and turns a UserError into one line and an exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from actionunits import cli_protocols, cli_reports
from actionunits.cli_options import (
    AcceleratorOption,
    CheckpointArgument,
    ConfigOption,
    DeviceOption,
    ImagenetOption,
    SetOption,
    WorkersOption,
)
from actionunits.errors import UserError

app = typer.Typer(
    name="actionunits",
    help="Facial action units, with intensities, from photos, videos and webcams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def version_option(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        from actionunits import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command("train")
def train_command(
    model: Annotated[str, typer.Argument(help="Model to train, for instance resnet18.")],
    data: Annotated[str, typer.Option(help="Training data: one folder, or several with commas.")],
    out: Annotated[Path, typer.Option(help="Folder of this run: state, log and model.safetensors.")],
    valid: Annotated[
        str | None,
        typer.Option(help="Validation data, of other people, likewise; else a fifth of the people is held out."),
    ] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Time for all training; epochs still end it.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Crops per step, over all devices.")] = None,
    lr: Annotated[float | None, typer.Option(min=0, help="Peak learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random numbers.")] = None,
    precision: Annotated[str, typer.Option(help="auto, 32, bf16 or 16 (mixed).")] = "auto",
    accelerator: AcceleratorOption = "auto",
    devices: Annotated[str, typer.Option(help="Number of devices of each machine, or a list such as 0,2.")] = "auto",
    num_nodes: Annotated[int, typer.Option(min=1, help="Number of machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="auto, ddp, or another of Lightning Fabric's.")] = "auto",
    stored_type: Annotated[str, typer.Option(help="float32, or float16 for half the file size.")] = "float32",
    init: Annotated[
        str | None, typer.Option(help="Released weights or a checkpoint to start from, such as resnet18.")
    ] = None,
    imagenet: ImagenetOption = None,
    teacher: Annotated[
        str | None, typer.Option(help="Weights whose outputs are learned beside the labels (resnet18).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the output folder.")] = False,
) -> None:
    """Train a model on data of known action units, or, one that learns from pairs of frames, on videos as they are.

    A folder of videos is prepared first, beside the weights that were downloaded; an interrupted run goes on there.
    """
    from actionunits.console import videos_prepared
    from actionunits.datasets.load import split_paths
    from actionunits.training import settings
    from actionunits.training.data import reads_pairs
    from actionunits.training.hardware import Hardware
    from actionunits.training.run import run_from_folders
    from actionunits.weights.locate import find_weights

    given = {"epochs": epochs, "max_minutes": max_minutes, "batch_size": batch_size, "lr": lr, "seed": seed}
    values = settings.read_config_file(config) if config else {}
    values |= settings.parse_assignments(assignments or []) | {k: v for k, v in given.items() if v is not None}
    chosen = settings.make_settings(model, values)
    folders = split_paths(data)
    if reads_pairs(chosen):
        folders = videos_prepared(folders, chosen.model.image_size, chosen.data.fps)
    finished = run_from_folders(
        model,
        chosen,
        folders,
        split_paths(valid) if valid else [],
        out,
        Hardware(precision, accelerator, devices, num_nodes, strategy),
        resume=resume,
        stored_type=stored_type,
        init=find_weights(init) if init else None,
        teacher=find_weights(teacher) if teacher else None,
        imagenet=imagenet,
    )
    if not finished:
        typer.echo(f"interrupted; the state is saved, continue with --resume --out {out}", err=True)
        raise typer.Exit(130)


@app.command()
def detect(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Photos, videos, folders of photos, quoted patterns such as 'day1/*.jpg', or webcam:0."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results, or one .csv or .parquet file.")
    ] = Path(),
    table_format: Annotated[str, typer.Option("--format", help="Table in a folder: csv or parquet.")] = "csv",
    schema: Annotated[str, typer.Option(help="Columns: openface, pyfeat or tidy.")] = "openface",
    pose: Annotated[bool, typer.Option(help="Columns of head position and rotation.")] = True,
    landmarks: Annotated[bool, typer.Option(help="Columns of the 68 landmarks.")] = True,
    annotate: Annotated[bool, typer.Option("--annotate", help="Also write the annotated picture or video.")] = False,
    show: Annotated[
        str | None, typer.Option(help="flow: annotate, with the motion from the neutral face that ofnet estimates.")
    ] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also draw the action units over time.")] = False,
    aus: Annotated[str | None, typer.Option(help="Only these action units, such as 1,2,12.")] = None,
    neutral: Annotated[
        str | None,
        typer.Option(help="Measure from this neutral face: frame number from 1, time (3.2s), or a picture."),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure from each person's own lower tenth over the video.")
    ] = False,
    smooth: Annotated[
        float | None, typer.Option(help="Smooth over time with this time constant, in seconds.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="The pictures of a folder are a sequence with this many per second.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of a model with released weights.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint file to use instead.")] = None,
    landmarker: Annotated[
        Path | None, typer.Option(help="MediaPipe's face_landmarker.task, in place of the bundled network.")
    ] = None,
    max_faces: Annotated[int | None, typer.Option(help="Only the largest faces, at most this many.")] = None,
    min_confidence: Annotated[float, typer.Option(help="Leave out faces found with less confidence.")] = 0.5,
    device: DeviceOption = "auto",
    batch_size: Annotated[int, typer.Option(help="Faces that pass the model at once in videos.")] = 8,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Find faces and write their action units, frame by frame, to a table with a run card beside it.

    Exit codes: 0 done; 2 an input, option or file cannot be used; 3 an input is damaged, the table holds
    what came before; 130 interrupted, the table holds the frames so far.
    """
    from actionunits.analyse import AnalysisOptions, output_paths
    from actionunits.aus import parse_aus
    from actionunits.console import detect_inputs
    from actionunits.detect import Detector
    from actionunits.errors import UserError

    if show not in (None, "flow"):
        raise UserError(f"--show {show}: the one thing to show besides is flow")
    annotate = annotate or show is not None
    paths = output_paths(inputs, out, table_format)
    options = AnalysisOptions(schema, pose, landmarks, aus is None, annotate, timeline, neutral, calibrate, fps)
    chosen = None if aus is None else parse_aus(aus)
    detector = Detector(
        model, weights, device, batch_size, max_faces, landmarker, min_confidence, chosen, smooth, flow=show == "flow"
    )
    raise typer.Exit(detect_inputs(detector, inputs, paths, options, quiet))


@app.command()
def evaluate(
    checkpoint: CheckpointArgument,
    data: Annotated[
        str, typer.Option(help="Test data, of people not trained on: one folder, or several with commas.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Results table to write or extend (CSV).")] = None,
    every: Annotated[int, typer.Option(min=1, help="Use each n-th frame of every clip.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Crops that pass the model at once.")] = 128,
    device: DeviceOption = "auto",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for registered crops, when the data's own is read-only.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Also write labels and outputs of every frame (Parquet), for `compare`.")
    ] = None,
) -> None:
    """Score a checkpoint per action unit on data of known action units.

    Refuses data whose people the checkpoint was trained or tuned on.
    """
    from rich.console import Console

    from actionunits.datasets.load import split_paths
    from actionunits.evaluation.protocols import evaluate_checkpoint, run_name, write_results
    from actionunits.evaluation.reproduction import is_rendered
    from actionunits.reports.scores import evaluation_table

    folders = split_paths(data)
    result, header = evaluate_checkpoint(
        checkpoint,
        folders,
        every=every,
        batch_size=batch_size,
        device=device,
        cache=cache,
        progress=True,
        predictions_file=predictions,
    )
    run = run_name(checkpoint)
    if out is not None:
        write_results(out, result, run, header)
    console = Console()
    console.print(evaluation_table(result, run, console.width))
    if is_rendered(folders):
        typer.echo("The pictures are renders of people who do not exist.")
    for path in (out, predictions):
        if path is not None:
            typer.echo(f"written to {path}")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Outputs of one model, from evaluate ... --predictions.")],
    second: Annotated[Path, typer.Argument(help="Outputs of another model on the same frames.")],
    metric: Annotated[str, typer.Option(help="f1, auc, icc, or several with commas; by default all there are.")] = "",
    unit: Annotated[str, typer.Option(help="What the signs are flipped of: subject or fold.")] = "subject",
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap draws of subjects.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Table to write (CSV).")] = None,
) -> None:
    """Tell whether two models differ on the same frames: differences with intervals, and two paired tests."""
    from rich.console import Console

    from actionunits.evaluation.compare import compare_files, write_comparison
    from actionunits.reports.scores import comparison_tables

    result = compare_files(first, second, metric, unit, replicates, seed)
    if out is not None:
        write_comparison(out, result)
    Console().print(comparison_tables(result))
    if out is not None:
        typer.echo(f"written to {out}")


@app.command()
def synth(
    facekit: Annotated[Path, typer.Option(help="Folder or .npz of ICT Face Model Light.")],
    out: Annotated[Path, typer.Option(help="Folder to write; a started one is continued.")],
    subjects: Annotated[int, typer.Option(help="People.")] = 27,
    clips: Annotated[
        int | None, typer.Option(help="Clips of each person; 2 by default, or as many as the layout has.")
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames of each clip.")] = 64,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 160,
    look: Annotated[
        str | None, typer.Option(help="studio (frontal, calm; the default) or wild (poses, clutter).")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Write the folder layout of bp4d, bp4d+, disfa, gft or voxceleb, in that data set's look."),
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 25.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    rates: Annotated[
        str, typer.Option(help="How often AUs act: published (as in the coded data sets) or balanced (for training).")
    ] = "published",
    flow: Annotated[
        bool, typer.Option("--flow", help="Also write the motion from every frame to the first.")
    ] = False,
    workers: WorkersOption = None,
) -> None:
    """Render labelled clips of people who do not exist: videos, and a table of exact labels."""
    from actionunits.console import frames_progress, told_when_interrupted
    from actionunits.synth.dataset import Plan, write_dataset
    from actionunits.synth.layouts import DEFAULT_CLIPS, find_layout
    from actionunits.synth.layouts.render import write_layout

    look = look or (find_layout(layout).look if layout else "studio")
    clips = (find_layout(layout).clips if layout else DEFAULT_CLIPS) if clips is None else clips
    plan = Plan(look, subjects, clips, frames, size, fps, seed, rates, flow)  # type: ignore[arg-type]
    with told_when_interrupted(), frames_progress("rendering") as on_progress:
        if layout:
            write_layout(facekit, out, layout, plan, workers=workers, on_progress=on_progress)
        else:
            write_dataset(facekit, out, plan, workers=workers, on_progress=on_progress)
    typer.echo(f"{subjects * clips} clips of {frames} frames in {out}")


@app.command()
def prepare(
    layout: Annotated[str, typer.Argument(help="bp4d, bp4d+, disfa, gft, voxceleb or videos.")],
    root: Annotated[Path, typer.Argument(help="Folder of the data set as it was delivered.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; a started one is continued.")],
    size: Annotated[
        int, typer.Option(help="Width of the network's crop in pixels; what is stored adds a margin.")
    ] = 112,
    landmarks: Annotated[str, typer.Option(help="auto (read where there are most), read or find.")] = "auto",
    align: Annotated[
        bool, typer.Option(help="Register faces; else cut out the square around the landmarks, without a turn.")
    ] = True,
    workers: WorkersOption = None,
    fps: Annotated[float | None, typer.Option(help="Of videos without labels: frames per second to keep.")] = None,
    level: Annotated[
        float | None, typer.Option(help="DISFA, GFT: intensity from which an action unit counts as present.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="DISFA: left, right or both.")] = None,
    keep_bad_frames: Annotated[
        bool, typer.Option("--keep-bad-frames", help="DISFA: keep frames whose landmarks are known to be bad.")
    ] = False,
    frame_offset: Annotated[
        int | None, typer.Option(help="BP4D+: number of a picture less that of its frame in the tables.")
    ] = None,
    picture_fps: Annotated[
        float | None, typer.Option(help="Of numbered pictures without labels: rate at which they were taken.")
    ] = None,
    subject_level: Annotated[
        int | None, typer.Option(help="Videos: which folder below ROOT names the person; else each is one person.")
    ] = None,
) -> None:
    """Find or read landmarks, register every face, and write crops with their labels.

    An interrupted run goes on where it stopped when the same command is given again.
    """
    from rich.console import Console

    from actionunits.console import frames_progress, told_when_interrupted
    from actionunits.datasets.layouts import find_layout
    from actionunits.datasets.prepare import check_request
    from actionunits.datasets.prepare import prepare as prepare_folder
    from actionunits.reports.prepared import print_inventory, print_prepared

    given = {"fps": fps, "occurrence_level": level, "camera": camera, "frame_offset": frame_offset}
    given |= {"keep_bad_landmarks": True if keep_bad_frames else None}
    given |= {"picture_fps": picture_fps, "subject_level": subject_level}
    options = {name: value for name, value in given.items() if value is not None}
    reader = find_layout(layout)
    check_request(root, out, size, landmarks)
    inventory = reader.read(root, landmarks, **options)
    console = Console()
    print_inventory(inventory, console)
    with told_when_interrupted(), frames_progress("preparing") as on_progress:
        prepared = prepare_folder(
            inventory,
            out,
            image_size=size,
            landmarks=landmarks,
            align=align,
            options=options,
            workers=workers,
            on_progress=on_progress,
        )
    print_prepared(prepared, console)


data_app = typer.Typer(help="Look at folders of data.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command("describe")
def describe_command(
    folder: Annotated[Path, typer.Argument(help="Prepared folder, or folder of renders.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the pictures.")] = None,
) -> None:
    """How often action units occur and which go together, who is in it, how long the sequences are."""
    from rich.console import Console

    from actionunits.reports.describe import describe, draw_description, print_description

    description = describe(folder)
    print_description(description, Console())
    if out is None:
        typer.echo("with --out FOLDER this is drawn as well")
        return
    for path in draw_description(description, out):
        typer.echo(f"written to {path}")


app.add_typer(cli_reports.app, name="report")
app.command()(cli_reports.transfer)
app.command()(cli_reports.edit)
app.command()(cli_protocols.crossval)
app.command()(cli_protocols.probe)
app.command()(cli_protocols.reproduce)


def main() -> None:
    """Entry point of the `actionunits` command."""
    try:
        app()
    except UserError as error:
        typer.echo(f"actionunits: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
