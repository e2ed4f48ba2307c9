"""Types of settings with their ranges, written beside the fields; `checks` holds values against them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

Count: TypeAlias = Annotated[int, Ge(1), Le(1_000_000)]
CountFromZero: TypeAlias = Annotated[int, Ge(0), Le(1_000_000)]
Seed: TypeAlias = Annotated[int, Ge(0), Le(2**63 - 1)]  # what PyTorch and NumPy both take
ImageSize: TypeAlias = Annotated[int, Ge(32), Le(4096)]  # pixels
Width: TypeAlias = Annotated[int, Ge(1), Le(4096)]  # channels of a convolution
Units: TypeAlias = Annotated[int, Ge(1), Le(65_536)]  # of a dense layer

Positive: TypeAlias = Annotated[float, Gt(0)]
NotNegative: TypeAlias = Annotated[float, Ge(0)]
LearningRate: TypeAlias = Annotated[float, Ge(0), Le(1000)]
Amount: TypeAlias = Annotated[float, Ge(0), Le(100)]  # of a random change
Share: TypeAlias = Annotated[float, Ge(0), Le(1)]
ShareAboveZero: TypeAlias = Annotated[float, Gt(0), Le(1)]
ShareBelowOne: TypeAlias = Annotated[float, Ge(0), Lt(1)]
FrameRate: TypeAlias = Annotated[float, Gt(0), Le(1000)]  # frames per second

Optimizer: TypeAlias = Literal["sgd", "adam", "adamw", "rmsprop"]
Schedule: TypeAlias = Literal["constant", "cosine", "plateau"]
