"""Samples of slices, pieces, diagonals and triangles of a tensor."""

from __future__ import annotations

from .base import T, sample

WHOLE = (None, None, None)
for index in (
    (),
    (1,),
    (WHOLE, -1),
    (None, 0, None),
    ((1, None, None), (None, None, 2), (-3, -1, None)),
    (0, 2, 1),
    ((5, 9, 1),),
    (WHOLE, None, (3, 1, 1)),
):
    sample("_slice", T(2, 3, 4), index, oracle=False)
sample("_slice", T(), (None,), oracle=False)
sample("_slice", T(0, 3), (WHOLE, 1), oracle=False)
sample("_slice_backward", T(2, 2), (2, 5), (WHOLE, (1, None, 2)), oracle=False)
sample("_slice_backward", T(), (3,), (1,), oracle=False)
sample("select", T(2, 3, 4), 1, -1)
sample("narrow", T(2, 5), 1, 1, 3)
sample("narrow", T(4), 0, -2, 2)
sample("split", T(5, 2), 2)
sample("split", T(2, 6), (1, 0, 5), 1)
sample("split", T(0, 2), 3)
sample("chunk", T(5, 2), 3)
sample("chunk", T(2, 7), 4, -1)
sample("chunk", T(2, 0), 2, 1)
sample("tensor_split", T(7, 2), 3)
sample("tensor_split", T(2, 7), (1, 3, 9), 1)
sample("tensor_split", T(5), (3, 1))
sample("unbind", T(3, 2))
sample("unbind", T(2, 3, dtype="int64"), 1)
sample("diagonal", T(3, 4))
sample("diagonal", T(2, 3, 4), 1, -1, 0)
sample("diagonal", T(3, 3), -2)
sample("diagonal", T(2, 2), 5)
sample("_diagonal_backward", T(2, 2), (3, 2, 4), -1, 0, 2, oracle=False)
sample("_unfold_windows", T(7), 0, 3, 2, oracle=False)
sample("_unfold_windows", T(2, 5, 3), 1, 3, 1, oracle=False)
sample("_unfold_windows", T(), 0, 1, 1, oracle=False)
sample("_unfold_windows_backward", T(2, 4, 2), (2, 5), 1, 2, 1, oracle=False)
for triangle in ("tril", "triu"):
    sample(triangle, T(3, 4))
    sample(triangle, T(2, 3, 3), 1)
    sample(triangle, T(3, 3, dtype="bool"), -1)
sample("diag_embed", T(2, 3))
sample("diag_embed", T(2, 3), 1, 0, 2)
sample("diag", T(3))
sample("diag", T(3), -1)
sample("diag", T(3, 4), 1)
sample("diagflat", T(2, 2), 1)
sample("_slice_scatter", T(3, 4), T(3, 2), ((None, None, None), (1, None, 2)), oracle=False)
sample("select_scatter", T(3, 4), T(3), 1, -1)
sample("slice_scatter", T(5, 2), T(2, 2), 0, 1, 5, 2)
sample("diagonal_scatter", T(3, 3), T(2), 1)
