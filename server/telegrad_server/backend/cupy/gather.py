"""Indexing by arrays on a CUDA device: gather and scatter.

Values for one place are written in their order, as NumPy writes them: places are sorted, and one thread folds each
place. There are no atomics, so results do not depend on timing. Indices are checked before a primitive follows them;
our kernels stay inside their arrays even so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError

from .device import FaultError
from .mixin import CupyMixin

_FOLDS = {"set": 0, "add": 1, "multiply": 2, "maximum": 3, "minimum": 4}


class Gather(CupyMixin):
    """See `Primitives`."""

    def check_index(self, index: Any, low: int, high: int, error: FaultError, *details: Any) -> Any:
        index = self._contiguous(index)
        if index.size and low >= high:
            raise error(least if (least := int(index.min())) < low else int(index.max()), *details)
        followed = self.cp.empty(index.shape, np.int64)
        options = (low, high, self.device.check_with(error, *details), self.device.fault)
        self.device.launch("gather", "check_index", (index.dtype,), index.size, index, followed, index.size, *options)
        return followed

    def true_places(self, mask: Any) -> tuple[Any, ...]:
        return self.cp.nonzero(mask)

    def count_of(self, places: tuple[Any, ...]) -> int:
        return len(places[0])

    def nonzero(self, array: Any) -> Any:
        if not array.ndim:
            return self.cp.zeros((int(array != 0), 0), np.int64)
        return self.cp.stack(self.cp.nonzero(array), -1).astype(np.int64)

    def put(self, out: Any, places: tuple[Any, ...], values: Any) -> Any:
        return self._fold_at(out, places, values, "set")

    def add_at(self, out: Any, places: tuple[Any, ...], values: Any) -> Any:
        return self._fold_at(out, places, values, "add")

    def take(self, array: Any, index: Any, axis: int) -> Any:
        return self.cp.take(array, index, axis)

    def take_along_axis(self, array: Any, index: Any, axis: int) -> Any:
        return self.take_along(array, index, axis)

    def take_along(self, array: Any, index: Any, axis: int) -> Any:
        axis %= index.ndim
        array = self._contiguous(array[_corner(index, axis)])
        index = self._contiguous(index)
        outer, n, inner = _split(index.shape, axis)
        out = self.cp.empty(index.shape, array.dtype)
        types = (array.dtype, index.dtype)
        self.device.launch("gather", "gather", types, out.size, array, index, out, outer, n, inner, array.shape[axis])
        return out

    def scatter_along(self, out: Any, index: Any, values: Any, axis: int, how: str) -> Any:
        if not out.ndim:
            values = values.reshape(-1) if hasattr(values, "dtype") else values
            return self.scatter_along(out.reshape(1), index.reshape(-1), values, 0, how).reshape(())
        axis %= out.ndim
        part = out[_corner(index, axis)]
        whole = part.shape == out.shape
        target = self._contiguous(part) if whole else part.copy(order="C")
        self._fold_columns(target, self._contiguous(index), values, axis, how)
        if not whole:
            part[...] = target
        return out

    def _fold_columns(self, out: Any, index: Any, values: Any, axis: int, how: str) -> None:
        """Fold values into a contiguous array along an axis; the index has its size along all others."""
        if hasattr(values, "dtype"):
            values = values[tuple([slice(n) for n in index.shape])].astype(out.dtype, copy=False)
        else:
            values = self.cp.full(index.shape, values, out.dtype)
        outer, n, inner = _split(index.shape, axis)
        slots = self.cp.empty(index.size, np.int64)
        self.device.launch(
            "gather", "column_slots", (index.dtype,), slots.size, index, slots, outer, n, inner, out.shape[axis]
        )
        self._fold(out, slots, self._contiguous(values), how, (1, out.size, 1))

    def _fold_at(self, out: Any, places: tuple[Any, ...], values: Any, how: str) -> Any:
        """Fold values into a contiguous array at an index as NumPy takes it: whole rows, or element by element."""
        axis = _only_index(places)
        if axis is None:
            slots = self.cp.arange(out.size).reshape(out.shape)[places]
            shape, split = slots.shape, (1, out.size, 1)
        else:
            slots = self._row_slots(self._contiguous(places[axis]), out.shape[axis])
            shape = (*out.shape[:axis], *slots.shape, *out.shape[axis + 1 :])
            split = _split(out.shape, axis)
        self._fold(out, slots.reshape(-1), self._spread(values, shape, out.dtype), how, split)
        return out

    def _row_slots(self, index: Any, size: int) -> Any:
        """An index in int64, counted from the start."""
        slots = self.cp.empty(index.shape, np.int64)
        self.device.launch("gather", "column_slots", (index.dtype,), slots.size, index, slots, 1, slots.size, 1, size)
        return slots

    def _spread(self, values: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        """The values as a contiguous array of that shape. Raises ShapeError where they do not broadcast to it."""
        values = self.cp.asarray(values, dtype)
        try:
            return self._contiguous(self.cp.broadcast_to(values, shape))
        except ValueError as error:
            raise ShapeError(
                f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing "
                f"result of shape {list(shape)}",
                argument="values",
            ) from error

    def _fold(self, out: Any, slots: Any, values: Any, how: str, split: tuple[int, int, int]) -> None:
        """Fold `values (outer, n, inner)` into `out (outer, size, inner)` at `slots (n,)`, in their order."""
        if not values.size:
            return
        outer, size, inner = split
        order = self.cp.argsort(slots)
        count = outer * slots.size * inner
        types = (out.dtype, _FOLDS[how])
        self.device.launch("gather", "fold", types, count, out, slots, order, values, outer, size, slots.size, inner)


def _corner(index: Any, axis: int) -> tuple[slice, ...]:
    """The part of an array that an index covers along all axes but one."""
    return tuple([slice(None) if place == axis else slice(n) for place, n in enumerate(index.shape)])


def _split(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """The sizes before, along and after an axis."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _only_index(places: tuple[Any, ...]) -> int | None:
    """The axis of the only index array among whole dimensions, if there is just one."""
    arrays = [axis for axis, place in enumerate(places) if hasattr(place, "dtype")]
    others = [place for place in places if not hasattr(place, "dtype")]
    return arrays[0] if len(arrays) == 1 and all(place == slice(None) for place in others) else None
