"""Options that several commands have, with one wording each, and numbers within their ranges."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from actionunits.errors import UserError

LARGEST_SEED = 2**32 - 1  # scikit-learn takes no larger one
LARGEST_COUNT = 1_000_000
LARGEST_BATCH = 65_536
_EMPTY_OPTION = re.compile(r"--[a-z-]+=")


def number_above(least: float, most: float) -> Callable[[float | None], float | None]:
    """Callback of an option that takes a number above `least` and up to `most`.

    Typer's own limits let nan pass.
    """

    def check(value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and least < value <= most):
            raise typer.BadParameter(f"{value:g} is not above {least:g} and at most {most:,.0f}")
        return value

    return check


def share(value: float) -> float:
    """Callback of an option that takes a number from 0 to 1."""
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{value:g} is not between 0 and 1")
    return value


def seconds(value: float) -> float:
    """Callback of an option that takes a time."""
    if not 0 <= value <= 1e9:
        raise typer.BadParameter(f"{value:g} is not a time in seconds from 0 on")
    return value


def refuse_empty_words(words: Sequence[str]) -> None:
    """Raises UserError where an argument or the value of an option is empty, as an unset variable of a script is."""
    for before, word in zip(["", *words], words, strict=False):
        if not word.strip():
            raise UserError(
                f"there is an empty word{f' after {before}' if before else ''}; name something or leave it out"
            )
        if _EMPTY_OPTION.fullmatch(word):
            raise UserError(f"{word} names nothing; give it a value or leave it out")


def picture_name(path: Path) -> Path:
    """The name of a picture to write: another suffix is refused before anything is computed."""
    from actionunits.reports.image_file import image_format

    image_format(path)
    return path


def figure_name(path: Path) -> Path:
    """The name of a figure to write, as `picture_name`."""
    from actionunits.reports.image_file import figure_format

    figure_format(path)
    return path


def figure_ending(name: str) -> str:
    """Callback of an option that takes the ending of figures."""
    from actionunits.reports.image_file import ENDINGS

    if name not in ENDINGS:
        raise typer.BadParameter(f"{name} is not one of {', '.join(ENDINGS)}")
    return name


MINUTES = number_above(0, 1_000_000)
FRAME_RATE = number_above(0, 1000)
TestDataOption = Annotated[str, typer.Option(help="Test data: one folder, or several with commas.")]
ConfigOption = Annotated[
    Path | None, typer.Option(help="YAML file of settings, or the name of one of ours such as renet_small.")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="One setting, setting=value; may be repeated.")]
ImagenetOption = Annotated[
    Path | None,
    typer.Option(help="File of official ImageNet weights to start from: torchvision's VGG-19 or ResNet-18."),
]
AcceleratorOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, max=1024, help="Processes; all cores by default.")]
CheckpointArgument = Annotated[
    str, typer.Argument(help="Checkpoint file, or name of released weights such as resnet18.")
]
PictureOption = Annotated[
    Path, typer.Option("--out", "-o", help="Picture to write (.png or .jpg).", callback=picture_name)
]
FigureOption = Annotated[
    Path, typer.Option("--out", "-o", help="Figure to write (.png, .jpg, .svg or .pdf).", callback=figure_name)
]

# Of protocols: many trainings, one per fold.
FoldsOption = Annotated[str | None, typer.Option(help="published, or a number of folds.")]
FoldSeedsOption = Annotated[
    str, typer.Option("--fold-seeds", "--fold-seed", help="Seeds of the division; several with commas repeat it.")
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", help="Seeds of training, such as 0,1,2: everything is trained with each.")
]
ThresholdOption = Annotated[str, typer.Option(help="validation (chosen there for each fold) or 0.5.")]
FoldMinutesOption = Annotated[
    float | None, typer.Option(callback=MINUTES, help="Time to train each fold; epochs still end it.")
]
FoldInitOption = Annotated[
    str | None,
    typer.Option(
        help="Weights that every fold starts from, or folder of another run, from whose own fold each starts."
    ),
]
FoldTeacherOption = Annotated[
    str | None,
    typer.Option(help="Weights, or folder of a run of the same folds, to learn from beside the labels (resnet18)."),
]
ResultsOption = Annotated[Path | None, typer.Option(help="Results table to write or extend (CSV).")]
