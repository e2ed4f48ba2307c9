"""Photographs, folders, videos and webcams as frames with their true times; videos with the times they are given."""

from __future__ import annotations

from actionunits.media.images import read_image
from actionunits.media.reader import FrameChoice, MediaReader
from actionunits.media.sources import Source, expand, input_name, open_media, read_for
from actionunits.media.writer import VideoWriter

__all__ = [
    "FrameChoice",
    "MediaReader",
    "Source",
    "VideoWriter",
    "expand",
    "input_name",
    "open_media",
    "read_for",
    "read_image",
]
