"""Counting and searching on a CUDA device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError
from telegrad_server.backend.dtypes import BFLOAT16

from .mixin import CupyMixin


class Counting(CupyMixin):
    """See `Primitives`."""

    def bincount(self, array: Any, weights: Any, least: int) -> Any:
        length = max(self.largest(array) + 1, least) if array.size else least
        if weights is None:
            out, weights = self.cp.zeros(length, np.int64), 1
        else:
            out = self.cp.zeros(length, np.float64)
        return self.add_at(out, (array,), weights) if array.size else out

    def histogram(self, array: Any, bins: int, low: float, high: float) -> Any:
        """Counts of `bins` equal intervals of [low, high], or of the elements' own range where the two are equal.

        That range has to be known to tell whether it is finite, so that finding it waits for the device.
        """
        values = self._contiguous(array.astype(np.float64))
        if low == high and values.size:
            low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ShapeError(f"torch.histc: range of [{low}, {high}] is not finite", argument="input")
        low, high = (low - 1, high + 1) if low == high else (low, high)
        edges = self.cp.asarray(np.linspace(low, high, bins + 1))
        counts = self.cp.zeros(bins, np.int64)
        self.device.launch("counting", "histogram", (), values.size, values, edges, counts, values.size, bins)
        return counts

    def largest(self, array: Any) -> int:
        """The largest element as a Python number; waits for the device, so that faults are known as well."""
        self.device.raise_faults()
        return int(array.max())

    def searchsorted(self, rows: Any, values: Any, right: bool) -> Any:
        cp = self.cp
        dtype = cp.result_type(rows, values)
        rows, values = (self._contiguous(cp.asarray(x, dtype)) for x in (rows, values))
        places = cp.empty(values.shape, np.int64)
        per = values.size if rows.ndim == 1 else values.shape[-1]
        options = (values.size, max(per, 1), rows.shape[-1], right)
        self.device.launch("counting", "search", (dtype,), values.size, rows, values, places, *options)
        return places

    def isin(self, elements: Any, among: Any, invert: bool) -> Any:
        cp = self.cp
        dtype = cp.result_type(elements, among)
        wide = np.dtype(np.float32) if dtype == BFLOAT16 else dtype
        wanted = cp.sort(cp.asarray(among, wide).reshape(-1))
        elements = self._contiguous(cp.asarray(elements, wide))
        found = cp.empty(elements.shape, np.bool_)
        options = (elements.size, wanted.size, invert)
        self.device.launch("counting", "contains", (wide,), elements.size, wanted, elements, found, *options)
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

    def one_hot(self, index: Any, classes: int) -> Any:
        return (index[..., None] == self.cp.arange(classes)).astype(np.int64)
