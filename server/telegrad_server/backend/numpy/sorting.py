"""Sorting and searching on the CPU. Ordering works on the last axis, and `nan` is the largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixin import NumpyMixin

# Below this share of a row, finding the largest first is cheaper than sorting everything.
PARTIAL = 8


class Sorting(NumpyMixin):
    """See `Primitives`."""

    def argsort(self, rows: Any, descending: bool) -> Any:
        rows = _sortable(rows)
        if not descending:
            return self._stable(rows)
        # Sorting the reversed row and reversing the result keeps equal elements in their order.
        return rows.shape[-1] - 1 - np.flip(self._stable(np.flip(rows, -1)), -1)

    def _stable(self, rows: Any) -> Any:
        with self._beside(rows.shape[-1] * np.intp().itemsize):  # in which NumPy merges
            return np.argsort(rows, -1, kind="stable")

    def argtop(self, rows: Any, k: int, largest: bool) -> Any:
        n = rows.shape[-1]
        if not k or k * PARTIAL > n:
            return self.argsort(rows, largest)[..., :k]
        rows = _sortable(rows)
        near = np.argpartition(rows, n - k if largest else k, -1)
        near = np.sort(near[..., n - k :] if largest else near[..., :k], -1)
        order = self.argsort(np.take_along_axis(rows, near, -1), largest)
        return np.take_along_axis(near, order, -1)

    def argmedian(self, rows: Any, skip_nan: bool) -> Any:
        order = self.argsort(rows, False)
        n = rows.shape[-1]
        if rows.dtype.kind not in "fV":
            return order[..., (n - 1) // 2]
        count = n - np.isnan(rows).sum(-1)
        middle = np.maximum(count - 1, 0) // 2
        if not skip_nan:
            middle = np.where(count < n, count, middle)
        return np.take_along_axis(order, middle[..., None], -1)[..., 0]

    def argmode(self, rows: Any) -> Any:
        order = self.argsort(rows, False)
        ordered = np.take_along_axis(rows, order, -1)
        places = np.arange(rows.shape[-1])
        starts = np.concatenate([np.ones((*rows.shape[:-1], 1), np.bool_), ordered[..., 1:] != ordered[..., :-1]], -1)
        run = places - np.maximum.accumulate(np.where(starts, places, 0), -1)
        return np.take_along_axis(order, np.argmax(run, -1)[..., None], -1)[..., 0]


def _sortable(rows: Any) -> Any:
    """The rows in a dtype that NumPy can sort."""
    return rows.astype(np.float32) if rows.dtype.kind == "V" else rows
