"""The models by name: one folder each, and one line in MODELS."""

from __future__ import annotations

from actionunits.models.contract import ModelEntry
from actionunits.models.registry import MODELS, find_model, model_keys, register_model

__all__ = ["MODELS", "ModelEntry", "find_model", "model_keys", "register_model"]
