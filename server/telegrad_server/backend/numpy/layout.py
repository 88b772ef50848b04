"""Shapes, strides and views on the CPU."""

from __future__ import annotations

import numpy as np

from .mixin import NumpyMixin


class Layout(NumpyMixin):
    """See `Primitives`."""

    transpose = staticmethod(np.transpose)
    swapaxes = staticmethod(np.swapaxes)
    reshape = staticmethod(np.reshape)

    def broadcast_to(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        view = np.broadcast_to(array, shape)
        view.flags.writeable = array.flags.writeable
        return view

    expand_dims = staticmethod(np.expand_dims)
    squeeze = staticmethod(np.squeeze)
    flip = staticmethod(np.flip)
    roll = staticmethod(np.roll)

    def as_strided(self, array: np.ndarray, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> np.ndarray:
        if array.size == 0 or 0 in size:
            return np.empty(size, array.dtype)
        step = array.itemsize
        raw = array.reshape(-1).view(np.uint8)
        strides = tuple([s * step for s in stride])
        if array.dtype.kind == "V":  # NumPy makes no array of an extension dtype from a buffer
            return np.lib.stride_tricks.as_strided(array.reshape(-1)[offset:], size, strides)
        return np.ndarray(size, array.dtype, raw.data, offset * step, strides)

    def add_strided(
        self,
        values: np.ndarray,
        shape: tuple[int, ...],
        size: tuple[int, ...],
        stride: tuple[int, ...],
        offset: int,
    ) -> np.ndarray:
        out = np.zeros(shape, values.dtype)
        if 0 in size:  # where strides may be of any length
            return out
        places = np.full(size, offset, np.intp)
        for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
            places += (np.arange(count) * step).reshape((-1,) + (1,) * (len(size) - axis - 1))
        np.add.at(out.reshape(-1), places.reshape(-1), values.reshape(-1))
        return out
