"""Command line: parses options, calls the library, and turns what fails into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Annotated, Any

import typer

from actionunits.cli import data, detect, evaluate, protocols, reports, serve, train
from actionunits.cli.options import refuse_empty_words
from actionunits.errors import UserError, tell
from actionunits.runtime.processes import (
    INTERRUPTED,
    drop_unwritten_output,
    fill_standard_streams,
    hear_sigterm_as_ctrl_c,
)

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


app.command()(detect.detect)
app.command()(serve.serve)
app.command()(train.train)
app.command()(train.export)
app.command()(evaluate.evaluate)
app.command()(evaluate.compare)
app.command()(data.synth)
app.command()(data.prepare)
app.add_typer(data.app, name="data")
app.command()(protocols.crossval)
app.command()(protocols.probe)
app.command()(protocols.reproduce)
app.command()(reports.transfer)
app.command()(reports.edit)
app.add_typer(reports.app, name="report")


@cache
def _command(name: str) -> Any:
    """The command line with the command of this name alone, which is built in a fifth of the time; else with all."""
    part = copy(app)
    named = [command for command in app.registered_commands if command.callback.__name__ == name]  # type: ignore[union-attr]
    if named:
        part.registered_commands, part.registered_groups = named, []
    return typer.main.get_command(part)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `actionunits` command: exits with its code, after one line where something is wrong.

    arguments: the words after the command's name, by default those it was started with.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    fill_standard_streams()
    hear_sigterm_as_ctrl_c()
    try:
        refuse_empty_words(words)
        # Not `app(...)`, which turns Ctrl-C into an exit code without a word.
        command = _command(words[0] if words else "")
        with command.make_context("actionunits", words) as context:
            code = command.invoke(context)
    except typer.Exit as end:
        code = end.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("actionunits: interrupted", file=sys.stderr)
        code = INTERRUPTED
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message())
            sys.exit(UserError.exit_code)
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "actionunits"
        code = tell(UserError(f"{error.format_message().rstrip('.')}; see {path} --help"))
    except Exception as error:
        code = tell(error)
    drop_unwritten_output()
    sys.exit(code)
