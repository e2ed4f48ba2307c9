"""The examples in docstrings and on the page about Python run, and print what they show."""

import doctest
import importlib
import re
import shutil
from itertools import islice
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import actionunits
from actionunits.media import VideoWriter, open_media

PACKAGE = Path(actionunits.__file__).parent
ROOT = Path(__file__).parents[1]
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>>" in path.read_text()]
CLIP_FRAMES = 25


def examples_of(module):
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


def module_at(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return importlib.import_module(".".join(part for part in parts if part != "__init__"))


@pytest.fixture(scope="session")
def example_files(tmp_path_factory, astronaut, mini_dir):
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    Image.fromarray(astronaut).save(folder / "photo.jpg", quality=95)
    with (
        open_media(mini_dir / "studio" / "clips" / "S0-0003_T1.mp4") as media,
        VideoWriter(folder / "clip.mp4", fps=25) as writer,
    ):
        for frame in islice(media, CLIP_FRAMES):
            writer.write(frame.image_rgb)
    columns = {"frame": [1, 2, 3], "face_id": 0, "timestamp": [0.0, 0.04, 0.08], "confidence": 0.98}
    columns |= {"success": [1, 1, 0], "AU12_r": [0.2, 2.5, 0.0], "AU12_c": [0.0, 1.0, 0.0]}
    pd.DataFrame(columns).to_csv(folder / "openface.csv", index=False)
    columns = {"FaceScore": [0.9, 0.9], "AU01": [0.1, 0.1], "AU12": [0.2, 0.9], "input": "clip.mp4", "frame": [0, 1]}
    pd.DataFrame(columns).to_csv(folder / "pyfeat.csv", index=False)
    return folder


@pytest.fixture
def in_examples(example_files, tmp_path, monkeypatch):
    shutil.copytree(example_files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_examples_in_docstrings(path, in_examples):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    found = examples_of(module_at(path))
    assert found
    for test in found:
        runner.run(test)
    assert runner.summarize().failed == 0


def blocks_of(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md", "docs/start.md"])
def test_code_on_pages(page, in_examples, capsys):
    """Blocks of a page run one after the other; a comment `# -> text` behind a line is what it prints."""
    values = {}
    for block in blocks_of(page):
        exec(compile(block, page, "exec"), values)
        shown = [line.partition("# -> ")[2] for line in block.splitlines() if "# -> " in line]
        printed = capsys.readouterr().out.splitlines()
        assert [line for line in shown if line not in printed] == []


@pytest.mark.slow
def test_code_on_the_page_of_bulk_detection(in_examples, capsys):
    """On this machine in place of a cluster; the table that is read first is what is written last."""
    Path("videos").mkdir()
    Path("clip.mp4").rename("videos/clip.mp4")
    read, write = (
        compile(block.replace('on="ray"', "on=None"), "bulk.md", "exec") for block in blocks_of("docs/bulk.md")
    )
    exec(write, {})
    assert capsys.readouterr().out.startswith("videos/clip.mp4: done, 25 frames")
    values = {}
    exec(read, values)
    assert len(values["table"]) == CLIP_FRAMES and len(values["one"]) == 0  # the page names another file


@pytest.mark.slow
def test_code_on_the_page_of_renders(facekit_dir):
    (block,) = blocks_of("docs/renders.md")
    values = {}
    exec(compile(block.replace('"DIR"', repr(str(facekit_dir))), "renders.md", "exec"), values)
    assert values["picture"].shape == (160, 160, 3) and values["flow"].shape == (160, 160, 2)
