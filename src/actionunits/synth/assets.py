"""A folder of photographed skins, eyes and surroundings for renders, each read when it is first asked for.

DIR/skins_cyl/*.jpg          skin on the cylinder texture of head.py; the name begins with its source
DIR/eyes/valid_*, makehuman_*  eyeballs seen along their axes
DIR/env/environments.npz     names (N,), radiance_64x128 (N, 64, 128, 3), linear; the middle of the picture is -z
DIR/env/pano_NAME.jpg        the same surroundings as pictures, where there are some
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np

from actionunits.errors import UserError

CREDITS_FILE = "CREDITS.md"
EYE_SIZE = 96  # an eyeball at 256 pixels a face is 30 pixels wide
PANORAMA_WIDTH = 512
# What an asset's name begins with: source, author, licence.
SOURCES = {
    "skins_cyl/valid_": (
        "VALID, Virtual Avatar Library for Inclusion and Diversity (github.com/xrtlab), moved onto the face model",
        "T. D. Do, S. Zelenty, M. Gonzalez-Franco, R. P. McMahan (Frontiers in Virtual Reality 2023, "
        "doi 10.3389/frvir.2023.1248915)",
        'MIT, "Copyright (c) 2022 Tiffany Do"',
    ),
    "skins_cyl/makehuman_": ("MakeHuman system assets, moved onto the face model", "MakeHuman team", "CC0 1.0"),
    "eyes/makehuman_": ("MakeHuman system assets", "MakeHuman team", "CC0 1.0"),
    "env/blender_": ("Blender studio lights", "Greg Zaal", "CC0 1.0"),
    "env/": ("Poly Haven (HDRI Haven)", "Greg Zaal and others", "CC0 1.0"),
}
SOURCES["eyes/valid_"] = SOURCES["skins_cyl/valid_"]
# Iris and whole disc in pictures of eyes, as shares of the width: centre x, y, radius of the iris, of the disc.
_DISCS = {"valid": (0.5, 0.5, 0.145, 0.49), "makehuman": (0.704, 0.297, 0.115, 0.25)}


class Assets:
    """The pictures of one folder; every array is read once a process and must not be written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.skins = _names(folder / "skins_cyl", ".jpg")
        self.eyes = _names(folder / "eyes", ".jpg", ".png")
        if not self.skins or not self.eyes or not (folder / "env" / "environments.npz").is_file():
            raise UserError(
                f"{folder} is no folder of assets: it needs skins_cyl/*.jpg, eyes/*.jpg and env/environments.npz"
            )
        self._skin = lru_cache(maxsize=None)(self._read_skin)
        self._eye = lru_cache(maxsize=None)(self._read_eye)

    @cached_property
    def fingerprint(self) -> str:
        """The same for folders of the same files, wherever they lie, and another one for others."""
        environments = self.folder / "env"
        paths = [self.folder / "skins_cyl" / n for n in self.skins] + [self.folder / "eyes" / n for n in self.eyes]
        paths += [environments / "environments.npz", *sorted(environments.glob("pano_*.jpg"))]
        listed = "\n".join(f"{path.name} {path.stat().st_size}" for path in paths)
        return hashlib.sha256(listed.encode()).hexdigest()[:16]

    def skin(self, name: str, size: int) -> np.ndarray:
        """sRGB picture (size, size, 3) uint8 of a skin."""
        return self._skin(name, size)

    def eye(self, name: str) -> np.ndarray:
        """Eyeball along its axis, (EYE_SIZE, EYE_SIZE, 3) float32 linear: 90 degrees from the middle to the edge."""
        return self._eye(name)

    @cached_property
    def environments(self) -> dict[str, np.ndarray]:
        """Linear radiance (64, 128, 3) float16 by name."""
        path = self.folder / "env" / "environments.npz"
        try:
            with np.load(path) as held:
                names, radiance = held["names"], held["radiance_64x128"]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{path} is damaged ({error}); copy the assets again") from error
        if radiance.ndim != 4 or radiance.shape[3] != 3 or len(names) != len(radiance):
            raise UserError(f"{path} is damaged (its pictures are {radiance.shape}); copy the assets again")
        return dict(zip(map(str, names), radiance, strict=True))

    def panorama(self, name: str) -> np.ndarray | None:
        """Surroundings as a picture (PANORAMA_WIDTH / 2, PANORAMA_WIDTH, 3) float32 linear, if there is one."""
        path = self.folder / "env" / f"pano_{name}.jpg"
        if not path.is_file():
            return None
        return linear_light(_picture(path, PANORAMA_WIDTH, PANORAMA_WIDTH // 2))

    def _read_skin(self, name: str, size: int) -> np.ndarray:
        return _picture(self.folder / "skins_cyl" / name, size, size)

    def _read_eye(self, name: str) -> np.ndarray:
        picture = _picture(self.folder / "eyes" / name, None, None)
        disc = _DISCS["makehuman" if name.startswith("makehuman") else "valid"]
        x, y, inner, edge = (v * picture.shape[1] for v in disc)
        step = (np.arange(EYE_SIZE) + 0.5) / EYE_SIZE * 2 - 1
        radius = np.hypot(*np.meshgrid(step, step)) + 1e-6
        # The iris fills 22.5 of 90 degrees; the white is stretched over the rest.
        reach = np.where(radius < 0.25, radius / 0.25 * inner, inner + (radius - 0.25) / 0.75 * (edge - inner))
        reach = np.minimum(reach, edge) / radius
        across = (x + step[None] * reach).astype(np.float32)
        down = (y + step[:, None] * reach).astype(np.float32)
        disc_srgb = cv2.remap(picture, across, down, cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        eye = linear_light(disc_srgb)
        # Highlights that are painted onto one side of the iris go: the scene makes its own.
        mirrored = np.minimum(np.minimum(eye, eye[:, ::-1]), np.minimum(eye[::-1], eye[::-1, ::-1]))
        iris = (radius < 0.25)[..., None]
        eye = np.where((radius < 0.3)[..., None], mirrored * (1.5, 1.4, 1.3), eye)
        # The pictures' irises are brighter and more colourful than irises are, and their whites are red.
        grey = eye.mean(2, keepdims=True)
        eye = grey + np.where(iris, 0.65, 0.3) * (eye - grey)
        return (eye * np.where(iris, 0.75, 1.0)).astype(np.float32)


@lru_cache(maxsize=1)
def read_assets(folder: str) -> Assets:
    """The assets in a folder. Raises UserError if it holds none."""
    return Assets(Path(folder))


def linear_light(srgb: np.ndarray) -> np.ndarray:
    """Linear light 0-1, float32, of an sRGB picture, uint8 (power law 2.2)."""
    table = ((np.arange(256) / 255.0) ** 2.2).astype(np.float32)
    return table[srgb]


def write_credits(out: Path, used: Iterable[str]) -> None:
    """Write the credits of these assets ("folder/name") into the folder `out`; nothing if there are none."""
    names = sorted(set(used))
    if not names:
        return
    lines = [
        "# Credits of the pictures that these renders show",
        "",
        "| asset | source | author | licence |",
        "|---|---|---|---|",
        *(f"| {name} | {' | '.join(_source_of(name))} |" for name in names),
    ]
    (out / CREDITS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _source_of(name: str) -> tuple[str, str, str]:
    for start in sorted(SOURCES, key=len, reverse=True):
        if name.startswith(start):
            return SOURCES[start]
    return ("see CREDITS.md of the folder of assets", "", "")


def _names(folder: Path, *endings: str) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir() if path.suffix.lower() in endings))


def _picture(path: Path, width: int | None, height: int | None) -> np.ndarray:
    """RGB picture, uint8, at this size or its own. Raises UserError if it cannot be read."""
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if picture is None:
        raise UserError(f"{path} is no readable picture; copy the assets again")
    if width and height and picture.shape[:2] != (height, width):
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[..., ::-1])
