"""Samples of the reductions."""

from __future__ import annotations

from .base import T, sample

sample("sum", T(3, 4))
sample("sum", T(3, 4), 1)
sample("sum", T(3, 4, 2), (0, -1), keepdim=True)
sample("sum", T())
sample("sum", T(0, 3), 0)
sample("sum", T(3, 4, dtype="int32", low=-5, high=5), 0)
sample("sum", T(3, 4, dtype="bool"))
sample("sum", T(3, 4), dtype="float64")
