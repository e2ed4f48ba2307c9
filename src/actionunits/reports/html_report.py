"""One HTML file about a run: what was analysed, warnings first, timelines with their moments, tables, how to cite it.

Everything is in the file: it opens from a disk without a network, and prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.aus import AUS, au_label
from actionunits.errors import one_line
from actionunits.files import write_atomically
from actionunits.reports.episodes import Episode, read_episodes
from actionunits.reports.number_text import people_word, percent
from actionunits.reports.outcomes import short_names
from actionunits.reports.thumbnails import moments

LEAST_USABLE = 0.8  # of the frames of an input, without a warning
MOMENTS = 6  # thumbnails of an input
WIDTH, LANE, LEFT, RIGHT, FOOT = 900, 16, 170, 50, 22  # of a timeline, in pixels
FACTORS = ("rate", "mean", "mean_present", "maximum", "episodes", "mean_episode_s")
_STYLE = """
:root { color-scheme: light dark; --ink: #222; --line: #888; --faint: #ddd; --band: #f5f5f5; --warn: #fff4e0;
  --bar: #0072b2 }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --line: #777; --faint: #444; --band: #262626;
  --warn: #3a2c14; --bar: #56b4e9 } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: var(--ink) }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em } h1, h2, li, code { overflow-wrap: anywhere }
table { border-collapse: collapse; font-size: 13px }
td, th { padding: 3px 9px; text-align: right; white-space: nowrap }
th { border-bottom: 2px solid var(--line); vertical-align: bottom } tr:nth-child(even) td { background: var(--band) }
td:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 6em }
td:nth-child(-n+4), th:nth-child(-n+4) { text-align: left }
th span { cursor: pointer; white-space: normal }
th[aria-sort=ascending] span::after { content: " \\25b2" }
th[aria-sort=descending] span::after { content: " \\25bc" }
.wide { overflow-x: auto }
.warnings { background: var(--warn); border-left: 4px solid #d55e00; padding: .6em 1em }
figure { display: inline-block; margin: 4px 8px 4px 0; font-size: 12px } img { display: block; height: 110px }
svg { display: block; width: 100%; height: auto; margin-bottom: 6px } svg text { font: 11px system-ui, sans-serif }
svg text { fill: currentcolor } svg line { stroke: var(--faint) } svg rect { fill: var(--bar) }
@page { margin: 14mm }
@media print {
  :root { color-scheme: light; --ink: #222; --line: #888; --faint: #ddd; --band: #f5f5f5; --warn: #fff4e0;
    --bar: #0072b2 }
  body { max-width: none; margin: 0; padding: 0; font-size: 12px } img { height: 100px }
  table { width: 100%; font-size: 9px }
  td, th { padding: 2px 4px } td, .warnings { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  h2 { break-after: avoid } tr, svg, figure { break-inside: avoid } .wide { overflow: visible }
}
"""
# A press on a heading sorts its table: numbers as numbers, empty cells last, upwards first. The headings are no
# <button>, which Chromium leaves out where it repeats them on further pages in printing.
_SCRIPT = """
const order = (a, b) => a === b ? 0 : isNaN(a) || isNaN(b) ? a.localeCompare(b, 'en', { numeric: true }) : a - b;
function sort(heading) {
  const at = heading.cellIndex, body = heading.closest('table').tBodies[0];
  const sign = heading.ariaSort === 'ascending' ? -1 : 1, text = row => row.cells[at].textContent;
  for (const each of heading.parentElement.cells) each.ariaSort = null;
  heading.ariaSort = sign > 0 ? 'ascending' : 'descending';
  const rows = [...body.rows], last = row => text(row) === '';
  rows.sort((a, b) => last(a) - last(b) || sign * order(text(a), text(b))).forEach(row => body.append(row));
}
document.querySelectorAll('th span').forEach(word => {
  word.onclick = () => sort(word.parentElement);
  word.onkeydown = event => { if (' Enter'.includes(event.key)) { event.preventDefault(); word.click() } };
});
"""


@dataclass(frozen=True)
class ReportedInput:
    """What the report tells of an input."""

    name: str  # as its readers know it
    card: Mapping[str, Any]  # its run card
    episodes: Sequence[Episode]

    @classmethod
    def of_card(cls, card: Mapping[str, Any], name: str | None = None) -> ReportedInput:
        """An input whose files the card names. Raises UserError where its episodes cannot be read."""
        episodes = read_episodes(Path(card["episodes"])) if card["episodes"] else []
        return cls(card["input"] if name is None else name, card, episodes)


def write_report(
    path: Path, inputs: Sequence[ReportedInput], failures: Mapping[str, str], command: str | None = None
) -> None:
    """Write the report of a run.

    failures: reason by input, of those of which there is nothing to tell. command: the words of the call. Raises
    UserError where the file cannot be written.
    """
    count, cards = len(inputs) + len(failures), [each.card for each in inputs]
    parts = [
        f"<h1>Action units of {count} {'input' if count == 1 else 'inputs'}</h1>",
        "" if command is None else f"<p><code>{escape(one_line(command))}</code></p>",
        _warnings(inputs, failures),
        _methods(cards),
        *(_section(each) for each in inputs),
        _summary(inputs),
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


def _warnings(inputs: Iterable[ReportedInput], failures: Mapping[str, str]) -> str:
    # Most reasons begin with what they are of.
    reasons = {source: reason.removeprefix(f"{source}: ") for source, reason in failures.items()}
    lines = [f"<li><b>{_text(source)}</b>: {_text(reason)}" for source, reason in reasons.items()]
    lines += [f"<li><b>{_text(each.name)}</b>: {_text(told)}" for each in inputs for told in warnings_of(each.card)]
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
        "blurred, dark, cut off, covered or found with little confidence were left out of all summaries.</p>"
    )


def _reference(cards: Sequence[Mapping[str, Any]]) -> str | None:
    """The neutral face that outputs are relative to, where there is one."""
    if cards[0]["options"]["calibrate"]:
        return "each person's resting face"
    named = [card["options"]["neutral"] for card in cards]
    if len(set(named)) == 1:
        return named[0]
    return f"neutral moments chosen by hand in {len(named) - named.count(None)} of {len(named)} inputs"


def _section(reported: ReportedInput) -> str:
    card, episodes = reported.card, reported.episodes
    frames = max(card["frames_written"], 1)
    people = "" if card["people"] is None else f", {card['people']} {people_word(card['people'])}"
    told = f"{card['frames_written']} frames, {percent(card['frames_usable'] / frames)} usable{people}"
    parts = [f"<h2>{_text(reported.name)}</h2><p>{told}</p>"]
    if episodes:
        end_s = max(each.offset_s for each in episodes)
        for person in sorted({each.face_id for each in episodes}):
            parts.append(_timeline([each for each in episodes if each.face_id == person], end_s))
        strongest = sorted(episodes, key=lambda each: -np.nan_to_num(each.peak))[:MOMENTS]
        wanted = {each.apex_s: f"{au_label(each.au)} {_peak(each)}, {each.apex_s:.1f} s" for each in strongest}
        for time_s, picture in moments(card["input"], sorted(wanted)) if _can_be_seen_again(card) else ():
            parts.append(f'<figure><img src="{picture}" alt="">{wanted[time_s]}</figure>')
    return f"<section>{''.join(parts)}</section>"


def _can_be_seen_again(card: Mapping[str, Any]) -> bool:
    """Whether the input is one file with times of its own, unlike a webcam, pictures in memory, or a folder."""
    return card["input_files"]["files"] == 1 and card["options"]["fps"] is None


def _peak(episode: Episode) -> str:
    """Intensity at the apex; nothing where it is unknown."""
    return f"{episode.peak:.2f}" if np.isfinite(episode.peak) else ""


def _timeline(episodes: Sequence[Episode], end_s: float) -> str:
    """A lane per action unit of one person that was present, a bar per episode, the darker the stronger.

    end_s: of the last episode of all people. One picture a person: what is too high for a page is cut in printing.
    """
    lanes = sorted({each.au for each in episodes})
    scale = (WIDTH - LEFT - RIGHT) / max(end_s, 1e-3)
    drawn = []
    for k, au in enumerate(lanes):
        y = k * LANE
        words = f"{episodes[0].face_id}: {au_label(au)} {AUS[au].name}"
        drawn.append(f'<text x="0" y="{y + 12}">{words}</text>')
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y + LANE}" y2="{y + LANE}"/>')
    for each in episodes:
        y = lanes.index(each.au) * LANE
        x, width = LEFT + each.onset_s * scale, max((each.offset_s - each.onset_s) * scale, 1.5)
        shade = 0.25 + 0.15 * (each.peak if np.isfinite(each.peak) else 2.5)
        told = f"{each.onset_s:.2f}-{each.offset_s:.2f} s, peak {_peak(each) or '?'}"
        title = f"<title>{au_label(each.au)}: {told}</title>"
        place = f'x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{LANE - 4}"'
        drawn.append(f'<rect {place} fill-opacity="{shade:.2f}">{title}</rect>')
    height = len(lanes) * LANE + FOOT
    drawn.append(f'<text x="{LEFT}" y="{height - 6}">0 s</text>')
    drawn.append(f'<text x="{WIDTH - RIGHT}" y="{height - 6}" text-anchor="end">{end_s:.1f} s</text>')
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(drawn)}</svg>'


def _summary(inputs: Sequence[ReportedInput]) -> str:
    """The numbers of all inputs, each named below the folder that all lie in."""
    headings = ("file", "face", "AU", "name", "usable", *(factor.replace("_", " ") for factor in FACTORS))
    names = {au_label(au): unit.name for au, unit in AUS.items()}
    rows = []
    for file, each in zip(short_names([each.name for each in inputs]), inputs, strict=True):
        for entry in each.card["summary"]:
            for label in (name for name in entry if name in names):
                numbers = (entry[label][factor] for factor in FACTORS)
                first = (file, entry["face_id"], label, names[label], f"{entry['usable_share']:.2f}")
                cells = [*map(_text, first), *("" if n is None else f"{n:.2f}".removesuffix(".00") for n in numbers)]
                rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells))
    head = "".join(f'<th scope="col"><span role="button" tabindex="0">{heading}</span></th>' for heading in headings)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<h2>Summary</h2><div class="wide">{table}</div>'


def _text(text: str) -> str:
    return escape(one_line(text))
