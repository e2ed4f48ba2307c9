"""Options that several commands have, with one wording each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def picture_name(path: Path) -> Path:
    """The name of a picture to write: another suffix is refused before anything is computed."""
    from actionunits.reports.image_file import image_format

    image_format(path)
    return path


TestDataOption = Annotated[str, typer.Option(help="Test data: one folder, or several with commas.")]
ConfigOption = Annotated[Path | None, typer.Option(help="YAML file of settings, for instance from configs/.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="One setting, setting=value; may be repeated.")]
ImagenetOption = Annotated[
    Path | None,
    typer.Option(help="File of official ImageNet weights to start from: torchvision's VGG-19 or ResNet-18."),
]
AcceleratorOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")]
CheckpointArgument = Annotated[
    str, typer.Argument(help="Checkpoint file, or name of released weights such as resnet18.")
]
PictureOption = Annotated[
    Path, typer.Option("--out", "-o", help="Picture to write (.png or .jpg).", callback=picture_name)
]

# Of protocols: many trainings, one per fold.
FoldsOption = Annotated[str | None, typer.Option(help="published, or a number of folds.")]
FoldSeedsOption = Annotated[
    str, typer.Option("--fold-seeds", "--fold-seed", help="Seeds of the division; several with commas repeat it.")
]
ThresholdOption = Annotated[str, typer.Option(help="validation (chosen there for each fold) or 0.5.")]
FoldMinutesOption = Annotated[
    float | None, typer.Option(min=0.01, help="Time to train each fold; epochs still end it.")
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
