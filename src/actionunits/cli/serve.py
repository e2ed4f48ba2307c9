"""The command `serve`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from actionunits.cli.options import DeviceOption, number_above


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at. 0.0.0.0 lets others in the network in, with the token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes one that is free.")] = 8321,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name of this machine that browsers use; repeatable.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    model: Annotated[str | None, typer.Option(help="Name of a model with released weights.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint file to use instead.")] = None,
    device: DeviceOption = "auto",
    max_upload_mb: Annotated[int, typer.Option(min=1, max=1_000_000, help="Largest upload, in MB.")] = 1024,
    max_minutes: Annotated[
        float, typer.Option(callback=number_above(0, 100_000), help="Longest video, in minutes.")
    ] = 60.0,
    max_memory_mb: Annotated[
        int, typer.Option(min=512, max=1_000_000, help="Memory of the process behind an upload, in MB.")
    ] = 4096,
) -> None:
    """Open a page in the browser for photos, videos and the webcam, with an HTTP API behind it; Ctrl-C ends it.

    Everything stays on this computer. ACTIONUNITS_TOKEN sets the token of the address, else it is a new one.
    """
    from actionunits.web.limits import MEGABYTE, Limits
    from actionunits.web.serve import serve as serve_page

    limits = replace(
        Limits(),
        upload_bytes=max_upload_mb * MEGABYTE,
        disk_bytes=max(Limits.disk_bytes, 2 * max_upload_mb * MEGABYTE),
        duration_s=60 * max_minutes,
        memory_bytes=max_memory_mb * MEGABYTE,
    )
    detector = {"model": model, "weights": None if weights is None else str(weights.resolve()), "device": device}
    serve_page(detector, limits, host, port, allow_host or (), browser)
