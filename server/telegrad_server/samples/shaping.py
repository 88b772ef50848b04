"""Samples of views and rearrangements."""

from __future__ import annotations

from .base import T, sample

sample("transpose", T(2, 3, 4), 0, -1)
sample("reshape", T(2, 3, 4), (4, -1))
sample("view", T(2, 3, 4), (6, 4))
sample("as_strided", T(12), (2, 3), (4, 2), 1)
sample("as_strided", T(12), (4, 4), (2, 1), 1)
sample("_as_strided_backward", T(2, 3), (12,), (2, 3), (4, 2), 1, oracle=False)
# PyTorch 2.13 gives the input the gradient of what was overwritten; finite differences say otherwise.
sample("as_strided_scatter", T(12), T(2, 3), (2, 3), (6, 2), 1, oracle=False)
sample("_to_dtype", T(3), "float64", oracle=False)
sample("clone", T(3, 2))
sample("detach", T(3, 2))
sample("expand", T(3, 1), (2, 3, 4))
sample("expand", T(3, 1), (-1, 2))
sample("sum_to_size", T(2, 3, 4), (3, 1))
