"""What the parts of `CupyBackend` are made with: primitives that the array module has as they should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import ml_dtypes
import numpy as np

from .device import CudaDevice

BFLOAT16: Final = np.dtype(ml_dtypes.bfloat16)
SHADOW: Final = np.dtype(np.int16)
"""What bfloat16 goes by where elements are only moved: the array module makes float32 of it now and then."""


class Part:
    """A part of `CupyBackend`: the array module and the device are handed in, never imported."""

    cp: Any
    device: CudaDevice

    def contiguous(self, array: Any) -> Any:
        """The array as our kernels take it; the array module keeps odd layouts."""
        return array if array.flags.c_contiguous else self.cp.ascontiguousarray(array).reshape(array.shape)


class Native:
    """A primitive that is the array module's function of that name; looked up once per backend."""

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


class Arithmetic(Native):
    """A binary function whose result is bfloat16 where one operand is and the other is a Python number.

    The array module takes such a number for float32; it is computed with as such, and the result is narrowed.
    """

    def primitive(self, cp: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        def apply(a: Any, b: Any) -> Any:
            array = b if type(a) is float else a if type(b) is float else None
            if array is None or array.dtype != BFLOAT16:
                return function(a, b)
            return function(a, b, out=cp.empty(array.shape, BFLOAT16))

        return apply
