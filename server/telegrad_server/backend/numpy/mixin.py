"""The base of the NumPy backend's families: NumPy's functions, and arrays in the form that compiled kernels take."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from math import prod
from typing import Any

import numpy as np

from telegrad_protocol.shapes import PAGE
from telegrad_server.backend.primitives import Primitives

from .counted import CountedMemory

Array = np.ndarray

# The dtypes of the compiled kernels.
FAST = (np.dtype(np.float32), np.dtype(np.float64))


class NumpyMixin(Primitives):
    """The base of the families. `_counted` counts the process's memory; None where nothing does."""

    _counted: CountedMemory | None = None

    def __getattr__(self, name: str) -> Any:
        """NumPy's function of each element of that name."""
        function = getattr(np, name, None)
        if not isinstance(function, np.ufunc):
            raise AttributeError(f"xp has no primitive '{name}'", name=name, obj=self)
        self.__dict__[name] = function
        return function

    def _beside(self, nbytes: int) -> AbstractContextManager[None]:
        """Counts memory that is allocated inside by other means than NumPy's allocator."""
        return nullcontext() if self._counted is None or nbytes < PAGE else self._counted.elsewhere(nbytes)


def is_half(array: Any) -> bool:
    """Whether an array is in half precision."""
    return isinstance(array, Array) and array.dtype.itemsize == 2 and array.dtype.kind in "fV"


def widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a primitive C-contiguous arrays, in float32 instead of half precision, whose results go back to half."""

    @wraps(function)
    def primitive(self: Any, first: Array, *args: Any) -> Any:
        values = [np.ascontiguousarray(x) if type(x) is Array and x.ndim else x for x in (first, *args)]
        if not is_half(first):
            return function(self, *values)
        result = function(self, *[x.astype(np.float32) if is_half(x) else x for x in values])
        if type(result) is tuple:
            return tuple([_narrow(part, first.dtype) for part in result])
        return _narrow(result, first.dtype)

    return primitive


def _narrow(result: Any, dtype: Any) -> Any:
    return result.astype(dtype) if isinstance(result, Array) and result.dtype == np.float32 else result


def wide(array: Any) -> Any:
    """The array as the compiled kernels take it: contiguous, half precision widened."""
    if is_fast(array):
        return array
    dtype = array.dtype if array.dtype in FAST else np.float32
    return np.ascontiguousarray(array, dtype).reshape(np.shape(array))


def is_fast(array: Any) -> bool:
    """Whether the compiled kernels take the array as it is."""
    return type(array) is np.ndarray and array.dtype in FAST and array.flags.c_contiguous


def rows_of(array: Array) -> Array:
    """The array as a matrix, a row per line of its last axis."""
    return array.reshape(prod(array.shape[:-1]), array.shape[-1])
