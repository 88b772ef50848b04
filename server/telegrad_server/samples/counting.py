"""Samples of histograms, distinct values, membership, positions in a sorted sequence."""

from __future__ import annotations

from .base import T, sample

sample("bincount", T(dtype="int64", values=[0, 2, 2, 5]))
sample("bincount", T(dtype="int64", values=[0, 2]), T(2, grad=False, dtype="float64"), 4)
sample("bincount", T(dtype="uint8", values=[1, 1]), T(2, grad=False))
sample("bincount", T(0, dtype="int64"), None, 2)
sample("histc", T(20, grad=False), 5)
sample("histc", T(20, grad=False), 4, -1, 1)
sample("histc", T(values=[1.0, 1.0], grad=False), 4)
for options in ({}, {"right": True}, {"side": "right", "out_int32": True}):
    sample("searchsorted", T(values=[-1.0, 0.0, 0.0, 1.0], grad=False), T(2, 3, grad=False), **options)
sample("searchsorted", T(values=[[1.0, 2.0], [0.0, 3.0]], grad=False), T(2, 3, low=0, high=3, grad=False))
sample("searchsorted", T(dtype="int64", values=[1, 3, 3, 7]), 3)
ORDER = T(dtype="int64", values=[1, 2, 0])
sample("searchsorted", T(values=[3.0, 1.0, 2.0], grad=False), T(values=[2.0, 5.0], grad=False), sorter=ORDER)
sample("bucketize", T(2, 3, grad=False), T(values=[-1.0, 0.0, 1.0], grad=False))
sample("bucketize", T(dtype="int64", values=[1, 2, 3]), T(dtype="int64", values=[1, 3]), right=True)
sample("isin", T(dtype="int64", values=[[1, 2], [3, 4]]), T(dtype="int64", values=[2, 4, 9]))
sample("isin", T(dtype="int64", values=[1, 2]), 1, invert=True)
sample("isin", 1, T(dtype="int64", values=[1, 2]))
sample("_one_hot_classes", T(dtype="int64", values=[[0, 2], [1, 1]]), 4, oracle=False)
sample("_one_hot_inferred", T(dtype="int64", values=[0, 2, 1]), oracle=False)
for distinct in ("_unique", "_unique_consecutive"):
    sample(distinct, T(dtype="int64", values=[3, 1, 1, 3, 2]), oracle=False)
    sample(distinct, T(values=[[1.0, 1.0], [2.0, 1.0]], grad=False), oracle=False)
    sample(distinct, T(dtype="int64", values=[[1, 2], [1, 2], [0, 1]]), dim=0, oracle=False)
    sample(distinct, T(0, dtype="int64"), oracle=False)
