"""Command line: parses options, calls the library, and turns a UserError into one line and an exit code."""

from __future__ import annotations

import sys

import typer

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
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
) -> None:
    if version:
        from actionunits import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point of the `actionunits` command."""
    try:
        app()
    except UserError as error:
        typer.echo(f"actionunits: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("actionunits: interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
