"""The NumPy backend's primitives that gather, scatter, search and count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError, TelegradError

from .jit import gather as jit

_AT = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


class IndexPrimitives:
    """A part of `NumpyBackend`. Indices have been checked where they reach a primitive that follows them."""

    def check_index(self, index: Any, low: int, high: int, error: Callable[..., TelegradError], *details: Any) -> Any:
        """The index, as it may be followed. Raises `error(index, *details)` for one outside [low, high)."""
        if index.size:
            least, most = int(index.min()), int(index.max())
            if least < low or most >= high:
                raise error(least if least < low else most, *details)
        return index

    def true_places(self, mask: Any) -> tuple[Any, ...]:
        """The places of true elements, an index array per axis; of a 0-d mask, along a new axis."""
        return np.nonzero(mask)

    def count_of(self, places: tuple[Any, ...]) -> int:
        """How many elements `true_places` found."""
        return len(places[0])

    def nonzero(self, array: Any) -> Any:
        """The indices of nonzero elements, a row each."""
        return np.argwhere(array).astype(np.int64)

    def put(self, out: Any, places: tuple[Any, ...], values: Any) -> Any:
        """`out` with `values` written at the places."""
        try:
            out[places] = values
        except ValueError:
            raise ShapeError(
                f"shape mismatch: value tensor of shape {list(np.shape(values))} cannot be broadcast to indexing "
                f"result of shape {list(out[places].shape)}",
                argument="values",
            ) from None
        return out

    def add_at(self, out: Any, places: tuple[Any, ...], values: Any) -> Any:
        """`out` with `values` added at the places, once per occurrence of a place, in their order."""
        if _by_rows(out, places, values):
            index = np.where(places[0] < 0, places[0] + len(out), places[0]).astype(np.int64)
            rows = np.ascontiguousarray(values).reshape(index.size, -1)
            jit.add_rows(out.reshape(len(out), -1), index.reshape(-1), rows)
            return out
        try:
            np.add.at(out, places, values)
        except ValueError:
            raise ShapeError(
                f"shape mismatch: value tensor of shape {list(np.shape(values))} cannot be broadcast to indexing "
                f"result of shape {list(out[places].shape)}",
                argument="values",
            ) from None
        return out

    def take(self, array: Any, index: Any, axis: int) -> Any:
        return np.take(array, index, axis)

    def take_along(self, array: Any, index: Any, axis: int) -> Any:
        """As `take_along_axis`, where the index may be smaller than the array along the other axes."""
        corner = tuple([slice(None) if place == axis else slice(n) for place, n in enumerate(index.shape)])
        return np.take_along_axis(array[corner], index, axis)

    def scatter_along(self, out: Any, index: Any, values: Any, axis: int, how: str) -> Any:
        """Write, add, multiply, ... along an axis where the index says; it may be smaller along the other axes."""
        if not out.ndim:
            values = np.reshape(values, -1) if isinstance(values, np.ndarray) else values
            return self.scatter_along(out.reshape(1), index.reshape(-1), values, 0, how).reshape(())
        places: list[Any] = list(np.ogrid[tuple([slice(n) for n in index.shape])])
        places[axis] = index
        if isinstance(values, np.ndarray):
            values = values[tuple([slice(n) for n in index.shape])]
        if how == "set":
            out[tuple(places)] = values
        else:
            _AT[how].at(out, tuple(places), values)
        return out

    # Counting and searching ---------------------------------------------------------------------------------

    def bincount(self, array: Any, weights: Any, least: int) -> Any:
        return np.bincount(array, weights, least)

    def histogram(self, array: Any, bins: int, low: float, high: float) -> Any:
        """Counts of `bins` equal intervals of [low, high], or of the elements' own range where the two are equal."""
        values = array.astype(np.float64)
        if low == high and values.size:
            low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ShapeError(f"torch.histc: range of [{low}, {high}] is not finite", argument="input")
        low, high = (low - 1, high + 1) if low == high else (low, high)
        return np.histogram(values[~np.isnan(values)], bins, (low, high))[0]

    def searchsorted(self, rows: Any, values: Any, right: bool) -> Any:
        """Where values would go in sorted rows `(..., n)`: a vector for all, or a row for each row of values."""
        side = "right" if right else "left"
        if rows.ndim == 1:
            return np.searchsorted(rows, values, side)
        out = np.empty(values.shape, np.int64)
        for place in np.ndindex(*values.shape[:-1]):
            out[place] = np.searchsorted(rows[place], values[place], side)
        return out

    def isin(self, elements: Any, among: Any, invert: bool) -> Any:
        return np.isin(elements, among, invert=invert)

    def one_hot(self, index: Any, classes: int) -> Any:
        """Rows of zeros with a one."""
        return (index[..., None] == np.arange(classes)).astype(np.int64)

    def largest(self, array: Any) -> int:
        """The largest element as a Python number."""
        return int(array.max())

    def unique(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        """The distinct values in order, where each element went, and how often each is there; every nan is its own."""
        wide = _comparable(array)
        values, first, inverse, counts = np.unique(wide, True, True, True, axis, equal_nan=False)
        values = np.take(array.reshape(-1) if axis is None else array, first, axis or 0)
        return values, inverse.reshape(array.shape if axis is None else -1), counts

    def unique_consecutive(self, array: Any, axis: int | None) -> tuple[Any, Any, Any]:
        """The first of each run of equal values, each element's run, and the runs' lengths."""
        flat = array.reshape(-1) if axis is None else np.moveaxis(array, axis, 0)
        changes = (flat[1:] != flat[:-1]).any(tuple(range(1, flat.ndim)))
        first = np.flatnonzero(np.concatenate([np.ones(min(len(flat), 1), np.bool_), changes]))
        inverse = np.zeros(len(flat), np.int64)
        inverse[1:] = np.cumsum(changes)
        counts = np.diff(np.append(first, len(flat)))
        values = flat[first] if axis is None else np.moveaxis(flat[first], 0, axis)
        return values, inverse.reshape(array.shape) if axis is None else inverse, counts


def _comparable(array: Any) -> Any:
    """The array in a dtype that NumPy can sort."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _by_rows(out: Any, places: tuple[Any, ...], values: Any) -> bool:
    """Whether whole rows of `out` are added to, in a form the fused kernel takes."""
    return (
        len(places) == 1
        and isinstance(places[0], np.ndarray)
        and out.ndim > 1
        and out.size > 0
        and out.dtype in (np.float32, np.float64)
        and np.shape(values) == (*places[0].shape, *out.shape[1:])
        and values.dtype == out.dtype
        and values.size > 0
    )
