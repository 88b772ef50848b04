"""Reductions over axes, and counting, on a CUDA device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError

from .mixin import CupyMixin


class Reduction(CupyMixin):
    """See `Primitives`."""

    def sum(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.sum(array, axis=axes, dtype=_wide(array), keepdims=keepdims)

    def mean(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.mean(array, axis=axes, keepdims=keepdims)

    def prod(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.prod(array, axis=axes, dtype=_wide(array), keepdims=keepdims)

    def max(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.max(array, axis=axes, keepdims=keepdims)

    def min(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.min(array, axis=axes, keepdims=keepdims)

    def argmax(self, array: Any, axis: int | None) -> Any:
        return self.cp.argmax(array, axis)

    def argmin(self, array: Any, axis: int | None) -> Any:
        return self.cp.argmin(array, axis)

    def all(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(self.cp.all(array, axis=axes, keepdims=keepdims), array)

    def any(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(self.cp.any(array, axis=axes, keepdims=keepdims), array)

    def sum_to(self, array: Any, shape: tuple[int, ...]) -> Any:
        lead = array.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(
            axis + lead for axis, size in enumerate(shape) if size == 1 and array.shape[axis + lead] != 1
        )
        return self.cp.sum(array, axis=axes, dtype=array.dtype).reshape(shape)

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
        self.device.launch("reduction", "histogram", (), values.size, values, edges, counts, values.size, bins)
        return counts

    def largest(self, array: Any) -> int:
        """The largest element as a Python number; waits for the device, so that faults are known as well."""
        self.device.raise_faults()
        return int(array.max())


def _wide(array: Any) -> Any:
    return np.int64 if array.dtype.kind in "biu" else None


def _truth(found: Any, array: Any) -> Any:
    return found.astype(np.uint8) if array.dtype == np.uint8 else found
