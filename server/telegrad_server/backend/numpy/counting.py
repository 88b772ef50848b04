"""Counting and searching on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError

from .mixin import NumpyMixin


class Counting(NumpyMixin):
    """See `Primitives`."""

    def bincount(self, array: Any, weights: Any, least: int) -> Any:
        return np.bincount(array, weights, least)

    def histogram(self, array: Any, bins: int, low: float, high: float) -> Any:
        values = array.astype(np.float64)
        if low == high and values.size:
            low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ShapeError(f"torch.histc: range of [{low}, {high}] is not finite", argument="input")
        low, high = (low - 1, high + 1) if low == high else (low, high)
        return np.histogram(values[~np.isnan(values)], bins, (low, high))[0]

    def largest(self, array: Any) -> int:
        return int(array.max())

    def searchsorted(self, rows: Any, values: Any, right: bool) -> Any:
        side = "right" if right else "left"
        if rows.ndim == 1:
            return np.searchsorted(rows, values, side)
        out = np.empty(values.shape, np.int64)
        for place in np.ndindex(*values.shape[:-1]):
            out[place] = np.searchsorted(rows[place], values[place], side)
        return out

    def isin(self, elements: Any, among: Any, invert: bool) -> Any:
        return np.isin(elements, among, invert=invert)

    def unique(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        wide = _comparable(array)
        values, first, inverse, counts = np.unique(wide, True, True, True, axis, equal_nan=False)
        values = np.take(array.reshape(-1) if axis is None else array, first, axis or 0)
        return values, inverse.reshape(array.shape if axis is None else -1), counts

    def unique_consecutive(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        flat = array.reshape(-1) if axis is None else np.moveaxis(array, axis, 0)
        changes = (flat[1:] != flat[:-1]).any(tuple(range(1, flat.ndim)))
        first = np.flatnonzero(np.concatenate([np.ones(min(len(flat), 1), np.bool_), changes]))
        inverse = np.zeros(len(flat), np.int64)
        inverse[1:] = np.cumsum(changes)
        counts = np.diff(np.append(first, len(flat)))
        values = flat[first] if axis is None else np.moveaxis(flat[first], 0, axis)
        return values, inverse.reshape(array.shape) if axis is None else inverse, counts

    def one_hot(self, index: Any, classes: int) -> Any:
        return (index[..., None] == np.arange(classes)).astype(np.int64)


def _comparable(array: Any) -> Any:
    """The array in a dtype that NumPy can sort."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array
