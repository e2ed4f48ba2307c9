"""One HTML file about a run: what was analysed, warnings first, timelines with their moments, tables, how to cite it.

Everything is in the file: it opens from a disk without a network, and prints.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from actionunits.aus import AUS, au_label
from actionunits.errors import one_line
from actionunits.files import write_atomically
from actionunits.reports.number_text import percent
from actionunits.reports.thumbnails import moments

LEAST_USABLE = 0.8  # of the frames of an input, without a warning
MOMENTS = 6  # thumbnails of an input
WIDTH, LANE, LEFT, RIGHT, FOOT = 900, 16, 170, 50, 22  # of a timeline, in pixels
FACTORS = ("rate", "mean", "mean_present", "maximum", "episodes", "mean_episode_s")
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; overflow-wrap: anywhere }
table { border-collapse: collapse; font-size: 13px } td, th { padding: 3px 9px; text-align: right }
th { cursor: pointer; border-bottom: 2px solid #888 } tr:nth-child(even) td { background: #f5f5f5 }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere }
.warnings { background: #fff4e0; border-left: 4px solid #d55e00; padding: .6em 1em }
figure { display: inline-block; margin: 4px 8px 4px 0; font-size: 12px } img { display: block; height: 110px }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif }
@media print { body { max-width: none; margin: 0 } section { break-inside: avoid } th { cursor: default } }
"""
# A click on a heading sorts its table: numbers as numbers, empty cells last.
_SCRIPT = """
document.querySelectorAll('th').forEach(th => th.onclick = () => {
  const body = th.closest('table').tBodies[0], at = th.cellIndex, up = th.dataset.up !== '1';
  const key = row => { const text = row.cells[at].textContent, n = parseFloat(text); return isNaN(n) ? text : n };
  const order = (a, b) => a === b ? 0 : a === '' ? 1 : b === '' ? -1 : (a < b ? -1 : 1) * (up ? 1 : -1);
  th.dataset.up = up ? '1' : '';
  [...body.rows].sort((a, b) => order(key(a), key(b))).forEach(row => body.append(row));
});
"""


