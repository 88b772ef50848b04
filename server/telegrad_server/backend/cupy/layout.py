"""The CuPy backend's primitives that move elements: views, joining, turning, padding."""

from __future__ import annotations

from typing import Any

from telegrad_server.backend.numpy.layout import repeated_index

from .mixin import BFLOAT16, SHADOW, Native, Part


class ShapePrimitives(Part):
    """A part of `CupyBackend`."""

    transpose = Native()
    swapaxes = Native()
    reshape = Native()
    concatenate = Native()
    stack = Native()
    tile = Native()
    flip = Native()
    roll = Native()

    def broadcast_to(self, array: Any, shape: tuple[int, ...]) -> Any:
        """A view of that shape; whether it may be written to is told by its strides."""
        return self.cp.broadcast_to(array, shape)

    def tril(self, m: Any, k: int = 0) -> Any:
        return self.cp.tril(m.view(SHADOW), k).view(BFLOAT16) if m.dtype == BFLOAT16 else self.cp.tril(m, k)

    def triu(self, m: Any, k: int = 0) -> Any:
        return self.cp.triu(m.view(SHADOW), k).view(BFLOAT16) if m.dtype == BFLOAT16 else self.cp.triu(m, k)

    def diagonal(self, array: Any, offset: int, axis1: int, axis2: int) -> Any:
        """A view of the diagonal of two axes, as a new last axis; writable where the array is."""
        return self.cp.diagonal(array, offset, axis1, axis2)

    def windows(self, array: Any, axis: int, size: int, step: int) -> Any:
        """A view of windows of `size` elements of an axis, `step` apart, as a new last axis."""
        if not array.ndim:
            return array.reshape(1)[:size]
        views = self.cp.lib.stride_tricks.sliding_window_view(array, size, axis)
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
        out = self.cp.full(tuple(sizes), value, array.dtype)
        out[tuple(target)] = array[tuple(source)]
        return out

    def repeated_index(self, repeats: Any, count: int) -> Any:
        """Each of 0 ... `count` - 1 as many times as `repeats`, one number for all or one each, says.

        How long it is depends on the values, so that this waits for them.
        """
        return self.cp.asarray(repeated_index(repeats.get(), count))
