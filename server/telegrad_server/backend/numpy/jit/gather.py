"""Rows added where an index says."""

from __future__ import annotations

import numpy as np

from ._jit import kernel, share

# A thread's own columns start at a cache line.
COLUMNS = 16


@kernel
def _first_outside(index, count):
    for i in range(index.size):
        if not 0 <= index[i] < count:
            return i
    return -1


@kernel
def _add_rows(lo, hi, out, index, src, skipped):
    left, right = lo * COLUMNS, min(hi * COLUMNS, out.shape[1])
    for i in range(index.size):
        k = index[i]
        if k != skipped:
            target, row = out[k, left:right], src[i, left:right]
            for j in range(right - left):
                target[j] += row[j]


def add_rows(out: np.ndarray, index: np.ndarray, src: np.ndarray, skipped: int = -1) -> None:
    """`out[index[i]] += src[i]`, for i in order; IndexError, before anything is added, for a row `out` lacks.

    `out (rows, n)` is changed in place; `index (k,)` is int64, `src (k, n)`. Rows for `skipped` are left out.
    """
    if _first_outside(index, len(out)) >= 0:
        raise IndexError("index out of range in self")
    share(_add_rows, -(-out.shape[1] // COLUMNS), src.size, out, index, src, skipped)
