"""The commands `train` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from actionunits.cli.options import (
    LARGEST_COUNT,
    MINUTES,
    AcceleratorOption,
    CheckpointArgument,
    ConfigOption,
    ImagenetOption,
    SetOption,
)


def train(
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
    stored_type: Annotated[
        str, typer.Option(help="float32, float16 for half the file size, int8 for less.")
    ] = "float32",
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
    from actionunits.cli.console import videos_prepared
    from actionunits.datasets.crops.load import split_paths
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


def export(
    checkpoint: CheckpointArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File with everything in it, .onnx, for other programs.")
    ] = None,
    graph_format: Annotated[Literal["onnx"], typer.Option("--format", help="onnx, the only one.")] = "onnx",
) -> None:
    """Write a checkpoint's model as an ONNX graph, which runs without torch.

    With --out the file also holds the weights, and what a program needs to know in its metadata. Without, the graph
    comes beside the checkpoint, as .onnx and without weights, and detection runs the checkpoint from it: keep both
    files together, and export again after another training.
    """
    from actionunits.detection.export import export_file, export_graph
    from actionunits.weights.locate import find_weights

    weights = find_weights(checkpoint)
    if out is None:
        out = export_graph(weights)
        typer.echo(f"{out}, {out.stat().st_size / 1000:.0f} kB")
        return
    graph = export_file(weights, out).graph
    for kind, entries in (("in", graph.input), ("out", graph.output)):
        for entry in entries:
            shape = " x ".join(d.dim_param or str(d.dim_value) for d in entry.type.tensor_type.shape.dim)
            typer.echo(f"{kind:4}{entry.name:14}{shape:24}{entry.doc_string}")
    typer.echo(f"{out}, {out.stat().st_size / 1e6:.1f} MB")
