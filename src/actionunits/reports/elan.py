"""Episodes for coders: an ELAN document (.eaf, EAF 3.0) with a tier per person and action unit beside the video.

ELAN: Wittenburg et al., "ELAN: a professional framework for multimodality research", LREC 2006.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from actionunits.aus import AUS, au_label
from actionunits.files import valid_text, write_atomically
from actionunits.reports.episodes import Episode
from actionunits.reports.number_text import intensity_text

_TYPE = "episode"  # the one linguistic type of all tiers
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_EPOCH = "1970-01-01T00:00:00+00:00"  # a document must have a date; the same input gives the same file


def write_elan(path: Path, video: Path, episodes: Sequence[Episode]) -> None:
    """Write the document. An annotation holds the peak's intensity with its letter, and lasts a millisecond at least.

    Raises UserError where the file cannot be written.
    """
    root = Xml.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "actionunits",
            "DATE": _EPOCH,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = Xml.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    kind = mimetypes.guess_type(video.name)[0] or "video/*"
    Xml.SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=_url(video), MIME_TYPE=kind)
    order = Xml.SubElement(root, "TIME_ORDER")
    tiers: dict[tuple[int, int], Xml.Element] = {}
    for number, episode in enumerate(episodes):
        tier = tiers.setdefault((episode.face_id, episode.au), _tier(episode))
        onset_ms = round(episode.onset_s * 1000)
        ends_ms = (onset_ms, max(round(episode.offset_s * 1000), onset_ms + 1))
        slots = [f"ts{2 * number + 1 + k}" for k in range(2)]
        for slot, time_ms in zip(slots, ends_ms, strict=True):
            Xml.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time_ms))
        place = {"ANNOTATION_ID": f"a{number + 1}", "TIME_SLOT_REF1": slots[0], "TIME_SLOT_REF2": slots[1]}
        annotation = Xml.SubElement(Xml.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", place)
        known = episode.peak == episode.peak  # only NaN differs from itself
        Xml.SubElement(annotation, "ANNOTATION_VALUE").text = intensity_text(episode.peak) if known else "present"
    root.extend(tiers.values())
    Xml.SubElement(
        root, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true", GRAPHIC_REFERENCES="false"
    )
    Xml.indent(root)
    with write_atomically(path) as unfinished:
        Xml.ElementTree(root).write(unfinished, encoding="utf-8", xml_declaration=True)


def _tier(episode: Episode) -> Xml.Element:
    name = f"face {episode.face_id} {au_label(episode.au)} {AUS[episode.au].name}"
    return Xml.Element("TIER", LINGUISTIC_TYPE_REF=_TYPE, TIER_ID=name)


def _url(video: Path) -> str:
    """Where the video is, in the letters that a document can hold."""
    try:
        return video.resolve().as_uri()
    except (OSError, ValueError):
        return valid_text(str(video))
