from collections.abc import Callable
from pathlib import Path

import pytest
from numbered_video import encode


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """`clip(name, frames, ...)` writes a numbered video."""
    return lambda name, *args, **kwargs: encode(tmp_path / name, *args, **kwargs)
