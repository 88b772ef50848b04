"""Arithmetic on the CPU, where NumPy does not have it as PyTorch does."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixin import NumpyMixin


class Arithmetic(NumpyMixin):
    """See `Primitives`."""

    def sign(self, array: Any) -> Any:
        return np.greater(array, 0).astype(array.dtype) - np.less(array, 0).astype(array.dtype)

    def floor(self, array: Any) -> Any:
        return np.floor(array) if array.dtype.kind in "fV" else np.array(array)

    def ceil(self, array: Any) -> Any:
        return np.ceil(array) if array.dtype.kind in "fV" else np.array(array)

    def trunc(self, array: Any) -> Any:
        return np.trunc(array) if array.dtype.kind in "fV" else np.array(array)

    def round(self, array: Any, decimals: int) -> Any:
        return np.round(array, decimals)

    def rsqrt(self, array: Any) -> Any:
        return np.reciprocal(np.sqrt(array))

    def power(self, base: Any, exponent: Any) -> Any:
        if np.result_type(base, exponent).kind not in "iu":
            return np.power(base, exponent)
        exponent = np.asarray(exponent)
        if not (exponent < 0).any():
            return np.power(base, exponent)
        base = np.asarray(base)
        odd = np.where(exponent % 2 == 1, base, base * base)
        inverse = np.where(np.abs(base) == 1, odd, 0)
        return np.where(exponent < 0, inverse, np.power(base, np.maximum(exponent, 0))).astype(base.dtype)

    def floor_divide(self, a: Any, b: Any) -> Any:
        quotient = np.floor_divide(a, b)
        if quotient.dtype.kind in "fV":
            quotient = np.where(np.equal(b, 0), np.divide(a, b), quotient)
        return quotient

    def trunc_divide(self, a: Any, b: Any) -> Any:
        if np.result_type(a, b).kind in "fV":
            return np.trunc(np.divide(a, b))
        quotient = np.floor_divide(a, b)
        inexact = (np.multiply(quotient, b) != a) & (np.less(a, 0) != np.less(b, 0))
        return quotient + inexact.astype(quotient.dtype)

    def add_into(self, total: Any, value: Any) -> Any:
        if type(total) is not np.ndarray:
            return total + value
        return np.add(total, value, out=total)

    def multiply_into(self, array: np.ndarray, number: float) -> None:
        np.multiply(array, number, out=array, casting="unsafe")
