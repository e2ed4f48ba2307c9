"""Run the notebooks of docs/notebooks/ from their first cell to the last, and keep what they show.

    python experiments/notebooks.py [NAME ...]      # all of them, or disfa_layout alone

Needs the extra `docs`; disfa_layout also needs ACTIONUNITS_FACEKIT, the folder of ICT Face Model Light. Takes some
minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"


def main() -> int:
    for name in sys.argv[1:] or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")):
        path = NOTEBOOKS / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}).execute()
        for cell in notebook.cells:
            cell.metadata.clear()  # times of each run, which differ
        notebook.metadata.language_info = {"name": "python"}
        nbformat.write(notebook, path)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
