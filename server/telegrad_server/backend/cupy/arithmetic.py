"""The CuPy backend's primitives element by element, and over axes."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from .mixin import BFLOAT16, SHADOW, Arithmetic, Native, Part


class ElementPrimitives(Part):
    """Arithmetic, comparison, logic, elementary functions, reductions."""

    add = Arithmetic()
    subtract = Arithmetic()
    multiply = Arithmetic()
    divide = Arithmetic()
    negative = Native()
    absolute = Native()
    exp = Native()
    exp2 = Native()
    expm1 = Native()
    log = Native()
    log2 = Native()
    log10 = Native()
    log1p = Native()
    sqrt = Native()
    sin = Native()
    cos = Native()
    tan = Native()
    arcsin = Native()
    arccos = Native()
    arctan = Native()
    sinh = Native()
    cosh = Native()
    maximum = Arithmetic()
    minimum = Arithmetic()
    equal = Native()
    not_equal = Native()
    less = Native()
    less_equal = Native()
    greater = Native()
    greater_equal = Native()
    logical_and = Native()
    logical_or = Native()
    logical_xor = Native()
    logical_not = Native()
    bitwise_and = Native()
    bitwise_or = Native()
    bitwise_xor = Native()
    left_shift = Native()
    right_shift = Native()
    invert = Native()
    isnan = Native()
    isinf = Native()
    isfinite = Native()
    fmod = Arithmetic()
    expand_dims = Native()
    squeeze = Native()

    def sign(self, array: Any) -> Any:
        """-1, 0 or 1; 0 for nan, as in PyTorch."""
        cp = self.cp
        return cp.greater(array, 0).astype(array.dtype) - cp.less(array, 0).astype(array.dtype)

    def floor(self, array: Any) -> Any:
        """The next integer below; of integers, themselves and in their own dtype."""
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
        return self._unary("reciprocal_root", array)

    def power(self, base: Any, exponent: Any) -> Any:
        """`base ** exponent`; an integer to a negative power is 0, or ±1 for ±1, as in PyTorch."""
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

    _remainder = Arithmetic("remainder")
    _float_power = Arithmetic("power")
    _float_floor_divide = Arithmetic("floor_divide")

    def floor_divide(self, a: Any, b: Any) -> Any:
        """The quotient rounded down; for floats by PyTorch's rule, which gives infinities where NumPy gives nan."""
        quotient = self._float_floor_divide(a, b)
        if quotient.dtype.kind in "fV":
            quotient = self.where(self.cp.equal(b, 0), self.divide(a, b), quotient)
        return quotient

    def trunc_divide(self, a: Any, b: Any) -> Any:
        """The quotient rounded towards zero."""
        cp = self.cp
        if cp.result_type(a, b).kind in "fV":
            return cp.trunc(self.divide(a, b))
        quotient = cp.floor_divide(a, b)
        inexact = cp.logical_and(cp.not_equal(cp.multiply(quotient, b), a), cp.not_equal(cp.less(a, 0), cp.less(b, 0)))
        return quotient + inexact.astype(quotient.dtype)

    def remainder(self, a: Any, b: Any) -> Any:
        return self._remainder(a, b)

    def tanh(self, array: Any) -> Any:
        return self.cp.tanh(array)

    def sigmoid(self, array: Any) -> Any:
        return self._unary("sigmoid", array)

    def erf(self, array: Any) -> Any:
        return self._unary("error_function", array)

    def gelu(self, array: Any, approximate: str) -> Any:
        return self._unary("gelu", array, approximate == "tanh")

    def gelu_backward(self, grad: Any, array: Any, approximate: str) -> Any:
        array, grad = self.contiguous(array), self.contiguous(grad)
        out = self.cp.empty(array.shape, array.dtype)
        types = (array.dtype, grad.dtype)
        self.device.launch(
            "activation", "gelu_backward", types, out.size, grad, array, out, out.size, approximate == "tanh"
        )
        return out

    def _unary(self, name: str, array: Any, *options: Any) -> Any:
        """A kernel of ours on each element of a floating array."""
        array = self.contiguous(array)
        out = self.cp.empty(array.shape, array.dtype)
        self.device.launch("activation", name, (array.dtype,), out.size, array, out, out.size, *options)
        return out

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """One or the other; of two Python numbers, in float32 rather than NumPy's float64."""
        cp = self.cp
        if not (hasattr(a, "dtype") or hasattr(b, "dtype")):
            kind = np.result_type(np.asarray(a), np.asarray(b))
            kind = np.dtype(np.float32) if kind == np.float64 else kind
            return cp.where(condition, cp.asarray(a, kind), cp.asarray(b, kind))
        if not (_is_bfloat16(a) or _is_bfloat16(b)):
            return cp.where(condition, a, b)
        return cp.where(condition, self._shadow(a), self._shadow(b)).view(BFLOAT16)

    def _shadow(self, value: Any) -> Any:
        """The bits of a bfloat16 array, or of a number as such."""
        if not hasattr(value, "dtype"):
            return int(np.asarray(value, BFLOAT16).view(SHADOW))
        return value.astype(BFLOAT16, copy=False).view(SHADOW)

    def full_like(self, like: Any, value: Any) -> Any:
        return self.cp.full(like.shape, value, like.dtype)

    def cast_like(self, array: Any, like: Any) -> Any:
        return self.cp.asarray(array).astype(like.dtype)

    def broadcast_copy(self, source: Any, like: Any) -> Any:
        """The values of `source`, broadcast and cast to the shape and dtype of `like`."""
        out = self.cp.empty(like.shape, like.dtype)
        out[...] = source
        return out

    def nan_to_num(self, array: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
        """Numbers for `nan` and the infinities, by default 0 and the dtype's largest."""
        if array.dtype.kind not in "fV":
            return array.copy()
        limit = float(ml_dtypes.finfo(array.dtype).max)
        high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
        out = self.where(self.cp.isnan(array), 0.0 if nan is None else float(nan), array)
        out = self.where(self.cp.equal(array, math.inf), float(high), out)
        return self.where(self.cp.equal(array, -math.inf), float(low), out)

    # Over axes --------------------------------------------------------------------------------------------

    def sum(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        """The sum; integers and booleans add up as int64."""
        return self.cp.sum(array, axis=axes, dtype=_wide(array), keepdims=keepdims)

    def mean(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.mean(array, axis=axes, keepdims=keepdims)

    def prod(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.prod(array, axis=axes, dtype=_wide(array), keepdims=keepdims)

    def max(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.max(array, axis=axes, keepdims=keepdims)

    def min(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return self.cp.min(array, axis=axes, keepdims=keepdims)

    def argmax(self, array: Any, axis: int | None) -> Any:
        return self.cp.argmax(array, axis)

    def argmin(self, array: Any, axis: int | None) -> Any:
        return self.cp.argmin(array, axis)

    def all(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(self.cp.all(array, axis=axes, keepdims=keepdims), array)

    def any(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(self.cp.any(array, axis=axes, keepdims=keepdims), array)


def _is_bfloat16(value: Any) -> bool:
    return getattr(value, "dtype", None) == BFLOAT16


def _wide(array: Any) -> Any:
    return np.int64 if array.dtype.kind in "biu" else None


def _truth(found: Any, array: Any) -> Any:
    return found.astype(np.uint8) if array.dtype == np.uint8 else found
