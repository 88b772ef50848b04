"""The NumPy backend's primitives that rearrange, index and sort."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError


class ShapePrimitives:
    """Views, joins, padding, gathering and scattering, order."""

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
        if (repeats < 0).any():
            raise ShapeError("repeats can not be negative", argument="repeats")
        return np.repeat(np.arange(count), repeats if repeats.size == count else int(repeats.reshape(())))

    # Indexing ---------------------------------------------------------------------------------------------

    def check_indices(self, index: Any, size: int, what: str) -> Any:
        """Indices counted from the front. Raises IndexError for one outside [-size, size)."""
        index = np.asarray(index, np.int64)
        if index.size:
            low, high = int(index.min()), int(index.max())
            if low < -size or high >= size:
                raise IndexError(f"{what} {high if high >= size else low} is out of bounds for size {size}")
            if low < 0:
                index = np.where(index < 0, index + size, index)
        return index

    def gather_index(self, array: Any, indices: tuple[Any, ...]) -> Any:
        return array[indices]

    def add_at(self, out: Any, indices: Any, values: Any) -> Any:
        """`out[indices] += values`, once per occurrence of an index, in their order."""
        np.add.at(out, indices, values)
        return out

    def put(self, out: Any, indices: Any, values: Any) -> Any:
        out[indices] = values
        return out

    def zeros_of(self, shape: tuple[int, ...], like: Any) -> Any:
        return np.zeros(shape, like.dtype)

    def take_along(self, array: Any, index: Any, axis: int) -> Any:
        """As `take_along_axis`, where the index may be smaller than the array along the other axes."""
        axis %= array.ndim
        corner = tuple([slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape)])
        return np.take_along_axis(array[corner], index, axis)

    def scatter_along(self, out: Any, index: Any, values: Any, axis: int, *, add: bool) -> Any:
        """Write, or add, along an axis where the index says; it may be smaller along the other axes."""
        if out.ndim == 0:
            return self.scatter_along(out.reshape(1), index.reshape(-1), np.reshape(values, -1), 0, add=add).reshape(())
        axis %= out.ndim
        places = list(np.ogrid[tuple(slice(n) for n in index.shape)])
        places[axis] = index
        if isinstance(values, np.ndarray):
            values = values[tuple(slice(n) for n in index.shape)]
        if add:
            np.add.at(out, tuple(places), values)
        else:
            out[tuple(places)] = values
        return out

    def one_hot(self, index: Any, classes: int) -> Any:
        """Rows of zeros with a one. Raises IndexError for a class that is not in [0, classes)."""
        if index.size and (int(index.min()) < 0 or int(index.max()) >= classes):
            raise IndexError("Class values must be smaller than num_classes and non-negative.")
        return (index[..., None] == np.arange(classes)).astype(np.int64)

    def nonzero(self, array: Any) -> Any:
        """The indices of nonzero elements, a row each."""
        return np.argwhere(array).astype(np.int64)

    def take(self, array: Any, index: Any, axis: int) -> Any:
        return np.take(array, index, axis)

    # Order ------------------------------------------------------------------------------------------------

    def argsort(self, array: Any, axis: int, descending: bool) -> Any:
        """Stable; `nan` counts as the largest."""
        if not descending:
            return np.argsort(array, axis=axis, kind="stable").astype(np.int64)
        # Sorting the reversed array and reversing the result keeps equal elements in their order.
        backwards = np.flip(array, axis)
        order = np.flip(np.argsort(backwards, axis=axis, kind="stable"), axis)
        return (array.shape[axis] - 1 - order).astype(np.int64)

    def cumsum(self, array: Any, axis: int) -> Any:
        return np.cumsum(array, axis=axis, dtype=np.int64 if array.dtype.kind in "biu" else None)

    def cumprod(self, array: Any, axis: int) -> Any:
        return np.cumprod(array, axis=axis, dtype=np.int64 if array.dtype.kind in "biu" else None)

    def unique(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=axis)
        return values, inverse.astype(np.int64), counts.astype(np.int64)

    def bincount(self, array: Any, weights: Any, size: int) -> Any:
        return np.bincount(array, weights, size)
