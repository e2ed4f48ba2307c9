"""Any mixture of data folders as registered crops with labels: renders and prepared folders alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from actionunits.datasets.crops import prepared, synthau
from actionunits.datasets.crops.crop_data import CropData, concatenate
from actionunits.datasets.crops.stored_flow import with_flow
from actionunits.errors import UserError
from actionunits.files import read_json

Folders = Path | str | Sequence[Path | str]


def load_data(
    folders: Folders,
    crop_size: int,
    *,
    aus: Sequence[int] | None = None,
    subjects: Sequence[str] | None = None,
    every: int = 1,
    meshes: bool = False,
    mesh_every: int = 1,
    flow: str | None = None,
    cache: Path | str | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> CropData:
    """Registered crops and labels of one or several folders; images are mapped, not read.

    crop_size: stored width in pixels, margin included. aus: every AU that a folder codes, unless some are named; an
    AU that a folder does not code is unknown in its rows. subjects: only these (names as in `CropData.subjects`).
    every: keep each n-th frame of a clip or recording. meshes: also the 478 points: those that prepare has found, or
    for renders in every `mesh_every`-th kept frame. flow: "dis" or "tvl1", also the flow of two frames by this
    method, from every crop to its anchor. cache: where what is made on the first load is kept, by default
    `.crops` in each folder. Data without labels has no AUs and loads all the same.

    Raises UserError for folders that cannot be used, and for crops of different kinds that cannot be joined.
    """
    paths = _paths(folders)
    coded = {path: coded_aus(path) for path in paths}
    wanted = tuple(aus) if aus is not None else tuple(sorted({au for own in coded.values() for au in own}))
    pieces = []
    for path in paths:
        common = [au for au in wanted if au in coded[path]]
        if is_prepared(path):
            with _bar(progress, f"Resizing {path.name}") as on_progress:
                piece = prepared.load_crops(
                    path,
                    crop_size,
                    aus=common,
                    every=every,
                    meshes=meshes,
                    cache=cache,
                    workers=workers,
                    progress=on_progress,
                )
        else:
            piece = synthau.load_crops(
                path,
                crop_size,
                aus=common,
                every=every,
                meshes=meshes,
                mesh_every=mesh_every,
                cache=cache,
                workers=workers,
                progress=progress,
            )
        if flow is not None:
            with _bar(progress, f"Flow of {path.name}") as on_progress:
                piece = with_flow(piece, path, flow, cache=cache, workers=workers, progress=on_progress)
        pieces.append(piece.of_aus(wanted))
    data = concatenate(pieces)
    return data if subjects is None else data.of_subjects(subjects)


def load_labels(folder: Path | str) -> CropData:
    """All labels of one folder, without images."""
    return _reader(folder).load_labels(folder)  # type: ignore[no-any-return]


def coded_aus(folder: Path | str) -> tuple[int, ...]:
    """AUs that the folder's labels tell of, ascending."""
    return _reader(folder).coded_aus(folder)  # type: ignore[no-any-return]


def subject_names(folder: Path | str) -> list[str]:
    """Names of all people of a folder, as in `CropData.subjects`."""
    return _reader(folder).subject_names(folder)  # type: ignore[no-any-return]


def is_data(folder: Path | str) -> bool:
    """Whether a folder is, or is becoming, a data set of this program. Raises UserError where there is no folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    return (folder / "dataset.json").is_file() or (folder / ".parts").is_dir()


def is_prepared(folder: Path | str) -> bool:
    """Whether a folder is, or is becoming, one that `prepare` writes, rather than one of renders.

    Raises UserError for a folder that is neither.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    if (folder / ".parts" / "plan.json").is_file():
        return True
    if not (folder / "dataset.json").is_file():
        raise UserError(
            f"{folder} is not a data set: it has no dataset.json; make one with `actionunits prepare` or "
            "`actionunits synth`"
        )
    info = read_json(folder / "dataset.json")
    return isinstance(info, dict) and info.get("kind") == "crops"


def _reader(folder: Path | str) -> ModuleType:
    return prepared if is_prepared(folder) else synthau


def _paths(folders: Folders) -> list[Path]:
    paths = [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError(f"a folder is named twice in {', '.join(map(str, paths))}; its frames would count twice")
    return paths


@contextmanager
def _bar(shown: bool, text: str) -> Iterator[Callable[[int, int], None]]:
    """A function that shows on a bar how many recordings are done, from its first call on."""
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), disable=not shown)
    task = bar.add_task(text, total=None)

    def on_progress(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        bar.start()

    try:
        yield on_progress
    finally:
        if bar.live.is_started:
            bar.stop()


def own_splits(folders: Sequence[Path]) -> dict[str, str]:
    """The data sets' own split by subject, empty for renders. Raises UserError for a person in two parts."""
    found: dict[str, str] = {}
    for folder in folders:
        if not is_prepared(folder):
            continue
        info = prepared.read_info(folder)
        table = prepared.read_frames(folder, ["subject", "split"]).drop_duplicates()
        for own, split in table.itertuples(index=False, name=None):
            name = prepared.subject_name(info, own)
            if found.setdefault(name, split) != split:
                raise UserError(f"{folder}: {name} is in two parts of the split, {found[name]} and {split}")
    return found


def split_paths(text: str) -> list[Path]:
    """Paths of a list with commas.

    >>> [str(path) for path in split_paths("a, b/c")]
    ['a', 'b/c']
    """
    paths = [Path(word.strip()) for word in text.split(",") if word.strip()]
    if not paths:
        raise UserError("no data folder is named")
    return paths
