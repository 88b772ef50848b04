"""The NumPy backend's primitives that sort and scan. Ordering works on the last axis, and `nan` is the largest."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

# Below this share of a row, finding the largest first is cheaper than sorting everything.
PARTIAL = 8


class OrderPrimitives:
    """A part of `NumpyBackend`."""

    def _beside(self, nbytes: int) -> AbstractContextManager[None]:
        raise NotImplementedError

    def argsort(self, rows: Any, descending: bool) -> Any:
        """The order of each row; equal elements keep theirs."""
        rows = _sortable(rows)
        if not descending:
            return self._stable(rows)
        # Sorting the reversed row and reversing the result keeps equal elements in their order.
        return rows.shape[-1] - 1 - np.flip(self._stable(np.flip(rows, -1)), -1)

    def _stable(self, rows: Any) -> Any:
        with self._beside(rows.shape[-1] * np.intp().itemsize):  # in which NumPy merges
            return np.argsort(rows, -1, kind="stable")

    def argtop(self, rows: Any, k: int, largest: bool) -> Any:
        """Where the `k` largest, or smallest, elements of each row are, in order."""
        n = rows.shape[-1]
        if not k or k * PARTIAL > n:
            return self.argsort(rows, largest)[..., :k]
        rows = _sortable(rows)
        near = np.argpartition(rows, n - k if largest else k, -1)
        near = np.sort(near[..., n - k :] if largest else near[..., :k], -1)
        order = self.argsort(np.take_along_axis(rows, near, -1), largest)
        return np.take_along_axis(near, order, -1)

    def argmedian(self, rows: Any, skip_nan: bool) -> Any:
        """Where the middle of each row is, of two the lower: at the first `nan`, or among what is none."""
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
        """Where the most frequent value of each row, the smallest of several, is last."""
        order = self.argsort(rows, False)
        ordered = np.take_along_axis(rows, order, -1)
        places = np.arange(rows.shape[-1])
        starts = np.concatenate([np.ones((*rows.shape[:-1], 1), np.bool_), ordered[..., 1:] != ordered[..., :-1]], -1)
        run = places - np.maximum.accumulate(np.where(starts, places, 0), -1)
        return np.take_along_axis(order, np.argmax(run, -1)[..., None], -1)[..., 0]

    def cumsum(self, array: Any, axis: int) -> Any:
        """Running sums; integers and booleans add up as int64."""
        return _widened(np.cumsum, array, axis)

    def cumprod(self, array: Any, axis: int) -> Any:
        return _widened(np.cumprod, array, axis)

    def recurrence(self, array: Any, factor: Any, axis: int, reverse: bool) -> Any:
        """`out[k] = array[k] + factor[k] * out[k - 1]` along an axis, or of `out[k + 1]` in reverse."""
        out = np.array(np.moveaxis(array, axis, 0))
        factor = np.moveaxis(factor, axis, 0)
        places = range(len(out) - 2, -1, -1) if reverse else range(1, len(out))
        for k in places:
            out[k] += factor[k] * out[k + 1 if reverse else k - 1]
        return np.moveaxis(out, 0, axis)

    def running_extremum(self, array: Any, axis: int, largest: bool) -> tuple[Any, Any]:
        """The largest, or smallest, element so far along an axis, and where it was last; `nan` stays."""
        values = (np.maximum if largest else np.minimum).accumulate(array, axis)
        new = array == values
        if array.dtype.kind in "fV":
            new |= np.isnan(array)
        places = np.arange(array.shape[axis]).reshape((-1,) + (1,) * (array.ndim - 1 - axis % array.ndim))
        return values, np.maximum.accumulate(np.where(new, places, 0), axis)

    def logcumsumexp(self, array: Any, axis: int) -> Any:
        """The logarithm of the running sum of exponentials."""
        wide = array.astype(np.float32) if array.dtype.itemsize == 2 else array
        return np.logaddexp.accumulate(wide, axis).astype(array.dtype)


def _widened(scan: Any, array: Any, axis: int) -> Any:
    if array.dtype.kind in "biu":
        return scan(array, axis, np.int64)
    if array.dtype.itemsize == 2:
        return scan(array, axis, np.float32).astype(array.dtype)
    return scan(array, axis)


def _sortable(rows: Any) -> Any:
    """The rows in a dtype that NumPy can sort."""
    return rows.astype(np.float32) if rows.dtype.kind == "V" else rows
