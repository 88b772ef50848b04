"""Indexing by arrays on the CPU: gather and scatter. Indices are checked before a primitive follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError, TelegradError

from .jit import gather as jit
from .mixin import NumpyMixin

_AT = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


class Gather(NumpyMixin):
    """See `Primitives`."""

    def check_index(self, index: Any, low: int, high: int, error: Callable[..., TelegradError], *details: Any) -> Any:
        if index.size:
            least, most = int(index.min()), int(index.max())
            if least < low or most >= high:
                raise error(least if least < low else most, *details)
        return index

    def true_places(self, mask: Any) -> tuple[Any, ...]:
        return np.nonzero(mask)

    def count_of(self, places: tuple[Any, ...]) -> int:
        return len(places[0])

    def nonzero(self, array: Any) -> Any:
        return np.argwhere(array).astype(np.int64)

    def put(self, out: Any, places: tuple[Any, ...], values: Any) -> Any:
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

    take_along_axis = staticmethod(np.take_along_axis)

    def take_along(self, array: Any, index: Any, axis: int) -> Any:
        corner = tuple([slice(None) if place == axis else slice(n) for place, n in enumerate(index.shape)])
        return np.take_along_axis(array[corner], index, axis)

    def scatter_along(self, out: Any, index: Any, values: Any, axis: int, how: str) -> Any:
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


def _by_rows(out: Any, places: tuple[Any, ...], values: Any) -> bool:
    """Whether whole rows of `out` are added to, in a form that the compiled kernel takes."""
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
