"""The NumPy backend's primitives element by element, and over axes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from . import jit

_FAST = (np.dtype(np.float32), np.dtype(np.float64))
# From so many elements on, choosing one by one costs more than the call of a compiled kernel.
MANY = 1 << 12


class ElementPrimitives:
    """Arithmetic, comparison, logic, elementary functions, reductions."""

    add = staticmethod(np.add)
    subtract = staticmethod(np.subtract)
    multiply = staticmethod(np.multiply)
    divide = staticmethod(np.divide)
    negative = staticmethod(np.negative)
    absolute = staticmethod(np.absolute)
    exp = staticmethod(np.exp)
    exp2 = staticmethod(np.exp2)
    expm1 = staticmethod(np.expm1)
    log = staticmethod(np.log)
    log2 = staticmethod(np.log2)
    log10 = staticmethod(np.log10)
    log1p = staticmethod(np.log1p)
    sqrt = staticmethod(np.sqrt)
    sin = staticmethod(np.sin)
    cos = staticmethod(np.cos)
    tan = staticmethod(np.tan)
    arcsin = staticmethod(np.arcsin)
    arccos = staticmethod(np.arccos)
    arctan = staticmethod(np.arctan)
    sinh = staticmethod(np.sinh)
    cosh = staticmethod(np.cosh)
    maximum = staticmethod(np.maximum)
    minimum = staticmethod(np.minimum)
    equal = staticmethod(np.equal)
    not_equal = staticmethod(np.not_equal)
    less = staticmethod(np.less)
    less_equal = staticmethod(np.less_equal)
    greater = staticmethod(np.greater)
    greater_equal = staticmethod(np.greater_equal)
    logical_and = staticmethod(np.logical_and)
    logical_or = staticmethod(np.logical_or)
    logical_xor = staticmethod(np.logical_xor)
    logical_not = staticmethod(np.logical_not)
    bitwise_and = staticmethod(np.bitwise_and)
    bitwise_or = staticmethod(np.bitwise_or)
    bitwise_xor = staticmethod(np.bitwise_xor)
    left_shift = staticmethod(np.left_shift)
    right_shift = staticmethod(np.right_shift)
    invert = staticmethod(np.invert)
    isnan = staticmethod(np.isnan)
    isinf = staticmethod(np.isinf)
    isfinite = staticmethod(np.isfinite)
    fmod = staticmethod(np.fmod)
    take_along_axis = staticmethod(np.take_along_axis)
    expand_dims = staticmethod(np.expand_dims)
    squeeze = staticmethod(np.squeeze)

    def sign(self, array: Any) -> Any:
        """-1, 0 or 1; 0 for nan, as in PyTorch."""
        return np.greater(array, 0).astype(array.dtype) - np.less(array, 0).astype(array.dtype)

    def floor(self, array: Any) -> Any:
        """The next integer below; of integers, themselves and in their own dtype."""
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
        """`base ** exponent`; an integer to a negative power is 0, or ±1 for ±1, as in PyTorch."""
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
        """The quotient rounded down; for floats by PyTorch's rule, which gives infinities where NumPy gives nan."""
        quotient = np.floor_divide(a, b)
        if quotient.dtype.kind in "fV":
            quotient = np.where(np.equal(b, 0), np.divide(a, b), quotient)
        return quotient

    def trunc_divide(self, a: Any, b: Any) -> Any:
        """The quotient rounded towards zero."""
        if np.result_type(a, b).kind in "fV":
            return np.trunc(np.divide(a, b))
        quotient = np.floor_divide(a, b)
        inexact = (np.multiply(quotient, b) != a) & (np.less(a, 0) != np.less(b, 0))
        return quotient + inexact.astype(quotient.dtype)

    def remainder(self, a: Any, b: Any) -> Any:
        return np.remainder(a, b)

    def tanh(self, array: Any) -> Any:
        return jit.activation.tanh_forward(array) if _is_fast(array) else np.tanh(array)

    def sigmoid(self, array: Any) -> Any:
        if _is_fast(array):
            return jit.activation.sigmoid_forward(array)
        return np.divide(1, np.add(np.exp(np.negative(array)), 1))

    def erf(self, array: Any) -> Any:
        return jit.activation.erf_forward(_wide(array)).astype(array.dtype, copy=False)

    def gelu(self, array: Any, approximate: str) -> Any:
        wide = _wide(array)
        return jit.activation.gelu_forward(wide, approximate).astype(array.dtype, copy=False)

    def gelu_backward(self, grad: Any, array: Any, approximate: str) -> Any:
        wide = _wide(array)
        return jit.activation.gelu_backward(_wide(grad), wide, approximate).astype(array.dtype, copy=False)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """One or the other; of two Python numbers, in float32 rather than NumPy's float64."""
        chosen = _chosen(condition, a, b)
        numbers = not hasattr(a, "dtype") and not hasattr(b, "dtype")
        return chosen.astype(np.float32) if numbers and chosen.dtype == np.float64 else chosen

    def full_like(self, like: Any, value: Any) -> Any:
        return np.full(np.shape(like), value, like.dtype)

    def cast_like(self, array: Any, like: Any) -> Any:
        return np.asarray(array).astype(like.dtype)

    def broadcast_copy(self, source: Any, like: Any) -> Any:
        """The values of `source`, broadcast and cast to the shape and dtype of `like`."""
        out = np.empty(np.shape(like), like.dtype)
        np.copyto(out, source, casting="unsafe")
        return out

    def nan_to_num(self, array: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
        """Numbers for `nan` and the infinities, by default 0 and the dtype's largest."""
        if array.dtype.kind == "V":  # NumPy leaves what an extension dtype holds
            limit = float(ml_dtypes.finfo(array.dtype).max)
            high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
            return self.nan_to_num(array.astype(np.float32), nan, high, low).astype(array.dtype)
        return np.nan_to_num(array, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)

    # Over axes --------------------------------------------------------------------------------------------

    def sum(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        """The sum; integers and booleans add up as int64."""
        wide = np.int64 if array.dtype.kind in "biu" else None
        return np.add.reduce(array, axis=axes, keepdims=keepdims, dtype=wide)

    def mean(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return np.mean(array, axis=axes, keepdims=keepdims)

    def prod(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        wide = np.int64 if array.dtype.kind in "biu" else None
        return np.multiply.reduce(array, axis=axes, keepdims=keepdims, dtype=wide)

    def max(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return np.max(array, axis=axes, keepdims=keepdims)

    def min(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return np.min(array, axis=axes, keepdims=keepdims)

    def argmax(self, array: Any, axis: int | None) -> Any:
        return np.argmax(array, axis)

    def argmin(self, array: Any, axis: int | None) -> Any:
        return np.argmin(array, axis)

    def all(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(np.all(array, axis=axes, keepdims=keepdims), array)

    def any(self, array: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        return _truth(np.any(array, axis=axes, keepdims=keepdims), array)


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    """As NumPy's `where`, which jumps for each element, by a kernel of ours where there are many."""
    if np.size(condition) < MANY or condition.dtype != np.bool_:
        return np.where(condition, a, b)
    arrays = [x for x in (a, b) if hasattr(x, "dtype")]
    if not arrays or arrays[0].dtype not in _FAST or arrays[-1].dtype != arrays[0].dtype:
        return np.where(condition, a, b)
    values = [condition, a, b]
    if not all(x.shape == condition.shape and x.flags.c_contiguous for x in (condition, *arrays)):
        shape = np.broadcast_shapes(condition.shape, *[x.shape for x in arrays])
        values = [np.ascontiguousarray(np.broadcast_to(x, shape)) if hasattr(x, "dtype") else x for x in values]
    return jit.activation.chosen(*values)


def _wide(array: Any) -> Any:
    """The array as the fused kernels take it: contiguous, half precision widened."""
    if _is_fast(array):
        return array
    dtype = array.dtype if array.dtype in _FAST else np.float32
    return np.ascontiguousarray(array, dtype).reshape(np.shape(array))


def _is_fast(array: Any) -> bool:
    return type(array) is np.ndarray and array.dtype in _FAST and array.flags.c_contiguous


def _truth(found: Any, array: Any) -> Any:
    return np.asarray(found).astype(np.uint8) if array.dtype == np.uint8 else found
