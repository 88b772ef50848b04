"""Shapes, strides and views on a CUDA device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .mixin import CupyFunction, CupyMixin


class Layout(CupyMixin):
    """See `Primitives`."""

    transpose = CupyFunction()
    swapaxes = CupyFunction()
    reshape = CupyFunction()

    def broadcast_to(self, array: Any, shape: tuple[int, ...]) -> Any:
        return self.cp.broadcast_to(array, shape)

    expand_dims = CupyFunction()
    squeeze = CupyFunction()
    flip = CupyFunction()
    roll = CupyFunction()

    def as_strided(self, array: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
        if array.size == 0 or 0 in size:
            return self.cp.empty(size, array.dtype)
        strides = tuple([s * array.itemsize for s in stride])
        return self.cp.lib.stride_tricks.as_strided(array.reshape(-1)[offset:], size, strides)

    def add_strided(
        self,
        values: Any,
        shape: tuple[int, ...],
        size: tuple[int, ...],
        stride: tuple[int, ...],
        offset: int,
    ) -> Any:
        cp = self.cp
        if 0 in size:  # where strides may be of any length
            return cp.zeros(shape, values.dtype)
        places = cp.full(size, offset, np.int64)
        for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
            places += (cp.arange(count) * step).reshape((-1,) + (1,) * (len(size) - axis - 1))
        out = cp.zeros(math.prod(shape), values.dtype)
        return self.add_at(out, (places.reshape(-1),), values.reshape(-1)).reshape(shape)
