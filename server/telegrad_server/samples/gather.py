"""Samples of gather and scatter by index tensors and masks."""

from __future__ import annotations

from .base import T, sample


def at(*values: int) -> T:
    """A vector of indices."""
    return T(dtype="int64", values=list(values))


def grid(*rows: list[int]) -> T:
    """A matrix of indices."""
    return T(dtype="int64", values=list(rows))


def mask(*values: object) -> T:
    return T(dtype="bool", values=list(values))


for indices in (
    [at(0, -1, 0)],
    [None, grid([0, 1], [2, 2])],
    [at(0, 2), at(1, 0)],
    [at(0, 2), None, at(1, 0)],
    [grid([0], [2]), None, at(1, 0)],
    [T(dtype="int32", values=[3, 3])],
    [T(dtype="int64", values=2), None, at(1)],
    [T(0, dtype="int64")],
):
    sample("_index", T(4, 3, 2), indices, oracle=False)
sample("_index_backward", T(3, 3), (4, 3), [at(0, -1, 0)], oracle=False)
sample("_index_backward", T(3, 3), (4, 3), [mask(True, False, True, True)], oracle=False)
sample("_index_mask", T(4, 3), [mask(True, False, True, True)], oracle=False)
sample("_index_mask", T(2, 2, 3), [mask([True, False], [True, True])], oracle=False)
sample("_index_mask", T(2, 3), [at(1, 0), mask(True, False, True)], oracle=False)
sample("_index_mask", T(3), [T(dtype="uint8", values=[1, 0, 1])], oracle=False)
sample("index_put", T(4, 3), [at(0, 2)], T(2, 3))
sample("index_put", T(4, 3), [at(0, 0)], T(2, 3), True)
sample("index_put", T(4, 3), [at(0, 1, -1), at(0, 1, 1)], T(3))
sample("index_put", T(4, 3), [None, at(0, 0)], T(1, 2), True, oracle=False)
sample("index_put", T(4, 3), [mask(True, False, True, False)], T())
sample("index_put", T(4, 3), [mask(True, False, True, False)], T(1, 3), True)
sample("take", T(3, 4), grid([0, -1], [5, 5]))
sample("_checked_places", at(0, -1, 3), 4, oracle=False)
sample("masked_select", T(3, 4), T(3, 4, dtype="bool"))
sample("masked_select", T(3, 1), T(4, dtype="bool"))
sample("masked_scatter", T(2, 3), mask(True, False, True), T(5))
sample("masked_scatter", T(2, 3), mask([True, False, True], [False, False, True]), T(3))
sample("_masked_scatter_backward", T(2, 3), mask(True, False, True), (5,), oracle=False)
for places in ("nonzero", "argwhere"):
    sample(places, T(3, 4, dtype="int64", low=0, high=1))
    sample(places, T(values=1.0))
sample("gather", T(3, 4), 1, grid([0, 3], [1, 1], [2, 0]))
sample("gather", T(3, 4), 0, grid([0, 2]))
sample("gather", T(3), -1, T(dtype="int32", values=[2, 2]))
sample("gather", T(), 0, T(dtype="int64", values=0))
sample("scatter", T(3, 4), 1, grid([0, 3], [1, 2], [2, 0]), T(3, 2))
# PyTorch gives no gradient for a source that is larger than the index.
sample("scatter", T(3, 4), 0, grid([0, 2]), T(2, 3), oracle=False)
sample("scatter", T(3, 4), 1, grid([0, 3]), 1.5)
sample("scatter_add", T(3, 4), 1, grid([0, 0], [1, 2], [2, 0]), T(3, 2))
sample("scatter_add", T(3, 4), 0, grid([0, 2]), T(2, 3), oracle=False)
for reduce in ("sum", "prod", "mean", "amax", "amin"):
    for include_self in (True, False):
        into, spots = T(3, 4, distinct=True), grid([0, 0], [1, 2], [2, 2])
        sample("scatter_reduce", into, 1, spots, T(3, 2, distinct=True), reduce, include_self=include_self)
sample("scatter_reduce", T(2, 3), 1, grid([0, 0], [1, 2]), T(values=[[0.0, 2.0], [0.0, 3.0]]), "prod", smooth=False)
counted = T(2, 3, dtype="int64", low=-5, high=5)
sample("scatter_reduce", counted, 1, grid([0, 0], [1, 2]), T(2, 2, dtype="int64", low=-5, high=5), "mean")
sample("_scatter_multiply", T(3, 4), 1, grid([0, 0], [1, 2]), T(2, 3), oracle=False)
sample("_scatter_extremum", T(3, 4, distinct=True), 1, grid([0, 0], [1, 2]), T(2, 2), True, True, oracle=False)
sample("_scatter_extremum", T(3, 4, distinct=True), 1, grid([0, 0], [1, 2]), T(2, 2), False, False, oracle=False)
sample("take_along_dim", T(3, 4), grid([0], [1], [3]), 1)
sample("take_along_dim", T(1, 4), grid([0], [1], [3]), 1)
sample("take_along_dim", T(3, 4), at(0, 11, 5))
sample("index_select", T(4, 3), 0, at(0, 2, 0))
sample("index_select", T(4, 3), -1, T(dtype="int32", values=[2, 1]))
sample("index_select", T(), 0, at(0))
sample("index_add", T(4, 3), 0, at(0, 2, 0), T(3, 3))
sample("index_add", T(4, 3), 1, at(2, 1), T(4, 2), alpha=2)
sample("index_add", T(4, dtype="bfloat16"), 0, at(0, 0), T(2, dtype="bfloat16"))
sample("index_copy", T(4, 3), 0, at(0, 2), T(2, 3))
sample("index_fill", T(4, 3), 0, at(0, -2), 1.5)
sample("index_fill", T(4, 3), 1, at(0, 2), T())
sample("masked_fill", T(3, 4), T(4, dtype="bool"), -1.0)
sample("masked_fill", T(3, 4), T(3, 4, dtype="bool"), T())
