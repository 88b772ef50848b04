"""Arithmetic on a CUDA device, where CuPy does not have it as PyTorch does."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_server.backend.dtypes import BFLOAT16

from .mixin import BinaryFunction, CupyMixin


class Arithmetic(CupyMixin):
    """See `Primitives`."""

    add = BinaryFunction()
    subtract = BinaryFunction()
    multiply = BinaryFunction()
    divide = BinaryFunction()
    maximum = BinaryFunction()
    minimum = BinaryFunction()
    fmod = BinaryFunction()
    _float_power = BinaryFunction("power")
    _float_floor_divide = BinaryFunction("floor_divide")

    def sign(self, array: Any) -> Any:
        cp = self.cp
        return cp.greater(array, 0).astype(array.dtype) - cp.less(array, 0).astype(array.dtype)

    def floor(self, array: Any) -> Any:
        return self.cp.floor(array) if array.dtype.kind in "fV" else array.copy()

    def ceil(self, array: Any) -> Any:
        return self.cp.ceil(array) if array.dtype.kind in "fV" else array.copy()

    def trunc(self, array: Any) -> Any:
        return self.cp.trunc(array) if array.dtype.kind in "fV" else array.copy()

    def round(self, array: Any, decimals: int) -> Any:
        if array.dtype == BFLOAT16:
            return self.cp.around(array.astype(np.float32), decimals).astype(BFLOAT16)
        return self.cp.around(array, decimals)

    def rsqrt(self, array: Any) -> Any:
        return self._map("arithmetic", "reciprocal_root", array)

    def power(self, base: Any, exponent: Any) -> Any:
        cp = self.cp
        if cp.result_type(base, exponent).kind not in "iu":
            return self._float_power(base, exponent)
        if isinstance(exponent, int) and exponent >= 0:
            return cp.power(base, exponent)
        base = base if hasattr(base, "dtype") else cp.asarray(base, exponent.dtype)
        odd = cp.where(cp.remainder(exponent, 2) == 1, base, base * base)
        inverse = cp.where(cp.absolute(base) == 1, odd, 0)
        whole = cp.power(base, exponent if isinstance(exponent, int) else cp.maximum(exponent, 0))
        return cp.where(cp.less(exponent, 0), inverse, whole).astype(base.dtype)

    def floor_divide(self, a: Any, b: Any) -> Any:
        quotient = self._float_floor_divide(a, b)
        if quotient.dtype.kind in "fV":
            quotient = self.where(self.cp.equal(b, 0), self.divide(a, b), quotient)
        return quotient

    def trunc_divide(self, a: Any, b: Any) -> Any:
        cp = self.cp
        if cp.result_type(a, b).kind in "fV":
            return cp.trunc(self.divide(a, b))
        quotient = cp.floor_divide(a, b)
        inexact = cp.logical_and(cp.not_equal(cp.multiply(quotient, b), a), cp.not_equal(cp.less(a, 0), cp.less(b, 0)))
        return quotient + inexact.astype(quotient.dtype)

    def add_into(self, total: Any, value: Any) -> Any:
        return self.cp.add(total, value, out=total)

    def multiply_into(self, array: Any, number: float) -> None:
        self.cp.multiply(array, number, out=array)
