"""Samples of sorting and running sums."""

from __future__ import annotations

from .base import T, sample

for order in ("sort", "argsort"):
    sample(order, T(3, 4, distinct=True))
    sample(order, T(3, 4, distinct=True), 0, True)
    # PyTorch takes dim, descending and stable in no order that these two share.
    sample(order, T(dtype="int64", values=[2, 1, 2, 1]), -1, True, stable=True, oracle=False)
sample("topk", T(3, 5, distinct=True), 2)
sample("topk", T(3, 5, distinct=True), 2, 0, False)
for running in ("cumsum", "cumprod"):
    sample(running, T(3, 4), 1)
    sample(running, T(3, 4), -2)
    sample(running, T(4, dtype="int32", low=1, high=3), 0)
    sample(running, T(3, 2), 0, dtype="float64")
sample("cumprod", T(4, values=[2.0, 0.0, 3.0, 4.0]), 0)
