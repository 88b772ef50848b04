"""Samples of padding at the edges."""

from __future__ import annotations

from .base import T, sample

sample("_pad_constant", T(3, 4), (1, -2, -1, 3), 0.5, oracle=False)
sample("pad", T(3, 4), (1, 2))
sample("pad", T(3, 4), (1, -2, 0, 1), value=1.5)
sample("pad", T(2, 3, dtype="int64", low=0, high=9), (1, 1), value=7)
for mode in ("reflect", "replicate", "circular"):
    sample("pad", T(2, 4), (1, 2), mode)
    sample("pad", T(2, 4, 5), (2, 1, 1, 3), mode)
    sample("pad", T(1, 1, 3, 4, 5), (1, 1, 0, 2, 2, 1), mode)
