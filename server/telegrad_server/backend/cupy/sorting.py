"""Sorting and searching on a CUDA device. Ordering works on the last axis, and `nan` is the largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixin import CupyMixin


class Sorting(CupyMixin):
    """See `Primitives`."""

    def argsort(self, rows: Any, descending: bool) -> Any:
        cp, rows = self.cp, _sortable(rows)
        if not descending:
            return cp.argsort(rows, -1)
        # Sorting the reversed row and reversing the result keeps equal elements in their order.
        return rows.shape[-1] - 1 - cp.flip(cp.argsort(cp.flip(rows, -1), -1), -1)

    def argtop(self, rows: Any, k: int, largest: bool) -> Any:
        return self.argsort(rows, largest)[..., :k]

    def argmedian(self, rows: Any, skip_nan: bool) -> Any:
        order = self.argsort(rows, False)
        n = rows.shape[-1]
        if rows.dtype.kind not in "fV":
            return order[..., (n - 1) // 2]
        count = n - self.cp.isnan(rows).sum(-1, np.int64)
        middle = self.cp.maximum(count - 1, 0) // 2
        if not skip_nan:
            middle = self.cp.where(count < n, count, middle)
        return self.take_along(order, middle[..., None], -1)[..., 0]

    def argmode(self, rows: Any) -> Any:
        order = self._contiguous(self.argsort(rows, False))
        ordered = self.take_along(rows, order, -1)
        out = self.cp.empty(rows.shape[:-1], np.int64)
        self.device.launch("sorting", "mode", (rows.dtype,), out.size, ordered, order, out, out.size, rows.shape[-1])
        return out


def _sortable(rows: Any) -> Any:
    """The rows in a dtype that CuPy can sort."""
    return rows.astype(np.float32) if rows.dtype.itemsize == 2 and rows.dtype.kind in "fV" else rows
