"""Sorting and searching on a CUDA device. Ordering works on the last axis, and `nan` is the largest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_server.backend.dtypes import BFLOAT16

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

    def searchsorted(self, rows: Any, values: Any, right: bool) -> Any:
        cp = self.cp
        dtype = cp.result_type(rows, values)
        rows, values = (self._contiguous(cp.asarray(x, dtype)) for x in (rows, values))
        places = cp.empty(values.shape, np.int64)
        per = values.size if rows.ndim == 1 else values.shape[-1]
        options = (values.size, max(per, 1), rows.shape[-1], right)
        self.device.launch("sorting", "search", (dtype,), values.size, rows, values, places, *options)
        return places

    def isin(self, elements: Any, among: Any, invert: bool) -> Any:
        cp = self.cp
        dtype = cp.result_type(elements, among)
        wide = np.dtype(np.float32) if dtype == BFLOAT16 else dtype
        wanted = cp.sort(cp.asarray(among, wide).reshape(-1))
        elements = self._contiguous(cp.asarray(elements, wide))
        found = cp.empty(elements.shape, np.bool_)
        options = (elements.size, wanted.size, invert)
        self.device.launch("sorting", "contains", (wide,), elements.size, wanted, elements, found, *options)
        return found

    def unique(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        flat = array.reshape(-1) if axis is None else self.cp.moveaxis(array, axis, 0)
        order = self._lexical_order(flat)
        values, runs, counts = self._runs(flat[order])
        inverse = self.cp.empty(len(flat), np.int64)
        inverse[order] = runs
        values = values if axis is None else self.cp.moveaxis(values, 0, axis)
        return values, inverse.reshape(array.shape if axis is None else -1), counts

    def unique_consecutive(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        flat = array.reshape(-1) if axis is None else self.cp.moveaxis(array, axis, 0)
        values, runs, counts = self._runs(flat)
        values = values if axis is None else self.cp.moveaxis(values, 0, axis)
        return values, runs.reshape(array.shape) if axis is None else runs, counts

    def _lexical_order(self, flat: Any) -> Any:
        """The order of the rows of an array, equal ones in theirs: sorted by the last element first."""
        rows = flat.reshape(len(flat), math.prod(flat.shape[1:]))
        rows = rows.astype(np.float32) if rows.dtype == BFLOAT16 else rows
        order = self.cp.arange(len(rows))
        for column in reversed(range(rows.shape[1])):
            order = order[self.cp.argsort(rows[order, column])]
        return order

    def _runs(self, flat: Any) -> tuple[Any, Any, Any]:
        """The first of each run of equal rows, each row's run, and the runs' lengths. Waits for the device."""
        cp, count = self.cp, len(flat)
        changes = (flat[1:] != flat[:-1]).reshape(max(count - 1, 0), math.prod(flat.shape[1:])).any(1)
        starts = cp.concatenate([cp.ones(min(count, 1), np.bool_), changes])
        first = cp.nonzero(starts)[0]
        lengths = cp.diff(cp.concatenate([first, cp.full(1, count, first.dtype)]))
        return flat[first], cp.cumsum(starts, 0, np.int64) - 1, lengths.astype(np.int64)


def _sortable(rows: Any) -> Any:
    """The rows in a dtype that the array module can sort."""
    return rows.astype(np.float32) if rows.dtype.itemsize == 2 and rows.dtype.kind in "fV" else rows
