"""Commands that make, prepare and describe data: `synth`, `prepare` and `data describe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actionunits.cli.options import FRAME_RATE, WorkersOption, figure_ending, number_above


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
    fps: Annotated[float, typer.Option(callback=FRAME_RATE, help="Frames per second.")] = 25.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    rates: Annotated[
        str,
        typer.Option(
            help="How often AUs act: published (as in the coded data sets), balanced (for training) or together "
            "(as often, and as much together, as in BP4D)."
        ),
    ] = "published",
    flow: Annotated[
        bool, typer.Option("--flow", help="Also write the motion from every frame to the first.")
    ] = False,
    assets: Annotated[
        Path | None,
        typer.Option(help="Folder of photographed skins, eyes and surroundings for most people and clips."),
    ] = None,
    begin: Annotated[
        str, typer.Option(help="Clips begin at rest (rest), or in the middle of what goes on (anywhere).")
    ] = "rest",
    workers: WorkersOption = None,
) -> None:
    """Render labelled clips of people who do not exist: videos, and a table of exact labels."""
    from actionunits.cli.console import frames_progress, told_when_interrupted
    from actionunits.synth.dataset import Plan, write_dataset
    from actionunits.synth.layouts import DEFAULT_CLIPS, find_layout
    from actionunits.synth.layouts.render import write_layout

    look = look or (find_layout(layout).look if layout else "studio")
    clips = (find_layout(layout).clips if layout else DEFAULT_CLIPS) if clips is None else clips
    plan = Plan(look, subjects, clips, frames, size, fps, seed, rates, flow, begin=begin)  # type: ignore[arg-type]
    with told_when_interrupted(), frames_progress("rendering") as on_progress:
        if layout:
            write_layout(facekit, out, layout, plan, assets=assets, workers=workers, on_progress=on_progress)
        else:
            write_dataset(facekit, out, plan, assets=assets, workers=workers, on_progress=on_progress)
    typer.echo(f"{subjects * clips} clips of {frames} frames in {out}")


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
    fps: Annotated[
        float | None, typer.Option(callback=FRAME_RATE, help="Of videos without labels: frames per second to keep.")
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            callback=number_above(0, 5), help="DISFA, GFT: intensity from which an action unit counts as present."
        ),
    ] = None,
    camera: Annotated[str | None, typer.Option(help="DISFA: left, right or both.")] = None,
    keep_bad_frames: Annotated[
        bool, typer.Option("--keep-bad-frames", help="DISFA: keep frames whose landmarks are known to be bad.")
    ] = False,
    frame_offset: Annotated[
        int | None,
        typer.Option(min=-1000, max=1000, help="BP4D+: number of a picture less that of its frame in the tables."),
    ] = None,
    picture_fps: Annotated[
        float | None,
        typer.Option(callback=FRAME_RATE, help="Of numbered pictures without labels: rate at which they were taken."),
    ] = None,
    subject_level: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="Videos: which folder below ROOT names the person; else each is one person."
        ),
    ] = None,
) -> None:
    """Find or read landmarks, register every face, and write crops with their labels.

    An interrupted run goes on where it stopped when the same command is given again.
    """
    from rich.console import Console

    from actionunits.cli.console import frames_progress, told_when_interrupted
    from actionunits.datasets.crops.prepare import check_request
    from actionunits.datasets.crops.prepare import prepare as prepare_folder
    from actionunits.datasets.readers.layouts import find_layout
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


app = typer.Typer(help="Look at folders of data.", no_args_is_help=True)


@app.command("describe")
def describe_command(
    folder: Annotated[Path, typer.Argument(help="Prepared folder, or folder of renders.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the pictures.")] = None,
    picture_format: Annotated[
        str, typer.Option("--format", callback=figure_ending, help="Pictures as png, jpg, svg or pdf.")
    ] = "png",
) -> None:
    """How often action units occur and which go together, who is in it, how long the sequences are."""
    from rich.console import Console

    from actionunits.reports.describe import describe, draw_description, print_description

    description = describe(folder)
    print_description(description, Console())
    if out is None:
        typer.echo("with --out FOLDER this is drawn as well")
        return
    for path in draw_description(description, out, picture_format):
        typer.echo(f"written to {path}")
