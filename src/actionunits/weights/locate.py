"""Where released weights are: beside this file, at a path, or in a cache filled from the network."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from actionunits.errors import UserError
from actionunits.files import file_sha256

BUNDLED = Path(__file__).parent
SUFFIX = ".safetensors"
CACHE_VARIABLE = "ACTIONUNITS_CACHE"
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Release:
    """Weights too large to travel with the package."""

    url: str
    sha256: str


# By name. All weights released so far are small enough to be bundled.
RELEASES: dict[str, Release] = {}


def bundled_names() -> list[str]:
    """Names of the weights that travel with the package, in alphabetical order."""
    return sorted(path.stem for path in BUNDLED.glob(f"*{SUFFIX}"))


def cache_folder() -> Path:
    """Folder for downloads: $ACTIONUNITS_CACHE, else actionunits/ in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actionunits"


def find_weights(name_or_path: str | Path) -> Path:
    """File of weights given by name, such as `resnet18`, or by path; downloaded first where need be.

    Raises UserError where nothing has this name, or the download fails.
    """
    text = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or Path(text).suffix != "" or os.sep in text
    if is_path:
        path = Path(text).expanduser()
        if not path.is_file():
            raise UserError(f"no such file of weights: {path}")
        return path
    bundled = BUNDLED / f"{text}{SUFFIX}"
    if bundled.is_file():
        return bundled
    if text in RELEASES:
        return download(RELEASES[text].url, RELEASES[text].sha256, cache_folder() / f"{text}{SUFFIX}")
    known = ", ".join(sorted({*bundled_names(), *RELEASES})) or "none yet"
    raise UserError(f"no weights named '{text}'; known names are {known}; or give the path of a {SUFFIX} file")


def download(url: str, sha256: str, path: Path, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The file at `path` with this checksum, fetched from `url` unless it is there; returns `path`.

    What an interrupted download left in `<name>.part` is continued where the server allows it. `progress` is
    called with the bytes so far and in all (None if unknown). Raises UserError when the server cannot be
    reached or refuses, the checksum is wrong (nothing is kept then), or the file cannot be written.
    """
    if path.is_file() and file_sha256(path) == sha256:
        return path
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, progress)
        if file_sha256(part) != sha256:
            part.unlink()
            raise UserError(f"{url} gave a file with another checksum; it was thrown away, try again later")
        os.replace(part, path)
    except urllib.error.HTTPError as error:
        raise UserError(f"cannot download {url}: the server answers {error.code} {error.reason}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"cannot download {url} ({reason}); without a network, put the file at {path} yourself"
        ) from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def _fetch(url: str, part: Path, progress: Callable[[int, int | None], None] | None) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": the part is whole, or it is of another file
            raise
        return
    with response:
        continued = response.status == 206
        done = have if continued else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        with part.open("ab" if continued else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection broke off after {done} of {total} bytes")
