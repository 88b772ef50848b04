"""Samples of new tensors: constants, ranges, identity matrices."""

from __future__ import annotations

from .base import T, sample

for made in ("zeros", "ones"):
    sample(made, (2, 3))
    sample(made, (), dtype="int64")
    sample(made, (0, 2), dtype="bool")
sample("empty", (2, 3), oracle=False)
sample("full", (2, 3), 1.5)
sample("full", (2,), 1)
sample("full", (2,), True)
sample("full", (2,), 3, dtype="float64")
sample("eye", 3)
sample("eye", 2, 4, dtype="int64")
sample("arange", 0, 5)
sample("arange", 1, 2.5, 0.5)
sample("arange", 5, 0, -2)
sample("arange", 0, 3, dtype="float64")
sample("linspace", 0, 1, 5)
sample("linspace", -2.0, 3.0, 4, dtype="float64")
sample("logspace", 0, 2, 5)
sample("fill", T(3, 4), 2)
sample("fill", T(3, 4), T())
