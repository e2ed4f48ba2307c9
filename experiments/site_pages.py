"""Pages of the site that do not lie in docs/, notebooks as pages, and links that lead to them; hooks of mkdocs.yml.

A page is written once, where a reader of the repository looks for it. Here it gets its place on the site, and its
relative links, which are right in the repository, are made right on the site. A link to what the site lacks, such as
a file of code, becomes plain text.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
MODELS = "src/actionunits/models"
# Where a page lies in the repository, and its place on the site.
PLACES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "THIRD_PARTY_LICENSES.md": "licences.md",
    "data/synthau-mini/README.md": "synthau_mini.md",
    "src/actionunits/faces/models/NOTICE.md": "face_finder.md",
    "src/actionunits/weights/resnet18.md": "model_card.md",
    "src/actionunits/weights/fast.md": "model_card_fast.md",
    "src/actionunits/weights/renet.md": "model_card_renet.md",
    "src/actionunits/weights/renet-student.md": "model_card_renet_student.md",
    "src/actionunits/weights/eacnet.md": "model_card_eacnet.md",
    "src/actionunits/weights/hybrid.md": "model_card_hybrid.md",
    "src/actionunits/weights/ofnet.md": "model_card_ofnet.md",
    **{
        f"{MODELS}/{readme.parent.name}/README.md": f"systems/{readme.parent.name}.md"
        for readme in (ROOT / MODELS).glob("*/README.md")
    },
    **{
        f"docs/notebooks/{notebook.name}": f"notebooks/{notebook.stem}.md"
        for notebook in (ROOT / "docs" / "notebooks").glob("*.ipynb")
    },
}
LINK = re.compile(r"(!?)\[((?:[^][]|\[[^]]*\])*)\]\(([^()\s]+)\)")
PICTURE = re.compile(r'(<img[^>]*\ssrc=")([^"]+)(")')
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages of PLACES, and the notebooks, to the pages of docs/."""
    for path, place in PLACES.items():
        if path.endswith(".ipynb"):
            files.append(File.generated(config, place, content=notebook_page(path)))
        else:
            files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def notebook_page(path: str) -> str:
    """A notebook as Markdown: its text, its code, and what the code shows."""
    parts = []
    for cell in json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [shown(output) for output in cell.get("outputs", [])]
    return "\n\n".join([*parts, f"*This page is the notebook `{path}` of the repository.*\n"])


def shown(output: dict[str, Any]) -> str:
    """What a cell of code shows: a picture, a table, or text."""
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="output" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    if "text/html" in data:
        return re.sub(r"<style.*?</style>", "", "".join(data["text/html"]), flags=re.DOTALL).replace("\n", "")
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```"


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """The page with links that are right on the site."""
    place = page.file.src_uri
    origin = next((path for path, there in PLACES.items() if there == place), f"docs/{place}")

    def target(link: str) -> str | None:
        return moved(link, origin, place, files)

    def relinked(text: str) -> str:
        text = LINK.sub(lambda m: m[0] if target(m[3]) == m[3] else linked(m[1], m[2], target(m[3])), text)
        return PICTURE.sub(lambda m: m[1] + str(target(m[2])) + m[3], text)

    parts = FENCED.split(markdown)
    return "".join(part if part.startswith("```") else relinked(part) for part in parts)


def linked(mark: str, text: str, target: str | None) -> str:
    """A link or picture of Markdown; without a target, its text."""
    return text if target is None else f"{mark}[{text}]({target})"


def moved(link: str, origin: str, place: str, files: Files) -> str | None:
    """A relative link of the page `origin`, seen from its `place` on the site; None if the site lacks its target."""
    path, mark, anchor = link.partition("#")
    if not path or "://" in path or path.startswith(("data:", "mailto:")):
        return link
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    there = PLACES.get(wanted, wanted.removeprefix("docs/"))
    if files.get_file_from_path(there) is None:
        return None
    return posixpath.relpath(there, posixpath.dirname(place) or ".") + mark + anchor
