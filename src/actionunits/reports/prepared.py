"""What a reader found and what prepare kept, in a terminal: counts beside the published ones, problems, losses."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from actionunits.datasets.crops.prepare import Prepared
from actionunits.datasets.readers.recording import Inventory

SHOWN_PROBLEMS = 12


def print_inventory(inventory: Inventory, console: Console) -> None:
    """Counts beside the published ones, then the problems, one line each."""
    table = Table(title=f"{inventory.dataset}: what was found", title_justify="left")
    for name in ("", "found", "published"):
        table.add_column(name, justify="left" if not name else "right")
    for count in inventory.counts:
        published = "–" if count.published is None else f"{count.published:,}"
        differs = count.published is not None and count.published != count.found
        table.add_row(count.what, f"{count.found:,}", published, style="bold" if differs else None)
    console.print(table)
    if inventory.unverified:
        console.print("this layout is nowhere documented and was guessed: check labels before you trust them")
    for problem in inventory.problems[:SHOWN_PROBLEMS]:
        console.print(f"- {problem}", markup=False, highlight=False)
    more = len(inventory.problems) - SHOWN_PROBLEMS
    if more > 0:
        console.print(f"- and {more} more, all in dataset.json", highlight=False)


def print_prepared(prepared: Prepared, console: Console) -> None:
    """Frames kept and lost, and why."""
    lost = sum(prepared.lost.values())
    how = "read" if prepared.landmarks == "read" else "found in the pictures"
    before = "was complete before: " if prepared.was_complete else ""
    console.print(
        f"{prepared.folder} {before}{prepared.frames:,} frames, landmarks {how}; {lost:,} lost",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if prepared.anchors:
        told = ", ".join(f"{choice} {count:,}" for choice, count in prepared.anchors.items())
        console.print(f"  neutral references, by recording: {told}", markup=False, highlight=False)
    for reason, count in prepared.lost.items():
        console.print(f"  {count:,} {reason}", markup=False, highlight=False)
    if lost:
        console.print(f"  each is listed in {prepared.folder / 'lost.csv'}", markup=False, highlight=False)