def write_report(
    path: Path, cards: Sequence[Mapping[str, Any]], failures: Mapping[str, str], command: str | None = None
) -> None:
    """Write the report of a run from the run cards of its inputs.

    Each is called by its `name`, where a card has one, else by its `input`. failures: reason by input, of those that
    have no card. command: the words of the call. Raises UserError where the file cannot be written.
    """
    inputs = len(cards) + len(failures)
    parts = [
        f"<h1>Action units of {inputs} {'input' if inputs == 1 else 'inputs'}</h1>",
        "" if command is None else f"<p><code>{escape(one_line(command))}</code></p>",
        _warnings(cards, failures),
        _methods(cards),
        *(_section(card) for card in cards),
        _summary(cards),
    ]
    body = "\n".join(part for part in parts if part)
    head = f'<meta charset="utf-8"><title>Action units</title><style>{_STYLE}</style>'
    page = (
        f"<!doctype html>\n<html lang=en><head>{head}</head>\n<body>{body}<script>{_SCRIPT}</script></body></html>\n"
    )
    with write_atomically(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def warnings_of(card: Mapping[str, Any]) -> list[str]:
    """What a reader should know before he or she relies on the numbers of an input."""
    frames, usable = card["frames_written"], card["frames_usable"]
    told = [card["damage"]] if card["damage"] else []
    if card["interrupted"]:
        told.append("interrupted: only the frames so far were analysed")
    if not card["frames_with_face"]:
        told.append("no face was found")
    elif usable < LEAST_USABLE * frames:
        why = ", ".join(f"{word} {count}" for word, count in card["quality"].items())
        told.append(
            f"only {percent(usable / frames)} of {frames} frames can be used ({why or 'the others show no face'})"
        )
    if card["without_neutral_reference"]:
        people = ", ".join(map(str, card["without_neutral_reference"]))
        told.append(f"no neutral reference for face {people}: left as they are")
    return [*told, *card["notes"]]


def _warnings(cards: Iterable[Mapping[str, Any]], failures: Mapping[str, str]) -> str:
    # Most reasons begin with what they are of.
    reasons = {source: reason.removeprefix(f"{source}: ") for source, reason in failures.items()}
    lines = [f"<li><b>{_text(source)}</b>: {_text(reason)}" for source, reason in reasons.items()]
    lines += [f"<li><b>{_text(_name(card))}</b>: {_text(told)}" for card in cards for told in warnings_of(card)]
    if not lines:
        return "<p>Nothing to warn of.</p>"
    return f'<div class="warnings"><b>Before you rely on it</b><ul>{"".join(lines)}</ul></div>'


def _methods(cards: Sequence[Mapping[str, Any]]) -> str:
    """The sentence for a paper, of the first input; all have the same model."""
    if not cards:
        return ""
    card = cards[0]
    limits = ", ".join(f"{label} {value:.2f}" for label, value in card["thresholds"].items())
    reference = _reference(cards)
    from_what = f" Outputs were measured from {_text(reference)}." if reference else ""
    return (
        "<h2>Methods</h2><p>Action units were estimated frame by frame with actionunits "
        f"{_text(card['versions'].get('actionunits', ''))} (model {_text(card['model'])}, weights sha256 "
        f"<code>{card['weights_sha256'][:12]}</code>), which was trained on rendered faces. An action unit counts as "
        f"present where its probability is at least: {limits}.{from_what} Frames whose face was turned away, small, "
        "blurred, dark, cut off or found with little confidence were left out of all summaries.</p>"
    )


def _reference(cards: Sequence[Mapping[str, Any]]) -> str | None:
    """The neutral face that outputs are relative to, where there is one."""
    if cards[0]["options"]["calibrate"]:
        return "each person's resting face"
    named = [card["options"]["neutral"] for card in cards]
    if len(set(named)) == 1:
        return named[0]
    return f"neutral moments chosen by hand in {len(named) - named.count(None)} of {len(named)} inputs"


def _section(card: Mapping[str, Any]) -> str:
    frames = max(card["frames_written"], 1)
    people = "" if card["people"] is None else f", {card['people']} {'person' if card['people'] == 1 else 'people'}"
    told = f"{card['frames_written']} frames, {percent(card['frames_usable'] / frames)} usable{people}"
    parts = [f"<h2>{_text(_name(card))}</h2><p>{told}</p>"]
    episodes = _episodes(card)
    if episodes:
        parts.append(_timeline(episodes))
        strongest = sorted(episodes, key=lambda row: -float(row["peak"] or 0))[:MOMENTS]
        wanted = {
            float(row["apex_s"]): f"{row['au']} {row['peak']}, {float(row['apex_s']):.1f} s" for row in strongest
        }
        for time_s, picture in moments(card["input"], sorted(wanted)) if _can_be_seen_again(card) else ():
            parts.append(f'<figure><img src="{picture}" alt="">{wanted[time_s]}</figure>')
    return f"<section>{''.join(parts)}</section>"


def _can_be_seen_again(card: Mapping[str, Any]) -> bool:
    """Whether the input is one file with times of its own, unlike a webcam, pictures in memory, or a folder."""
    return card["input_files"]["files"] == 1 and card["options"]["fps"] is None


def _episodes(card: Mapping[str, Any]) -> list[dict[str, str]]:
    if not card["episodes"]:
        return []
    with open(card["episodes"], newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _timeline(episodes: Sequence[Mapping[str, str]]) -> str:
    """A lane per person and action unit that was present, a bar per episode, the darker the stronger."""
    lanes = sorted({(int(row["face_id"]), row["au"]) for row in episodes})
    end_s = max(max(float(row["offset_s"]) for row in episodes), 1e-3)
    scale = (WIDTH - LEFT - RIGHT) / end_s
    names = {au_label(au): unit.name for au, unit in AUS.items()}
    drawn = []
    for k, (person, label) in enumerate(lanes):
        y = k * LANE
        words = f"{person}: {label} {names[label]}"
        drawn.append(f'<text x="0" y="{y + 12}">{words}</text>')
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y + LANE}" y2="{y + LANE}" stroke="#ddd"/>')
    for row in episodes:
        y = lanes.index((int(row["face_id"]), row["au"])) * LANE
        onset_s, offset_s = float(row["onset_s"]), float(row["offset_s"])
        x, width = LEFT + onset_s * scale, max((offset_s - onset_s) * scale, 1.5)
        shade = 0.25 + 0.15 * float(row["peak"] or 2.5)
        title = f"<title>{row['au']}: {onset_s:.2f}-{offset_s:.2f} s, peak {row['peak'] or '?'}</title>"
        place = f'x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{LANE - 4}"'
        drawn.append(f'<rect {place} fill="#0072b2" fill-opacity="{shade:.2f}">{title}</rect>')
    height = len(lanes) * LANE + FOOT
    drawn.append(f'<text x="{LEFT}" y="{height - 6}">0 s</text>')
    drawn.append(f'<text x="{WIDTH - RIGHT}" y="{height - 6}" text-anchor="end">{end_s:.1f} s</text>')
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(drawn)}</svg>'


def _summary(cards: Iterable[Mapping[str, Any]]) -> str:
    headings = ("file", "face", "AU", "name", "usable", *(factor.replace("_", " ") for factor in FACTORS))
    names = {au_label(au): unit.name for au, unit in AUS.items()}
    rows = []
    for card in cards:
        for entry in card["summary"]:
            for label in (name for name in entry if name in names):
                numbers = (entry[label][factor] for factor in FACTORS)
                first = (_name(card), entry["face_id"], label, names[label], f"{entry['usable_share']:.2f}")
                cells = [*map(_text, first), *("" if n is None else f"{n:.2f}".removesuffix(".00") for n in numbers)]
                rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells))
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    return f"<h2>Summary</h2><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _name(card: Mapping[str, Any]) -> str:
    return str(card.get("name", card["input"]))


def _text(text: str) -> str:
    return escape(one_line(text))
