"""Reductions over axes, and counting, on a CUDA device."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def _wide(array: Any) -> Any:
    return np.int64 if array.dtype.kind in "biu" else None


def _truth(found: Any, array: Any) -> Any:
    return found.astype(np.uint8) if array.dtype == np.uint8 else found
