"""Running folds along an axis, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixin import NumpyMixin


class Scan(NumpyMixin):
    """See `Primitives`."""

    def cumsum(self, array: Any, axis: int) -> Any:
        return _widened(np.cumsum, array, axis)

    def cumprod(self, array: Any, axis: int) -> Any:
        return _widened(np.cumprod, array, axis)

    def recurrence(self, array: Any, factor: Any, axis: int, reverse: bool) -> Any:
        out = np.array(np.moveaxis(array, axis, 0))
        factor = np.moveaxis(factor, axis, 0)
        places = range(len(out) - 2, -1, -1) if reverse else range(1, len(out))
        for k in places:
            out[k] += factor[k] * out[k + 1 if reverse else k - 1]
        return np.moveaxis(out, 0, axis)

    def running_extremum(self, array: Any, axis: int, largest: bool) -> tuple[Any, Any]:
        values = (np.maximum if largest else np.minimum).accumulate(array, axis)
        new = array == values
        if array.dtype.kind in "fV":
            new |= np.isnan(array)
        places = np.arange(array.shape[axis]).reshape((-1,) + (1,) * (array.ndim - 1 - axis % array.ndim))
        return values, np.maximum.accumulate(np.where(new, places, 0), axis)

    def logcumsumexp(self, array: Any, axis: int) -> Any:
        wide = array.astype(np.float32) if array.dtype.itemsize == 2 else array
        return np.logaddexp.accumulate(wide, axis).astype(array.dtype)


def _widened(scan: Any, array: Any, axis: int) -> Any:
    if array.dtype.kind in "biu":
        return scan(array, axis, np.int64)
    if array.dtype.itemsize == 2:
        return scan(array, axis, np.float32).astype(array.dtype)
    return scan(array, axis)
