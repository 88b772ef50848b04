"""Samples of the element-by-element ops."""

from __future__ import annotations

from .base import T, sample

for binary in ("add", "sub", "mul"):
    sample(binary, T(3, 4), T(3, 4))
    sample(binary, T(3, 1), T(4))
    sample(binary, T(3), 2.5)
    sample(binary, T(), T(2, 2))
    sample(binary, T(2, 3), T(3, dtype="int64", low=-3, high=3))
sample("add", T(3, 4), T(4), alpha=2.5)
sample("sub", T(3, 4), T(4), alpha=2)
sample("add", T(3, dtype="int64", low=0, high=9), 1.5)

for unary in ("neg", "exp", "relu"):
    sample(unary, T(3, 4))
    sample(unary, T())
    sample(unary, T(0, 2))
sample("log", T(3, 4, low=0.2, high=3.0))
sample("eq", T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
sample("eq", T(3, values=[1.0, 2.0, float("nan")]), 2)
