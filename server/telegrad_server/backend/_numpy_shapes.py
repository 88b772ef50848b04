"""The NumPy backend's primitives that rearrange, index and sort."""

from __future__ import annotations

from typing import Any

import numpy as np


class ShapePrimitives:
    """Views, joins, padding, gathering and scattering, order."""

    transpose = staticmethod(np.transpose)
    concatenate = staticmethod(np.concatenate)
    stack = staticmethod(np.stack)
    tile = staticmethod(np.tile)
    repeat = staticmethod(np.repeat)
    flip = staticmethod(np.flip)
    roll = staticmethod(np.roll)
    tril = staticmethod(np.tril)
    triu = staticmethod(np.triu)
    diagonal = staticmethod(np.diagonal)

    def slice(self, array: Any, index: tuple[Any, ...]) -> Any:
        """A basic index; always an array, also where NumPy would give a number."""
        return array[(*index, Ellipsis)]

    def place(self, values: Any, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
        """Zeros of `shape` with `values` where a basic index looks."""
        out = np.zeros(shape, values.dtype)
        out[(*index, Ellipsis)] = values
        return out

    def diagonal_matrix(self, values: Any, offset: int) -> Any:
        """Square matrices with the last axis on a diagonal."""
        n = values.shape[-1]
        out = np.zeros((*values.shape[:-1], n + abs(offset), n + abs(offset)), values.dtype)
        rows = np.arange(n)
        out[..., rows + max(-offset, 0), rows + max(offset, 0)] = values
        return out

    def pad(self, array: Any, pad: tuple[int, ...], mode: str, value: float) -> Any:
        """Add elements at the ends of the last axes, the last first; remove them where negative."""
        before, after = _ends(array.ndim, pad)
        cut = [slice(max(-b, 0), n - max(-a, 0)) for b, a, n in zip(before, after, array.shape, strict=True)]
        widths = [(max(b, 0), max(a, 0)) for b, a in zip(before, after, strict=True)]
        if mode == "constant":
            return np.pad(array[tuple(cut)], widths, constant_values=array.dtype.type(value))
        return np.pad(array[tuple(cut)], widths, mode=_MODES[mode])

    def pad_backward(self, grad: Any, shape: tuple[int, ...], pad: tuple[int, ...], mode: str) -> Any:
        """The gradient of `pad`."""
        if mode == "constant":
            return self.pad(grad, tuple(-n for n in pad), mode, 0.0)
        source = np.arange(int(np.prod(shape))).reshape(shape)
        places = self.pad(source, pad, mode, 0)
        return np.bincount(places.reshape(-1), grad.reshape(-1), source.size).reshape(shape).astype(grad.dtype)

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


_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _ends(ndim: int, pad: tuple[int, ...]) -> tuple[list[int], list[int]]:
    before, after = [0] * ndim, [0] * ndim
    for i in range(len(pad) // 2):
        before[ndim - 1 - i], after[ndim - 1 - i] = pad[2 * i], pad[2 * i + 1]
    return before, after
