"""Samples of the ops that make tensors from nothing."""

from __future__ import annotations

from .base import sample

for made in ("zeros", "ones"):
    sample(made, (2, 3))
    sample(made, (), dtype="int64")
    sample(made, (0, 2), dtype="bool")
