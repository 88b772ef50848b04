"""The CuPy backend's primitives that sort and scan. Ordering works on the last axis, and `nan` is the largest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .mixin import Part


class OrderPrimitives(Part):
    """A part of `CupyBackend`."""

    take_along: Callable[..., Any]

    def argsort(self, rows: Any, descending: bool) -> Any:
        """The order of each row; equal elements keep theirs."""
        cp, rows = self.cp, _sortable(rows)
        if not descending:
            return cp.argsort(rows, -1)
        # Sorting the reversed row and reversing the result keeps equal elements in their order.
        return rows.shape[-1] - 1 - cp.flip(cp.argsort(cp.flip(rows, -1), -1), -1)

    def argtop(self, rows: Any, k: int, largest: bool) -> Any:
        """Where the `k` largest, or smallest, elements of each row are, in order."""
        return self.argsort(rows, largest)[..., :k]

    def argmedian(self, rows: Any, skip_nan: bool) -> Any:
        """Where the middle of each row is, of two the lower: at the first `nan`, or among what is none."""
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
        """Where the most frequent value of each row, the smallest of several, is last."""
        order = self.contiguous(self.argsort(rows, False))
        ordered = self.take_along(rows, order, -1)
        out = self.cp.empty(rows.shape[:-1], np.int64)
        self.device.launch("scan", "mode", (rows.dtype,), out.size, ordered, order, out, out.size, rows.shape[-1])
        return out

    # Scans: each line along the axis is a block's, its elements folded in the order of a tree -----------------

    def cumsum(self, array: Any, axis: int) -> Any:
        """Running sums; integers and booleans add up as int64."""
        return self._scan("cumsum", _widened(array), axis)

    def cumprod(self, array: Any, axis: int) -> Any:
        return self._scan("cumprod", _widened(array), axis)

    def recurrence(self, array: Any, factor: Any, axis: int, reverse: bool) -> Any:
        """`out[k] = array[k] + factor[k] * out[k - 1]` along an axis, or of `out[k + 1]` in reverse."""
        factor = self.contiguous(self.cp.broadcast_to(factor, array.shape).astype(array.dtype, copy=False))
        return self._scan("recurrence", array, axis, factor, reverse)

    def running_extremum(self, array: Any, axis: int, largest: bool) -> tuple[Any, Any]:
        """The largest, or smallest, element so far along an axis, and where it was last; `nan` stays."""
        places = self.cp.empty(array.shape, np.int64)
        return self._scan("running_extremum", array, axis, places, largest), places

    def logcumsumexp(self, array: Any, axis: int) -> Any:
        """The logarithm of the running sum of exponentials."""
        return self._scan("logcumsumexp", array, axis)

    def _scan(self, name: str, array: Any, axis: int, *options: Any) -> Any:
        array, axis = self.contiguous(array), axis % array.ndim
        out = self.cp.empty(array.shape, array.dtype)
        n, inner = array.shape[axis], math.prod(array.shape[axis + 1 :])
        if out.size:
            args = (array, out, out.size // n, n, inner, *options)
            threads = 32 if n <= 32 else 256
            self.device.launch_rows("scan", name, (array.dtype,), out.size // n, *args, threads=threads)
        return out


def _widened(array: Any) -> Any:
    return array.astype(np.int64, copy=False) if array.dtype.kind in "biu" else array


def _sortable(rows: Any) -> Any:
    """The rows in a dtype that the array module can sort."""
    return rows.astype(np.float32) if rows.dtype.itemsize == 2 and rows.dtype.kind in "fV" else rows
