"""Samples of sorted order, the largest elements, the median, the mode, quantiles."""

from __future__ import annotations

from .base import T, sample

NAN = float("nan")
for order in ("sort", "argsort"):
    sample(order, T(3, 4, distinct=True))
    sample(order, T(3, 4, distinct=True), 0, True)
    sample(order, T())
    sample(order, T(2, 0))
    # PyTorch takes dim, descending and stable in no order that these two share.
    sample(order, T(dtype="int64", values=[2, 1, 2, 1]), -1, True, stable=True, oracle=False)
sample("sort", T(values=[1.0, NAN, -1.0], grad=False), 0, True)
sample("sort", T(5, dtype="bfloat16", distinct=True))
sample("msort", T(3, 2, distinct=True))
sample("topk", T(3, 5, distinct=True), 2)
sample("topk", T(3, 5, distinct=True), 2, 0, False)
sample("topk", T(2, 40, distinct=True), 3)
sample("topk", T(40, 2, distinct=True), 3, 0, False)
sample("topk", T(), 1)
sample("topk", T(3, 5), 0)
sample("kthvalue", T(3, 5, distinct=True), 2)
sample("kthvalue", T(3, 5, distinct=True), 3, 0, True)
sample("kthvalue", T(), 1)
GAPS = T(values=[[1.0, NAN, 3.0, 2.0], [4.0, 0.5, 6.0, -1.0]], grad=False)
for middle in ("median", "nanmedian"):
    sample(middle, T(3, 4, distinct=True))
    sample(middle, T(values=[2.0, 1.0, 2.0, 3.0]), smooth=False)
    sample(middle, GAPS)
    sample(middle, T(0, grad=False))
    for dim, keepdim in ((1, False), (0, True)):
        sample(f"_{middle}_dim", T(3, 4, distinct=True), dim, keepdim, oracle=False)
        sample(f"_{middle}_dim", GAPS, dim, keepdim, oracle=False)
sample("median", T(4, dtype="int64", low=-9, high=9))
sample("mode", T(dtype="int64", values=[[3, 1, 3, 1], [2, 2, 2, 0]]))
sample("mode", T(values=[[3.0, 1.0], [3.0, 2.0], [1.0, 2.0]]), 0, True, smooth=False)
for share in ("quantile", "nanquantile"):
    sample(share, T(3, 5, distinct=True), 0.3)
    sample(share, T(3, 5, distinct=True), 0.6, 0)
    sample(share, T(3, 5, 2, distinct=True), T(values=[0.0, 0.35, 1.0], grad=False), 1, True)
    sample(share, T(3, 5, distinct=True), T(values=[0.1, 0.9], grad=False))
    sample(share, GAPS, 0.4, 1)
    for interpolation in ("lower", "higher", "midpoint", "nearest"):
        sample(share, T(3, 5, distinct=True), 0.3, 1, interpolation=interpolation)
