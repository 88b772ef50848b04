"""The CuPy backend's primitives that gather, scatter, search and count.

Whatever is written to one place more than once is written in the order of the values, as NumPy does: places are
sorted, and each is folded by one thread. No atomics, so that results do not depend on timing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError

from .device import FaultError
from .mixin import BFLOAT16, Part

_FOLDS = {"set": 0, "add": 1, "multiply": 2, "maximum": 3, "minimum": 4}


class IndexPrimitives(Part):
    """A part of `CupyBackend`. Indices have been checked where they reach a primitive that follows them; kernels of
    ours keep inside their arrays even so.
    """

    def check_index(self, index: Any, low: int, high: int, error: FaultError, *details: Any) -> Any:
        """The index, as it may be followed: 0 stands for one outside [low, high).

        `raise_faults` will raise `error(index, *details)` for that; where there is no good index, it is raised here.
        """
        index = self.contiguous(index)
        if index.size and low >= high:
            raise error(least if (least := int(index.min())) < low else int(index.max()), *details)
        followed = self.cp.empty(index.shape, np.int64)
        options = (low, high, self.device.check_with(error, *details), self.device.fault)
        self.device.launch("gather", "check_index", (index.dtype,), index.size, index, followed, index.size, *options)
        return followed

    def true_places(self, mask: Any) -> tuple[Any, ...]:
        """The places of true elements, an index array per axis. Waits for the device: their number is a shape."""
        return self.cp.nonzero(mask)

    def count_of(self, places: tuple[Any, ...]) -> int:
        """How many elements `true_places` found."""
        return len(places[0])

    def nonzero(self, array: Any) -> Any:
        """The indices of nonzero elements, a row each."""
        if not array.ndim:
            return self.cp.zeros((int(array != 0), 0), np.int64)
        return self.cp.stack(self.cp.nonzero(array), -1).astype(np.int64)

    def put(self, out: Any, places: tuple[Any, ...], values: Any) -> Any:
        """`out` with `values` written at the places."""
        return self._fold_at(out, places, values, "set")

    def add_at(self, out: Any, places: tuple[Any, ...], values: Any) -> Any:
        """`out` with `values` added at the places, once per occurrence of a place, in their order."""
        return self._fold_at(out, places, values, "add")

    def take(self, array: Any, index: Any, axis: int) -> Any:
        return self.cp.take(array, index, axis)

    def take_along_axis(self, array: Any, index: Any, axis: int) -> Any:
        return self.take_along(array, index, axis)

    def take_along(self, array: Any, index: Any, axis: int) -> Any:
        """As `take_along_axis`, where the index may be smaller than the array along the other axes."""
        axis %= index.ndim
        array = self.contiguous(array[_corner(index, axis)])
        index = self.contiguous(index)
        outer, n, inner = _split(index.shape, axis)
        out = self.cp.empty(index.shape, array.dtype)
        types = (array.dtype, index.dtype)
        self.device.launch("gather", "gather", types, out.size, array, index, out, outer, n, inner, array.shape[axis])
        return out

    def scatter_along(self, out: Any, index: Any, values: Any, axis: int, how: str) -> Any:
        """Write, add, multiply, ... along an axis where the index says; it may be smaller along the other axes."""
        if not out.ndim:
            values = values.reshape(-1) if hasattr(values, "dtype") else values
            return self.scatter_along(out.reshape(1), index.reshape(-1), values, 0, how).reshape(())
        axis %= out.ndim
        part = out[_corner(index, axis)]
        whole = part.shape == out.shape
        target = self.contiguous(part) if whole else part.copy(order="C")
        self._fold_columns(target, self.contiguous(index), values, axis, how)
        if not whole:
            part[...] = target
        return out

    # Folding ------------------------------------------------------------------------------------------------

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
        self._fold(out, slots, self.contiguous(values), how, (1, out.size, 1))

    def _fold_at(self, out: Any, places: tuple[Any, ...], values: Any, how: str) -> Any:
        """Fold values into a contiguous array at an index as NumPy takes it: whole rows, or element by element."""
        axis = _only_index(places)
        if axis is None:
            slots = self.cp.arange(out.size).reshape(out.shape)[places]
            shape, split = slots.shape, (1, out.size, 1)
        else:
            slots = self._row_slots(self.contiguous(places[axis]), out.shape[axis])
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
            return self.contiguous(self.cp.broadcast_to(values, shape))
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

    # Counting and searching ---------------------------------------------------------------------------------

    def bincount(self, array: Any, weights: Any, least: int) -> Any:
        length = max(self.largest(array) + 1, least) if array.size else least
        if weights is None:
            out, weights = self.cp.zeros(length, np.int64), 1
        else:
            out = self.cp.zeros(length, np.float64)
        return self.add_at(out, (array,), weights) if array.size else out

    def histogram(self, array: Any, bins: int, low: float, high: float) -> Any:
        """Counts of `bins` equal intervals of [low, high], or of the elements' own range where the two are equal.

        That range has to be known to tell whether it is finite, so that finding it waits for the device.
        """
        values = self.contiguous(array.astype(np.float64))
        if low == high and values.size:
            low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ShapeError(f"torch.histc: range of [{low}, {high}] is not finite", argument="input")
        low, high = (low - 1, high + 1) if low == high else (low, high)
        edges = self.cp.asarray(np.linspace(low, high, bins + 1))
        counts = self.cp.zeros(bins, np.int64)
        self.device.launch("gather", "histogram", (), values.size, values, edges, counts, values.size, bins)
        return counts

    def searchsorted(self, rows: Any, values: Any, right: bool) -> Any:
        """Where values would go in sorted rows `(..., n)`: a vector for all, or a row for each row of values."""
        cp = self.cp
        dtype = cp.result_type(rows, values)
        rows, values = (self.contiguous(cp.asarray(x, dtype)) for x in (rows, values))
        places = cp.empty(values.shape, np.int64)
        per = values.size if rows.ndim == 1 else values.shape[-1]
        options = (values.size, max(per, 1), rows.shape[-1], right)
        self.device.launch("gather", "search", (dtype,), values.size, rows, values, places, *options)
        return places

    def isin(self, elements: Any, among: Any, invert: bool) -> Any:
        cp = self.cp
        dtype = cp.result_type(elements, among)
        wide = np.dtype(np.float32) if dtype == BFLOAT16 else dtype
        wanted = cp.sort(cp.asarray(among, wide).reshape(-1))
        elements = self.contiguous(cp.asarray(elements, wide))
        found = cp.empty(elements.shape, np.bool_)
        options = (elements.size, wanted.size, invert)
        self.device.launch("gather", "contains", (wide,), elements.size, wanted, elements, found, *options)
        return found

    def one_hot(self, index: Any, classes: int) -> Any:
        """Rows of zeros with a one."""
        return (index[..., None] == self.cp.arange(classes)).astype(np.int64)

    def largest(self, array: Any) -> int:
        """The largest element as a Python number; waits for the device, so that faults are known as well."""
        self.device.raise_faults()
        return int(array.max())

    def unique(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        """The distinct values in order, where each element went, and how often each is there; every nan is its own."""
        flat = array.reshape(-1) if axis is None else self.cp.moveaxis(array, axis, 0)
        order = self._lexical_order(flat)
        values, runs, counts = self._runs(flat[order])
        inverse = self.cp.empty(len(flat), np.int64)
        inverse[order] = runs
        values = values if axis is None else self.cp.moveaxis(values, 0, axis)
        return values, inverse.reshape(array.shape if axis is None else -1), counts

    def unique_consecutive(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        """The first of each run of equal values, each element's run, and the runs' lengths."""
        flat = array.reshape(-1) if axis is None else self.cp.moveaxis(array, axis, 0)
        values, runs, counts = self._runs(flat)
        values = values if axis is None else self.cp.moveaxis(values, 0, axis)
        return values, runs.reshape(array.shape) if axis is None else runs, counts

    def _lexical_order(self, flat: Any) -> Any:
        """The order of the rows of an array, equal ones in theirs: sorted by the last element first."""
        rows = flat.reshape(len(flat), math.prod(flat.shape[1:]))
        rows = rows.astype(np.float32) if rows.dtype == BFLOAT16 else rows
        order = self.cp.arange(len(rows))
        for column in reversed(range(rows.shape[1])):
            order = order[self.cp.argsort(rows[order, column])]
        return order

    def _runs(self, flat: Any) -> tuple[Any, Any, Any]:
        """The first of each run of equal rows, each row's run, and the runs' lengths. Waits for the device."""
        cp, count = self.cp, len(flat)
        changes = (flat[1:] != flat[:-1]).reshape(max(count - 1, 0), math.prod(flat.shape[1:])).any(1)
        starts = cp.concatenate([cp.ones(min(count, 1), np.bool_), changes])
        first = cp.nonzero(starts)[0]
        lengths = cp.diff(cp.concatenate([first, cp.full(1, count, first.dtype)]))
        return flat[first], cp.cumsum(starts, 0, np.int64) - 1, lengths.astype(np.int64)


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
