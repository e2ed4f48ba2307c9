"""Commands about a trained model: pictures of what it holds, and an action unit more for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actionunits.cli.options import LARGEST_COUNT, LARGEST_SEED, CheckpointArgument, FigureOption, PictureOption

app = typer.Typer(help="Draw what a trained model holds.", no_args_is_help=True)


@app.command()
def tsne(
    checkpoint: CheckpointArgument,
    data: Annotated[str, typer.Option(help="Frames to lay out: one folder, or several with commas.")],
    out: FigureOption,
    aus: Annotated[str | None, typer.Option(help="Action units, such as 4,10,12,24 (the default).")] = None,
    frames: Annotated[
        int, typer.Option(min=10, max=LARGEST_COUNT, help="At most so many frames, spread evenly.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the layout.")] = 0,
    people: Annotated[bool, typer.Option("--people", help="One more panel, coloured by person.")] = False,
    hand_made: Annotated[
        bool, typer.Option("--hand-made", help="A column each for landmark shape, Gabor and HOG first.")
    ] = False,
) -> None:
    """Lay out frames by a model's features, coloured by action unit or person (RE-Net, hybrid network, Fig. 3)."""
    from actionunits.aus import parse_aus
    from actionunits.datasets.crops.load import split_paths
    from actionunits.reports.image_file import save_figure
    from actionunits.reports.tsne import embed, embedding_figure, lines
    from actionunits.weights.locate import find_weights

    chosen = parse_aus(aus) if aus else ()
    embedding = embed(find_weights(checkpoint), split_paths(data), chosen, frames, seed, hand_made)
    typer.echo("\n".join(lines(embedding)))
    typer.echo(f"written to {save_figure(embedding_figure(embedding, people), out)}")


@app.command()
def divergence(
    data: Annotated[str, typer.Option(help="Frames of two people or more: one folder, or several with commas.")],
    out: FigureOption,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="Model whose features are measured too; may be repeated.")
    ] = None,
    frames: Annotated[
        int, typer.Option(min=2, max=LARGEST_COUNT, help="At most so many frames, spread evenly.")
    ] = 2000,
) -> None:
    """Measure how much people differ in shape, Gabor, HOG and a model's features (hybrid network, Fig. 4)."""
    from actionunits.datasets.crops.load import split_paths
    from actionunits.reports.divergence import divergence_figure, lines, measure
    from actionunits.reports.image_file import save_figure
    from actionunits.weights.locate import find_weights

    found = measure([find_weights(name) for name in checkpoint or []], split_paths(data), frames)
    typer.echo("\n".join(lines(found)))
    typer.echo(f"written to {save_figure(divergence_figure(found), out)}")


