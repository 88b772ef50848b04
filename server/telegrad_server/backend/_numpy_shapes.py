"""The NumPy backend's primitives that move elements: views, joining, turning, padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError, TooLarge
from telegrad_protocol.limits import LIMITS


class ShapePrimitives:
    """A part of `NumpyBackend`."""

    transpose = staticmethod(np.transpose)
    concatenate = staticmethod(np.concatenate)
    stack = staticmethod(np.stack)
    tile = staticmethod(np.tile)
    flip = staticmethod(np.flip)
    roll = staticmethod(np.roll)
    tril = staticmethod(np.tril)
    triu = staticmethod(np.triu)

    def diagonal(self, array: Any, offset: int, axis1: int, axis2: int) -> Any:
        """A view of the diagonal of two axes, as a new last axis; writable where the array is."""
        view = np.diagonal(array, offset, axis1, axis2)
        view.flags.writeable = array.flags.writeable
        return view

    def windows(self, array: Any, axis: int, size: int, step: int) -> Any:
        """A view of windows of `size` elements of an axis, `step` apart, as a new last axis."""
        if not array.ndim:
            return array.reshape(1)[:size]
        views = np.lib.stride_tricks.sliding_window_view(array, size, axis, writeable=array.flags.writeable)
        return views[(slice(None),) * (axis % array.ndim) + (slice(None, None, step),)]

    def pad(self, array: Any, pad: tuple[int, ...], value: Any) -> Any:
        """A border of one value: two widths per axis, from the last axis on backwards; negative ones cut off."""
        sizes, source, target = list(array.shape), [slice(None)] * array.ndim, [slice(None)] * array.ndim
        for place in range(len(pad) // 2):
            axis, before, after = array.ndim - 1 - place, pad[2 * place], pad[2 * place + 1]
            length = max(sizes[axis] + min(before, 0) + min(after, 0), 0)
            source[axis] = slice(max(-before, 0), max(-before, 0) + length)
            target[axis] = slice(max(before, 0), max(before, 0) + length)
            sizes[axis] += before + after
        out = np.full(sizes, value, array.dtype)
        out[tuple(target)] = array[tuple(source)]
        return out

    def repeated_index(self, repeats: Any, count: int) -> Any:
        """Each of 0 ... `count` - 1 as many times as `repeats`, one number for all or one each, says."""
        return repeated_index(repeats, count)


def repeated_index(repeats: Any, count: int) -> Any:
    """Each of 0 ... `count` - 1 as often as `repeats` says: NumPy does not see that a sum of counts overflows."""
    if (repeats < 0).any():
        raise ShapeError("repeats can not be negative", argument="repeats")
    wanted = np.broadcast_to(repeats.reshape(-1), (count,))
    total = float(wanted.sum(dtype=np.float64))
    if total > LIMITS.elements:
        raise TooLarge(f"repeats add up to {total:g}, more than the {LIMITS.elements} elements of a tensor")
    return np.repeat(np.arange(count), wanted)
