"""Command line: parses options, calls the library, and turns a UserError into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from actionunits import cli_data, cli_protocols, cli_reports
from actionunits.cli_options import (
    FRAME_RATE,
    LARGEST_BATCH,
    LARGEST_COUNT,
    LARGEST_SEED,
    MINUTES,
    AcceleratorOption,
    CheckpointArgument,
    ConfigOption,
    DeviceOption,
    ImagenetOption,
    SetOption,
    number_above,
    refuse_empty_words,
    share,
)
from actionunits.errors import UserError, tell
from actionunits.processes import INTERRUPTED, fill_standard_streams, hear_sigterm_as_ctrl_c

app = typer.Typer(
    name="actionunits",
    help="Facial action units, with intensities, from photos, videos and webcams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def print_version(wanted: bool) -> None:
    if wanted:
        from actionunits import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def version_option(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=print_version),
    ] = False,
) -> None:
    pass


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
        float | None, typer.Option(callback=MINUTES, help="Time for all training; epochs still end it.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Crops per step, over all devices.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random numbers.")] = None,
    precision: Annotated[str, typer.Option(help="auto, 32, bf16 or 16 (mixed).")] = "auto",
    accelerator: AcceleratorOption = "auto",
    devices: Annotated[str, typer.Option(help="Number of devices of each machine, or a list such as 0,2.")] = "auto",
    num_nodes: Annotated[int, typer.Option(min=1, max=LARGEST_COUNT, help="Number of machines.")] = 1,
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

    A folder of videos is prepared first, in the cache folder; an interrupted run goes on there.
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
        typer.Argument(
            help="Photos, videos, folders, quoted patterns such as 'day1/*.jpg', webcam:0, or - for standard input."
        ),
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
        float | None,
        typer.Option(callback=number_above(0, 3600), help="Smooth over time with this time constant, in seconds."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(callback=FRAME_RATE, help="The pictures of a folder are a sequence with this many per second."),
    ] = None,
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
    from actionunits.analyse import AnalysisOptions, output_paths
    from actionunits.aus import parse_aus
    from actionunits.console import detect_inputs
    from actionunits.detect import Detector
    from actionunits.errors import UserError
    from actionunits.media import expand

    if show not in (None, "flow"):
        raise UserError(f"--show {show}: the one thing to show besides is flow")
    annotate = annotate or show is not None
    inputs = [single for named in inputs for single in expand(named)]
    paths = output_paths(inputs, out, table_format)
    options = AnalysisOptions(
        schema, pose, landmarks, aus is None, annotate, timeline, neutral, calibrate, fps, allow_network
    )
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
    every: Annotated[int, typer.Option(min=1, max=LARGEST_COUNT, help="Use each n-th frame of every clip.")] = 1,
    batch_size: Annotated[
        int, typer.Option(min=1, max=LARGEST_BATCH, help="Crops that pass the model at once.")
    ] = 128,
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
    from actionunits.evaluation.protocols import evaluate_checkpoint, refuse_outputs, run_name, write_results
    from actionunits.evaluation.reproduction import is_rendered
    from actionunits.reports.scores import evaluation_table

    folders = split_paths(data)
    refuse_outputs(out, predictions)
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
    replicates: Annotated[int, typer.Option(min=100, max=LARGEST_COUNT, help="Bootstrap draws of subjects.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the draws.")] = 0,
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


app.command()(cli_data.synth)
app.command()(cli_data.prepare)
app.add_typer(cli_data.data_app, name="data")
app.add_typer(cli_reports.app, name="report")
app.command()(cli_reports.transfer)
app.command()(cli_reports.edit)
app.command()(cli_protocols.crossval)
app.command()(cli_protocols.probe)
app.command()(cli_protocols.reproduce)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `actionunits` command: exits with its code, after one line where something is wrong.

    arguments: the words after the command's name, by default those it was started with.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    fill_standard_streams()
    hear_sigterm_as_ctrl_c()
    try:
        refuse_empty_words(words)
        code = app(words, prog_name="actionunits", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        print("actionunits: interrupted", file=sys.stderr)
        code = INTERRUPTED
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message())
            sys.exit(UserError.exit_code)
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "actionunits"
        code = tell(UserError(f"{error.format_message().rstrip('.')}; see {command} --help"))
    except Exception as error:
        code = tell(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
