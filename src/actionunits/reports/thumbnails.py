"""Small pictures of moments of a video, as data addresses that a page holds itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

from PIL import Image

from actionunits.errors import UserError
from actionunits.media import open_media

_HEIGHT_PX = 160
_QUALITY = 80
_SLACK_S = 2e-3  # times in tables have three decimals


def moments(source: str, times_s: Sequence[float]) -> Iterator[tuple[float, str]]:
    """Each time, ascending, and the frame shown then as a JPEG; none of an input that cannot be opened again.

    The video is decoded up to the last of the times.
    """
    waiting = list(times_s)
    try:
        with open_media(source) as media:
            for frame in media:
                while waiting and frame.time_s >= waiting[0] - _SLACK_S:
                    yield waiting.pop(0), data_address(Image.fromarray(frame.image_rgb))
                if not waiting:
                    return
    except UserError:
        return


def data_address(picture: Image.Image) -> str:
    """The picture, at most 160 pixels high, as a JPEG in an address."""
    height = min(_HEIGHT_PX, picture.height)
    picture = picture.resize((max(1, picture.width * height // picture.height), height))
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"
