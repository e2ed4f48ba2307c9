"""Copies of the libraries that detection computes with, whose instruction CPUID is UD2: for hide_avx512.c.

    python benchmarks/cpuid_to_ud2.py FOLDER

UD2 fails on every processor, and the handler in hide_avx512.c answers in its place. Both instructions have two bytes,
of which the second differs. `objdump` tells where CPUID is. For benchmarks on x86_64 Linux alone. Takes two minutes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

PACKAGES = ("onnxruntime", "numpy", "numpy.libs", "cv2", "opencv_python_headless.libs", "av", "av.libs")
CPUID, UD2 = b"\x0f\xa2", b"\x0f\x0b"
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+cpuid\b", re.MULTILINE)
SEGMENT = re.compile(r"^\s*LOAD\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)", re.MULTILINE)


def said_by(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def replace_in(library: Path) -> int:
    """Write UD2 where the library has CPUID; how often."""
    listing = said_by("objdump", "-d", "--no-show-raw-insn", str(library))
    addresses = [int(found, 16) for found in INSTRUCTION.findall(listing)]
    if not addresses:
        return 0
    loaded = SEGMENT.findall(said_by("readelf", "--segments", "--wide", str(library)))
    segments = [tuple(int(number, 16) for number in numbers) for numbers in loaded]  # offset, address, bytes
    content = bytearray(library.read_bytes())
    for address in addresses:
        (place,) = (offset + address - start for offset, start, size in segments if start <= address < start + size)
        assert content[place : place + 2] == CPUID, f"{library}: no CPUID at {address:x}"
        content[place : place + 2] = UD2
    library.write_bytes(content)
    return len(addresses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new, for PYTHONPATH")
    folder = parser.parse_args().folder
    installed = Path(sysconfig.get_paths()["platlib"])
    for package in PACKAGES:
        if (installed / package).is_dir():
            shutil.copytree(installed / package, folder / package)
    for library in sorted(folder.rglob("*.so*")):
        count = replace_in(library)
        if count:
            print(f"{library.relative_to(folder)}: {count} in place of CPUID")


if __name__ == "__main__":
    main()
