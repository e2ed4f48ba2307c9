"""Finders that look only at the bundled networks, whatever the cache of the machine holds."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from actionunits.faces import FaceFinder
from actionunits.types import Frame


@pytest.fixture(scope="package", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACTIONUNITS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def photo_finder(empty_cache: None) -> Iterator[FaceFinder]:
    with FaceFinder(video=False) as finder:
        yield finder


@pytest.fixture(scope="session")
def as_frame() -> Callable[..., Frame]:
    def make(image_rgb: np.ndarray, index: int = 0, time_s: float = 0.0, source: str = "test") -> Frame:
        return Frame(image_rgb, index, time_s, source)

    return make