@app.command()
def activation(
    checkpoint: CheckpointArgument,
    out: FigureOption,
    aus: Annotated[
        str | None, typer.Option(help="Action units, such as 4,12; all of the model unless given.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, max=LARGEST_COUNT, help="Steps of gradient ascent; the paper takes 10,000.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the first picture.")] = 0,
) -> None:
    """Draw the picture that each action unit of any model answers to most (hybrid network, Fig. 5)."""
    from actionunits.aus import parse_aus
    from actionunits.reports.activation import activation_figure, visualise
    from actionunits.reports.image_file import save_figure
    from actionunits.weights.locate import find_weights

    found = visualise(find_weights(checkpoint), parse_aus(aus) if aus else (), steps, seed, progress=True)
    typer.echo(f"written to {save_figure(activation_figure(found), out)}")


@app.command()
def filters(checkpoint: CheckpointArgument, out: FigureOption) -> None:
    """Draw the filters of the first convolution of any model (hybrid network, Fig. 2)."""
    from actionunits.reports.filters import filter_figure, first_filters
    from actionunits.reports.image_file import save_figure
    from actionunits.weights.locate import find_weights

    found = first_filters(find_weights(checkpoint))
    typer.echo(f"written to {save_figure(filter_figure(found), out)}")


@app.command()
def onsets(
    predictions: Annotated[
        list[Path], typer.Argument(help="Outputs per frame, as evaluate --predictions and crossval write them.")
    ],
    out: FigureOption,
    table: Annotated[Path | None, typer.Option(help="CSV file to write the numbers to.")] = None,
) -> None:
    """Tell how far off models are at the onsets and offsets of events, in frames."""
    from actionunits.reports.image_file import save_figure
    from actionunits.reports.onsets import onset_figure, onset_table, read_boundaries, write_onset_table

    found = read_boundaries(predictions)
    numbers = onset_table(found)
    if table is not None:
        write_onset_table(numbers, table)
    typer.echo(numbers.drop(columns="commit").to_string(index=False, float_format="{:.2f}".format))
    typer.echo(f"written to {save_figure(onset_figure(found), out)}")


@app.command()
def relations(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint file of a RE-Net.")],
    out: FigureOption,
) -> None:
    """Draw the relations that a RE-Net mixes its action units by, from labels or learned (RE-Net, Fig. 2)."""
    from actionunits.reports.image_file import save_figure
    from actionunits.reports.relations import model_relation_figure
    from actionunits.weights.locate import find_weights

    typer.echo(f"written to {save_figure(model_relation_figure(find_weights(checkpoint)), out)}")


@app.command()
def attention(
    picture: Annotated[str, typer.Argument(help="Photo, or video whose first face is taken.")],
    out: FigureOption,
    model: Annotated[str, typer.Option(help="Checkpoint file of an EAC-Net, or its released weights.")] = "eacnet",
    channels: Annotated[int, typer.Option(min=1, max=512, help="Feature maps to draw.")] = 16,
) -> None:
    """Draw where an EAC-Net looks in a face, and its feature maps without and with attention (EAC-Net, Fig. 3, 4)."""
    from actionunits.reports.attention import picture_attention
    from actionunits.reports.image_file import save_figure
    from actionunits.weights.locate import find_weights

    typer.echo(f"written to {save_figure(picture_attention(picture, find_weights(model), channels), out)}")


@app.command()
def flow(
    clip: Annotated[str, typer.Argument(help="Video, or folder of pictures in order, of one face.")],
    out: FigureOption,
    model: Annotated[
        str, typer.Option("--model", "--weights", help="Checkpoint file of an OF-Net, or its released weights.")
    ] = "ofnet",
    frames: Annotated[
        int, typer.Option(min=1, max=20, help="Frames to draw: the most moved of equal stretches.")
    ] = 4,
    anchor: Annotated[
        int | None,
        typer.Option(
            min=1, max=LARGEST_COUNT, help="Number of the neutral frame; the first with a face unless given."
        ),
    ] = None,
) -> None:
    """Draw frames beside their motion from a neutral one, computed from two frames and learned (OF-Net, Fig. 3)."""
    from actionunits.reports.flow_grid import clip_figure
    from actionunits.reports.image_file import save_figure
    from actionunits.weights.locate import find_weights

    typer.echo(f"written to {save_figure(clip_figure(clip, find_weights(model), frames, anchor), out)}")


@app.command()
def pairs(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint file of a TCAE.")],
    data: Annotated[str, typer.Option(help="Frames of people over time: one folder, or several with commas.")],
    out: FigureOption,
    rows: Annotated[int, typer.Option(min=1, max=20, help="Pairs of frames.")] = 4,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the choice.")] = 0,
) -> None:
    """Draw what a TCAE makes of pairs of frames: AU-changed and pose-changed faces, displacements (TCAE, Fig. 4)."""
    from actionunits.datasets.crops.load import split_paths
    from actionunits.reports.face_edit import pair_figure
    from actionunits.reports.image_file import save_figure
    from actionunits.weights.locate import find_weights

    figure = pair_figure(find_weights(checkpoint), split_paths(data), rows, seed)
    typer.echo(f"written to {save_figure(figure, out)}")


@app.command()
def displacements(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint file of a TCAE.")],
    data: Annotated[str, typer.Option(help="Frames of people over time: one folder, or several with commas.")],
    out: FigureOption,
    pairs: Annotated[int, typer.Option(min=1, max=LARGEST_COUNT, help="Pairs of frames.")] = 6400,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the choice.")] = 0,
) -> None:
    """Draw how far both movements of a TCAE go, as histograms, and tell the ratio of their means (TCAE, Fig. 5)."""
    from actionunits.datasets.crops.load import split_paths
    from actionunits.reports.displacements import displacement_lengths, length_histogram
    from actionunits.reports.image_file import save_figure
    from actionunits.weights.locate import find_weights

    lengths = displacement_lengths(find_weights(checkpoint), split_paths(data), pairs, seed)
    typer.echo(str(lengths))
    typer.echo(f"written to {save_figure(length_histogram(lengths), out)}")


def edit(
    source: Annotated[str, typer.Argument(help="Picture or video of the face to change.")],
    target: Annotated[str, typer.Argument(help="Picture or video of the same person with the other face or pose.")],
    keep: Annotated[str, typer.Option(help="pose: take the target's action units; aus: take its head pose.")],
    out: PictureOption,
    model: Annotated[str, typer.Option(help="Checkpoint file of a TCAE, or its released weights.")] = "tcae",
    size: Annotated[
        int, typer.Option(min=32, max=4096, help="Width of the picture, a registered crop, in pixels.")
    ] = 256,
) -> None:
    """Give a face the action units of another, or its head pose, by moving the source's pixels (TCAE, Sec. 4.3)."""
    from actionunits.reports.face_edit import edit_face
    from actionunits.weights.locate import find_weights

    edit_face(source, target, keep, find_weights(model), out, size)
    typer.echo(f"written to {out}")


def transfer(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint file of a RE-Net.")],
    au: Annotated[int, typer.Option(min=1, max=99, help="Number of the action unit that it shall learn to read.")],
    data: Annotated[str, typer.Option(help="Data whose labels relate it to the known ones; pictures are not read.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Checkpoint file to write.")],
) -> None:
    """Give a RE-Net one more action unit, from how its labels go with those of the known ones (RE-Net, Table 6)."""
    from actionunits.datasets.crops.load import split_paths
    from actionunits.training.new_au import add_au_to_checkpoint
    from actionunits.weights.locate import find_weights

    model = add_au_to_checkpoint(find_weights(checkpoint), au, split_paths(data), out)
    typer.echo(f"written to {out}: {len(model.aus)} action units")
