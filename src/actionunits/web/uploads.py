"""A multipart request → a file in a private folder, and the options that came with it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from actionunits.web.limits import Limits
from actionunits.web.worker import NEUTRAL_PICTURE, UPLOAD

FRAME_OR_TIME = re.compile(r"[0-9]{1,9}|[0-9]{0,9}\.?[0-9]{1,9}s")
FIELDS = frozenset({"file", "neutral", "neutral_file", "calibrate", "annotate"})
TRUTHS = {"true": True, "1": True, "on": True, "false": False, "0": False, "": False}
FORM_BYTES = 4096  # of multipart's own words


@asynccontextmanager
async def received_form(request: Request, limits: Limits) -> AsyncIterator[FormData]:
    """The form of a request, whose files lie in nameless temporary files until the end of the block.

    Raises HTTPException where it is larger, slower or of another form than it may be.
    """
    most = limits.upload_bytes + FORM_BYTES
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most:
        raise _too_large(limits)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, "send the file as multipart/form-data, in the field `file`")
    received, plain = 0, request.receive

    async def counted() -> Message:
        nonlocal received
        message = await plain()
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(limits)
        return message

    bounded = Request(request.scope, counted)
    try:
        async with asyncio.timeout(limits.upload_s):
            form = await bounded.form(max_files=2, max_fields=len(FIELDS), max_part_size=FORM_BYTES)
    except TimeoutError:
        raise HTTPException(408, f"the upload took longer than {limits.upload_s / 60:g} minutes") from None
    except ClientDisconnect:
        raise HTTPException(400, "the upload broke off") from None
    try:
        yield form
    finally:
        await form.close()


def options_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """What the form asks for besides its file. Raises HTTPException for what it may not ask for.

    A neutral face is a number or a time here: a word that named a file would be read from the disk of the service.
    """
    unknown = sorted(set(form) - FIELDS)
    if unknown:
        raise HTTPException(400, f"unknown field {unknown[0][:40]!r}; there are {', '.join(sorted(FIELDS))}")
    for name in ("file", "neutral_file"):
        if name in form and not isinstance(form[name], UploadFile):
            raise HTTPException(400, f"`{name}` must be a file")
    if "file" not in form:
        raise HTTPException(400, "there is no file in the field `file`")
    neutral = form.get("neutral") or None
    if neutral is not None and not (isinstance(neutral, str) and FRAME_OR_TIME.fullmatch(neutral)):
        raise HTTPException(400, "`neutral` is a frame number or a time such as 3.2s")
    truths = {name: _truth(name, form.get(name, "")) for name in ("calibrate", "annotate")}
    if (neutral is not None) + ("neutral_file" in form) + truths["calibrate"] > 1:
        raise HTTPException(400, "`neutral`, `neutral_file` and `calibrate` exclude each other")
    return truths | {"neutral": NEUTRAL_PICTURE if "neutral_file" in form else neutral}


async def put_into(folder: Path, form: Mapping[str, Any]) -> None:
    """Copy the files of a form into a folder, under names of ours."""
    for field, name in (("file", UPLOAD), ("neutral_file", NEUTRAL_PICTURE)):
        if field in form:
            await asyncio.to_thread(_copy, form[field].file, folder / name)


def name_of(form: Mapping[str, Any]) -> str:
    """What the client calls its file."""
    return form["file"].filename or ""


def _copy(source: Any, path: Path) -> None:
    source.seek(0)
    with path.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, str) or value.lower() not in TRUTHS:
        raise HTTPException(400, f"`{name}` is true or false")
    return TRUTHS[value.lower()]


def _too_large(limits: Limits) -> HTTPException:
    return HTTPException(413, f"the upload is larger than {limits.upload_bytes / (1 << 20):,.0f} MB")
