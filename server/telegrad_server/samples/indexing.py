"""Samples of gathering and scattering."""

from __future__ import annotations

from .base import T, sample


def at(*values: int) -> T:
    """A vector of indices."""
    return T(dtype="int64", values=list(values))


def grid(*rows: list[int]) -> T:
    """A matrix of indices."""
    return T(dtype="int64", values=list(rows))


sample("_index", T(4, 3), [at(0, -1, 0)], oracle=False)
sample("_index", T(4, 3, 2), [at(0, 2), None, at(1, 0)], oracle=False)
sample("_index", T(4, 3, 2), [None, grid([0, 1], [2, 2])], oracle=False)
sample("_index_backward", T(3, 3), (4, 3), [at(0, -1, 0)], oracle=False)
sample("_index_mask", T(4, 3), [T(dtype="bool", values=[True, False, True, True])], oracle=False)
sample("_index_mask", T(2, 2), [T(dtype="bool", values=[[True, False], [True, True]])], oracle=False)
sample("_index_zero", T(4, 3), [at(0, -1)], oracle=False)
sample("index_put", T(4, 3), [at(0, 2)], T(2, 3), oracle=False)
sample("index_put", T(4, 3), [at(0, 0)], T(2, 3), True, oracle=False)
sample("index_put", T(4, 3), [T(dtype="bool", values=[True, False, True, False])], T(), oracle=False)
sample("masked_select", T(3, 4), T(3, 4, dtype="bool"))
sample("masked_select", T(3, 4), T(4, dtype="bool"))
sample("nonzero", T(3, 4, dtype="int64", low=0, high=1))
sample("gather", T(3, 4), 1, grid([0, 3], [1, 1], [2, 0]))
sample("gather", T(3, 4), 0, grid([0, 2]))
sample("scatter", T(3, 4), 1, grid([0, 3], [1, 2], [2, 0]), T(3, 2))
# PyTorch gives no gradient for a source that is larger than the index.
sample("scatter", T(3, 4), 0, grid([0, 2]), T(2, 3), oracle=False)
sample("scatter", T(3, 4), 1, grid([0, 3]), 1.5)
sample("scatter_add", T(3, 4), 1, grid([0, 0], [1, 2], [2, 0]), T(3, 2))
sample("index_select", T(4, 3), 0, at(0, 2, 0))
sample("index_select", T(4, 3), -1, at(2, 1))
sample("index_add", T(4, 3), 0, at(0, 2, 0), T(3, 3))
sample("index_add", T(4, 3), 1, at(2, 1), T(4, 2), alpha=2)
sample("index_copy", T(4, 3), 0, at(0, 2), T(2, 3))
sample("index_fill", T(4, 3), 0, at(0, 2), 1.5)
sample("index_fill", T(4, 3), 1, at(0, 2), T())
sample("take_along_dim", T(3, 4), grid([0], [1], [3]), 1)
sample("take_along_dim", T(3, 4), at(0, 11, 5))
sample("_one_hot_classes", at(0, 2, 1), 4, oracle=False)
sample("bincount", T(dtype="int64", values=[0, 2, 2, 5]))
sample("bincount", T(dtype="int64", values=[0, 2]), T(2, grad=False, dtype="float64"), 4)
sample("_unique", T(dtype="int64", values=[3, 1, 3, 2]), oracle=False)
