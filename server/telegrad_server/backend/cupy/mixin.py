"""The base of the CuPy backend's families: CuPy's functions, and arrays in the form that our kernels take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from telegrad_server.backend.constants import THREADS_PER_BLOCK
from telegrad_server.backend.dtypes import BFLOAT16
from telegrad_server.backend.primitives import Primitives

from .device import DeviceSession

SHADOW: Final = np.dtype(np.int16)
"""Stands for bfloat16 where elements are only moved: CuPy makes float32 of bfloat16 now and then."""

NULL: Final = np.int64(0)


class CupyMixin(Primitives):
    """The base of the families. CuPy and the device are handed in, never imported."""

    cp: Any
    device: DeviceSession

    def __getattr__(self, name: str) -> Any:
        """CuPy's function of each element of that name."""
        if name.startswith("_") or not isinstance(getattr(np, name, None), np.ufunc):
            raise AttributeError(f"xp has no primitive '{name}'", name=name, obj=self)
        function = self.__dict__[name] = getattr(self.cp, name)
        return function

    def _contiguous(self, array: Any) -> Any:
        """The array as our kernels take it; CuPy keeps odd layouts."""
        return array if array.flags.c_contiguous else self.cp.ascontiguousarray(array).reshape(array.shape)

    def _map(self, family: str, name: str, array: Any, *options: Any) -> Any:
        """The results of a kernel of ours on each element of a floating array."""
        array = self._contiguous(array)
        out = self.cp.empty(array.shape, array.dtype)
        self.device.launch(family, name, (array.dtype,), out.size, array, out, out.size, *options)
        return out

    def _int64(self, index: Any) -> Any:
        """An index as our kernels take it."""
        return self._contiguous(index.astype(np.int64, copy=False))


class CupyFunction:
    """A primitive that is CuPy's function of that name; looked up once per backend."""

    def __init__(self, function: str | None = None) -> None:
        self.function = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, backend: Any, owner: type | None = None) -> Any:
        if backend is None:
            return self
        found = backend.__dict__[self.name] = self.primitive(
            backend.cp, getattr(backend.cp, self.function or self.name)
        )
        return found

    def primitive(self, cp: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


class BinaryFunction(CupyFunction):
    """A binary function whose result is bfloat16 where one operand is and the other is a Python number.

    CuPy takes such a number for float32; it is computed with as such, and the result is narrowed.
    """

    def primitive(self, cp: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        def apply(a: Any, b: Any) -> Any:
            array = b if type(a) is float else a if type(b) is float else None
            if array is None or array.dtype != BFLOAT16:
                return function(a, b)
            return function(a, b, out=cp.empty(array.shape, BFLOAT16))

        return apply


def threads_for(count: int) -> int:
    """How many threads share a row: a power of two, as the reductions of `blocks.cuh` need it."""
    return min(THREADS_PER_BLOCK, max(32, 1 << (count - 1).bit_length()))


def or_null(array: Any | None) -> Any:
    """The array, or the null pointer where there is none."""
    return NULL if array is None else array


def wide_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype that kernels compute in for floating arrays of this one."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)
