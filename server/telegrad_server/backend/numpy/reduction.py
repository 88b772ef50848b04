"""Reductions over axes, and counting, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixin import NumpyMixin


class Reduction(NumpyMixin):
    """See `Primitives`."""

    def sum(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        wide = np.int64 if array.dtype.kind in "biu" else None
        return np.add.reduce(array, axis=axes, keepdims=keepdims, dtype=wide)

    def mean(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return np.mean(array, axis=axes, keepdims=keepdims)

    def prod(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        wide = np.int64 if array.dtype.kind in "biu" else None
        return np.multiply.reduce(array, axis=axes, keepdims=keepdims, dtype=wide)

    def max(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return np.max(array, axis=axes, keepdims=keepdims)

    def min(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return np.min(array, axis=axes, keepdims=keepdims)

    def argmax(self, array: Any, axis: int | None) -> Any:
        return np.argmax(array, axis)

    def argmin(self, array: Any, axis: int | None) -> Any:
        return np.argmin(array, axis)

    def all(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(np.all(array, axis=axes, keepdims=keepdims), array)

    def any(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(np.any(array, axis=axes, keepdims=keepdims), array)

    def sum_to(self, array: Any, shape: tuple[int, ...]) -> np.ndarray:
        lead = array.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(
            axis + lead for axis, size in enumerate(shape) if size == 1 and array.shape[axis + lead] != 1
        )
        return np.add.reduce(array, axis=axes).reshape(shape)


def _truth(found: Any, array: Any) -> Any:
    return np.asarray(found).astype(np.uint8) if array.dtype == np.uint8 else found
