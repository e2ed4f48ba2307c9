"""Commands that train and test whole protocols: `crossval` and `reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actionunits.cli.options import (
    LARGEST_COUNT,
    AcceleratorOption,
    ConfigOption,
    FoldInitOption,
    FoldMinutesOption,
    FoldSeedsOption,
    FoldsOption,
    FoldTeacherOption,
    ImagenetOption,
    ResultsOption,
    SeedsOption,
    SetOption,
    TestDataOption,
    ThresholdOption,
)


def crossval(
    model: Annotated[str, typer.Argument(help="Model to train, for instance resnet18.")],
    data: Annotated[
        str,
        typer.Option(
            help="One folder, or several with commas; across data sets the last one is tested, the others trained on."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of this protocol; a started one is continued.")],
    protocol: Annotated[
        str, typer.Option(help="folds, own-split, leave-one-data-set-out, cross, finetune, regression, probe or svm.")
    ] = "folds",
    folds: FoldsOption = None,
    fold_seeds: FoldSeedsOption = "0",
    threshold: ThresholdOption = "validation",
    config: ConfigOption = None,
    assignments: SetOption = None,
    minutes: FoldMinutesOption = None,
    imagenet: ImagenetOption = None,
    init: FoldInitOption = None,
    teacher: FoldTeacherOption = None,
    seeds: SeedsOption = None,
    results: ResultsOption = None,
    accelerator: AcceleratorOption = "auto",
) -> None:
    """Train and test a model on folds of people, or across data sets; everyone tested on is new to the model.

    An interrupted run goes on where it stopped when the same command is given again.
    """
    from rich.console import Console

    from actionunits.cli.console import told_when_interrupted
    from actionunits.datasets.crops.load import split_paths
    from actionunits.evaluation.crossval import find_start
    from actionunits.evaluation.reproduction import answer
    from actionunits.evaluation.result_rows import Request, parse_seeds
    from actionunits.reports.reproduction import provenance, render_sections, scores_sections
    from actionunits.reports.seeds import seeds_sections

    request = Request(
        data=tuple(split_paths(data)),
        out=out,
        models=(model,),
        folds=folds,
        fold_seeds=parse_seeds(fold_seeds),
        seeds=parse_seeds(seeds) if seeds else (),
        threshold=threshold,
        results=results,
        minutes=minutes,
        init=find_start(init) if init else None,
        assignments=tuple(assignments or ()),
        accelerator=accelerator,
        imagenet=imagenet,
        teacher=find_start(teacher) if teacher else None,
    )
    with told_when_interrupted():
        found = answer(protocol, request, config, progress=True)
    console = Console()
    for rows in found:
        console.print(render_sections(scores_sections(rows)))
        console.print(provenance(rows), highlight=False)
    console.print(render_sections(seeds_sections(found)))
    typer.echo(f"written to {out}")


def probe(
    checkpoint: Annotated[
        str, typer.Argument(help="A representation, from `train tcae`, or weights of the --backbone.")
    ],
    data: Annotated[str, typer.Option(help="Data of known action units: one folder, or several with commas.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of this probe; a started one is continued.")],
    backbone: Annotated[
        str | None, typer.Option(help="Probe a frozen resnet18 or vgg19 that CHECKPOINT gives the weights of.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="Shares of the labels that are used, one after the other, such as 0.01,0.1,1.")
    ] = "1",
    protocol: Annotated[str, typer.Option(help="folds or own-split.")] = "folds",
    folds: FoldsOption = None,
    fold_seeds: FoldSeedsOption = "0",
    threshold: ThresholdOption = "validation",
    every: Annotated[
        int, typer.Option(min=1, max=LARGEST_COUNT, help="Train on each n-th frame of a recording.")
    ] = 1,
    results: ResultsOption = None,
    accelerator: AcceleratorOption = "auto",
) -> None:
    """Fit a linear layer on a frozen representation to labelled people, and test it on others (TCAE, Sec. 4.1).

    Each fold leaves a checkpoint that `detect` reads. An interrupted run goes on when the command is repeated.
    """
    from rich.console import Console

    from actionunits.cli.console import told_when_interrupted
    from actionunits.datasets.crops.load import split_paths
    from actionunits.evaluation.probe import backbone_checkpoint, parse_shares
    from actionunits.evaluation.probe import probe as run_probe
    from actionunits.evaluation.result_rows import Request, parse_seeds
    from actionunits.reports.reproduction import provenance, render_sections, scores_sections
    from actionunits.weights.locate import find_weights

    request = Request(
        data=tuple(split_paths(data)),
        out=out,
        folds=folds,
        fold_seeds=parse_seeds(fold_seeds),
        threshold=threshold,
        results=results,
        init=backbone_checkpoint(backbone, checkpoint, out) if backbone else find_weights(checkpoint),
        accelerator=accelerator,
    )
    with told_when_interrupted():
        rows = run_probe(protocol, request, parse_shares(labels), every, progress=True)
    console = Console()
    for _, of_share in rows.groupby("division", sort=False):
        console.print(render_sections(scores_sections(of_share)))
        console.print(provenance(of_share), highlight=False)
    typer.echo(f"written to {out}")


def reproduce(
    table: Annotated[str, typer.Argument(help="Key of a published table, for instance renet-table1.")],
    data: TestDataOption,
    train_data: Annotated[str | None, typer.Option(help="Training data, for tables across data sets.")] = None,
    registered: Annotated[
        str | None, typer.Option(help="The same data with registered faces, for the table that compares both.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model than the table's own; several with commas.")
    ] = None,
    scale: Annotated[str, typer.Option(help="paper (its settings) or small (minutes, to try the chain).")] = "paper",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; a started one is continued. Else out/TABLE.")
    ] = None,
    assignments: SetOption = None,
    folds: FoldsOption = None,
    fold_seeds: FoldSeedsOption = "0",
    threshold: ThresholdOption = "validation",
    imagenet: ImagenetOption = None,
    init: FoldInitOption = None,
    teacher: FoldTeacherOption = None,
    seeds: SeedsOption = None,
    results: ResultsOption = None,
    minutes: FoldMinutesOption = None,
    accelerator: AcceleratorOption = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show rows, folds, settings and time of the plan; train nothing.")
    ] = False,
) -> None:
    """Train and test a published table's folds, and show the paper's numbers and ours side by side.

    An interrupted run goes on where it stopped when the same command is given again; finished folds are kept.
    """
    from rich.console import Console

    from actionunits.cli.console import told_when_interrupted
    from actionunits.datasets.crops.load import split_paths
    from actionunits.evaluation.crossval import find_start
    from actionunits.evaluation.published import table as published_table
    from actionunits.evaluation.rates import is_of_rates, refuse_training_options
    from actionunits.evaluation.reproduction import reproduce as reproduce_table
    from actionunits.evaluation.result_rows import Request, parse_seeds
    from actionunits.reports.plan import plan_lines
    from actionunits.reports.rates import rates_of
    from actionunits.reports.reproduction import render, render_sections, write_markdown, write_page
    from actionunits.reports.seeds import seeds_sections

    console, published, folders = Console(), published_table(table), tuple(split_paths(data))
    out = out or Path("out") / table
    if is_of_rates(published):
        training = {"--train-data": train_data, "--model": model, "--folds": folds, "--minutes": minutes}
        starts = {"--init": init, "--imagenet": imagenet, "--teacher": teacher}
        refuse_training_options(published, training | starts | {"--results": results, "--set": assignments})
        rates = rates_of(published, folders)
        console.print(rates.to_terminal())
        typer.echo(f"written to {write_page(out / f'{table}.md', rates.to_markdown())}")
        return
    request = Request(
        data=folders,
        out=out,
        train_data=tuple(split_paths(train_data)) if train_data else (),
        registered=tuple(split_paths(registered)) if registered else (),
        models=tuple(name.strip() for name in model.split(",")) if model else (),
        scale=scale,
        folds=folds,
        fold_seeds=parse_seeds(fold_seeds),
        seeds=parse_seeds(seeds) if seeds else (),
        threshold=threshold,
        results=results,
        minutes=minutes,
        init=find_start(init) if init else None,
        assignments=tuple(assignments or ()),
        accelerator=accelerator,
        imagenet=imagenet,
        teacher=find_start(teacher) if teacher else None,
    )
    if dry_run:
        console.print("\n".join(plan_lines(table, request)), highlight=False, markup=False, soft_wrap=True)
        return
    with told_when_interrupted():
        found = reproduce_table(table, request, progress=True)
    for reproduction in found:
        console.print(render(reproduction, console.width))
    console.print(render_sections(seeds_sections([item.rows for item in found])))
    typer.echo(f"written to {write_markdown(request.out / f'{table}.md', found)} and {request.out / 'results.csv'}")
