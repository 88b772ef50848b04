"""Element by element: arithmetic, comparison, logic, exponentials, trigonometry, rounding."""

from __future__ import annotations

import math

from telegrad_protocol.dtypes import FLOAT, INT, uint8
from telegrad_protocol.errors import OpError

from .normalization import dtype_of
from .registry import decomposition, kernel, vjp

LN2, LN10 = math.log(2), math.log(10)


def nothing(f, g):
    """The gradient of what does not depend on the input: zeros, whatever comes in."""
    return f.detach(f.fill(g, 0))


@kernel
def neg(xp, input):
    return xp.negative(input)


vjp(neg, input=lambda f, g: f.neg(g))


@kernel
def exp(xp, input):
    return xp.exp(input)


vjp(exp, input=lambda f, g, out: f.mul(g, out))


@kernel
def exp2(xp, input):
    return xp.exp2(input)


vjp(exp2, input=lambda f, g, out: f.mul(f.mul(g, out), LN2))


@kernel
def expm1(xp, input):
    return xp.expm1(input)


vjp(expm1, input=lambda f, g, out: f.mul(g, f.add(out, 1)))


@kernel
def log(xp, input):
    return xp.log(input)


vjp(log, input=lambda f, g, input: f.div(g, input))


@kernel
def log2(xp, input):
    return xp.log2(input)


vjp(log2, input=lambda f, g, input: f.div(g, f.mul(input, LN2)))


@kernel
def log10(xp, input):
    return xp.log10(input)


vjp(log10, input=lambda f, g, input: f.div(g, f.mul(input, LN10)))


@kernel
def log1p(xp, input):
    return xp.log1p(input)


vjp(log1p, input=lambda f, g, input: f.div(g, f.add(input, 1)))


@kernel
def sqrt(xp, input):
    return xp.sqrt(input)


vjp(sqrt, input=lambda f, g, out: f.div(g, f.mul(out, 2)))


@kernel
def rsqrt(xp, input):
    return xp.rsqrt(input)


vjp(rsqrt, input=lambda f, g, out: f.mul(f.mul(g, -0.5), f.mul(out, f.mul(out, out))))


@kernel
def square(xp, input):
    return xp.multiply(input, input)


vjp(square, input=lambda f, g, input: f.mul(g, f.mul(input, 2)))


@kernel
def reciprocal(xp, input):
    return xp.divide(1, input)


vjp(reciprocal, input=lambda f, g, out: f.neg(f.mul(g, f.mul(out, out))))


@kernel
def abs(xp, input):
    return xp.absolute(input)


vjp(abs, input=lambda f, g, input: f.mul(g, f.sign(input)))


@kernel
def sin(xp, input):
    return xp.sin(input)


vjp(sin, input=lambda f, g, input: f.mul(g, f.cos(input)))


@kernel
def cos(xp, input):
    return xp.cos(input)


vjp(cos, input=lambda f, g, input: f.neg(f.mul(g, f.sin(input))))


@kernel
def tan(xp, input):
    return xp.tan(input)


vjp(tan, input=lambda f, g, out: f.mul(g, f.add(f.mul(out, out), 1)))


@kernel
def asin(xp, input):
    return xp.arcsin(input)


vjp(asin, input=lambda f, g, input: f.mul(g, f.rsqrt(f.sub(1.0, f.mul(input, input)))))


@kernel
def acos(xp, input):
    return xp.arccos(input)


vjp(acos, input=lambda f, g, input: f.neg(f.mul(g, f.rsqrt(f.sub(1.0, f.mul(input, input))))))


@kernel
def atan(xp, input):
    return xp.arctan(input)


vjp(atan, input=lambda f, g, input: f.div(g, f.add(f.mul(input, input), 1)))


@kernel
def sinh(xp, input):
    return xp.sinh(input)


vjp(sinh, input=lambda f, g, input: f.mul(g, f.cosh(input)))


@kernel
def cosh(xp, input):
    return xp.cosh(input)


vjp(cosh, input=lambda f, g, input: f.mul(g, f.sinh(input)))


@kernel
def floor(xp, input):
    return xp.floor(input)


vjp(floor, input=nothing)


@kernel
def ceil(xp, input):
    return xp.ceil(input)


vjp(ceil, input=nothing)


@kernel
def trunc(xp, input):
    return xp.trunc(input)


vjp(trunc, input=nothing)


@kernel
def sign(xp, input):
    return xp.copy(input) if xp.meta_of(input).dtype.category < INT else xp.sign(input)


vjp(sign, input=nothing)


@kernel
def round(xp, input, decimals):
    return xp.round(input, decimals)


vjp(round, input=nothing)


@kernel
def tanh(xp, input):
    return xp.tanh(input)


vjp(tanh, input=lambda f, g, out: f.mul(g, f.sub(1.0, f.mul(out, out))))


@kernel
def sigmoid(xp, input):
    return xp.sigmoid(input)


vjp(sigmoid, input=lambda f, g, out: f.mul(g, f.mul(out, f.sub(1.0, out))))


@kernel
def erf(xp, input):
    return xp.erf(input)


vjp(erf, input=lambda f, g, input: f.mul(g, f.mul(f.exp(f.neg(f.mul(input, input))), 2 / math.sqrt(math.pi))))


def _scaled(xp, other, alpha):
    """`other` times `alpha`; a Python number stays one, which takes the dtype of the tensor beside it."""
    if alpha == 1:
        return other
    return xp.multiply(other, alpha) if hasattr(other, "dtype") else other * alpha


@kernel
def add(xp, input, other, alpha):
    return xp.add(input, _scaled(xp, other, alpha))


vjp(add, input=lambda f, g: g, other=lambda f, g, alpha: g if alpha == 1 else f.mul(g, alpha))


@kernel
def sub(xp, input, other, alpha):
    return xp.subtract(input, _scaled(xp, other, alpha))


vjp(sub, input=lambda f, g: g, other=lambda f, g, alpha: f.mul(g, -alpha))


@kernel
def mul(xp, input, other):
    return xp.multiply(input, other)


vjp(mul, input=lambda f, g, other: f.mul(g, other), other=lambda f, g, input: f.mul(g, input))


def _divisor(xp, input, other):
    """`other`, by which `input` may be divided: RuntimeError for integers where it is 0."""
    dtypes = [
        xp.meta_of(x).dtype.category if hasattr(x, "dtype") else type(x) is float and FLOAT for x in (input, other)
    ]
    if FLOAT in dtypes or 0 in getattr(input, "shape", ()):
        return other
    if hasattr(other, "dtype"):
        xp.check_index(xp.cast(xp.not_equal(other, 0), uint8), 1, 2, _zero_division)
    elif not other:
        raise _zero_division(0)
    return other


def _zero_division(_):
    return OpError("ZeroDivisionError", argument="other")


@kernel
def div(xp, input, other, rounding_mode):
    if rounding_mode is None:
        return xp.divide(input, other)
    other = _divisor(xp, input, other)
    return xp.floor_divide(input, other) if rounding_mode == "floor" else xp.trunc_divide(input, other)


vjp(
    div,
    input=lambda f, g, other, rounding_mode: f.div(g, other) if rounding_mode is None else nothing(f, g),
    other=lambda f, g, input, other, rounding_mode: (
        f.neg(f.mul(g, f.div(f.div(input, other), other))) if rounding_mode is None else nothing(f, g)
    ),
)


@kernel
def floor_divide(xp, input, other):
    return xp.floor_divide(input, _divisor(xp, input, other))


@kernel
def remainder(xp, input, other):
    return xp.remainder(input, _divisor(xp, input, other))


vjp(
    remainder,
    input=lambda f, g: g,
    other=lambda f, g, input, other: f.neg(f.mul(g, f.div(input, other, rounding_mode="floor"))),
)


@kernel
def fmod(xp, input, other):
    return xp.fmod(input, _divisor(xp, input, other))


vjp(
    fmod,
    input=lambda f, g: g,
    other=lambda f, g, input, other: f.neg(f.mul(g, f.div(input, other, rounding_mode="trunc"))),
)


@kernel
def pow(xp, input, exponent):
    if type(exponent) is int and exponent < 0 and xp.meta_of(input).dtype.category != FLOAT:
        raise OpError("Integers to negative integer powers are not allowed.", argument="exponent", got=exponent)
    # PyTorch takes roots, of -0.0 and -inf too, where they are powers of something else.
    if not hasattr(exponent, "shape") and exponent in (0.5, -0.5):
        return xp.sqrt(input) if exponent > 0 else xp.rsqrt(input)
    return xp.power(input, exponent)


vjp(
    pow,
    input=lambda f, g, input, exponent: _pow_input(f, g, input, exponent),
    exponent=lambda f, g, input, exponent, out: _pow_exponent(f, g, input, exponent, out),
)


def _pow_input(f, g, input, exponent):
    """A constant, which anything to the power 0 is, has no slope, not even at 0."""
    if not hasattr(exponent, "shape"):
        return nothing(f, g) if exponent == 0 else f.mul(g, f.mul(f.pow(input, exponent - 1), exponent))
    slope = f.mul(f.pow(input, f.sub(exponent, 1)), exponent)
    return f.where(f.eq(exponent, 0), 0.0, f.mul(g, slope))


def _pow_exponent(f, g, input, exponent, out):
    """0 to a power is 0, without slope, from the power 0 on, where its logarithm is no number to multiply with."""
    if not hasattr(input, "shape"):
        slope = f.mul(out, _log_of(input))
        return f.mul(g, slope if input else f.where(f.ge(exponent, 0), 0.0, slope))
    flat = f.logical_and(f.eq(input, 0), f.ge(exponent, 0))
    return f.mul(g, f.where(flat, 0.0, f.mul(out, f.log(input))))


def _log_of(number):
    if number > 0:
        return math.log(number)
    return -math.inf if number == 0 else math.nan


@kernel
def maximum(xp, input, other):
    return xp.maximum(input, other)


vjp(
    maximum,
    input=lambda f, g, input, other: _share(f, g, f.lt(input, other), f.eq(input, other)),
    other=lambda f, g, input, other: _share(f, g, f.gt(input, other), f.eq(input, other)),
)


@kernel
def minimum(xp, input, other):
    return xp.minimum(input, other)


vjp(
    minimum,
    input=lambda f, g, input, other: _share(f, g, f.gt(input, other), f.eq(input, other)),
    other=lambda f, g, input, other: _share(f, g, f.lt(input, other), f.eq(input, other)),
)


def _share(f, g, loses, ties):
    """All of the gradient, half of it where both sides are the same, none where this side loses; all at nan."""
    return f.where(loses, 0.0, f.where(ties, f.mul(g, 0.5), g))


@kernel
def _cast_like(xp, input, like):
    return xp.cast_like(input, like)


@kernel
def clamp(xp, input, min, max):
    if min is not None:
        input = xp.maximum(input, min)
    return input if max is None else xp.minimum(input, max)


vjp(
    clamp,
    input=lambda f, g, input, min, max: f.where(_inside(f, input, min, max), g, 0.0),
    min=lambda f, g, input, min, max: f.where(_below(f, input, min, max), g, 0.0),
    max=lambda f, g, input, min, max: f.where(_above(f, input, min, max), g, 0.0),
)


def _below(f, input, min, max):
    """Where the lower bound is the result: of two bounds that cross, the upper one is."""
    below = f.lt(input, min)
    return below if max is None else f.logical_and(below, f.lt(min, max))


def _above(f, input, min, max):
    above = f.gt(input, max)
    return above if min is None else f.logical_or(above, f.gt(min, max))


def _inside(f, input, min, max):
    above = None if min is None else f.ge(input, min)
    below = None if max is None else f.le(input, max)
    return above if below is None else below if above is None else f.logical_and(above, below)


@decomposition
def clamp_min(f, input, min):
    return f.clamp(input, min, None)


@decomposition
def clamp_max(f, input, max):
    return f.clamp(input, None, max)


@kernel
def where(xp, condition, input, other):
    return xp.where(condition, input, other)


vjp(
    where,
    input=lambda f, g, condition: f.where(condition, g, 0.0),
    other=lambda f, g, condition: f.where(condition, 0.0, g),
)


def fitting(f, input, number):
    """A number as the dtype of `input` takes it: without its fraction beside integers."""
    return number if dtype_of(f, input).category == FLOAT else int(number)


@decomposition
def masked_fill(f, input, mask, value):
    value = f._to_dtype(value, dtype_of(f, input)) if hasattr(value, "shape") else fitting(f, input, value)
    return f.where(mask, value, input)


@kernel
def fill(xp, input, value):
    return xp.full_like(input, value)


vjp(fill, input=nothing, value=lambda f, g: f.sum(g))


@kernel
def copy(xp, input, src):
    return xp.broadcast_copy(src, input)


vjp(copy, input=nothing, src=lambda f, g, src_meta: f._to_dtype(g, src_meta.dtype))


@kernel
def lerp(xp, input, end, weight):
    """Counted from the nearer end, so that a weight of 1 gives the end exactly."""
    apart = xp.subtract(end, input)
    if not hasattr(weight, "shape"):
        near = -0.5 < weight < 0.5
        return xp.add(input, xp.multiply(apart, weight)) if near else _from_end(xp, end, apart, 1 - weight)
    near = xp.less(xp.absolute(weight), 0.5)
    return xp.where(near, xp.add(input, xp.multiply(apart, weight)), _from_end(xp, end, apart, xp.subtract(1, weight)))


def _from_end(xp, end, apart, rest):
    return xp.subtract(end, xp.multiply(apart, rest))


vjp(
    lerp,
    input=lambda f, g, weight: f.mul(g, f.sub(1.0, weight) if hasattr(weight, "shape") else 1 - weight),
    end=lambda f, g, weight: f.mul(g, weight),
    weight=lambda f, g, input, end: f.mul(g, f.sub(end, input)),
)


@decomposition
def addcmul(f, input, tensor1, tensor2, value):
    product = f.mul(tensor1, tensor2)
    if dtype_of(f, input).category != FLOAT:
        value = fitting(f, product, value)
    return f.add(input, f.mul(product, value))


@decomposition
def addcdiv(f, input, tensor1, tensor2, value):
    return f.add(input, f.div(tensor1 if value == 1 else f.mul(tensor1, value), tensor2))


@decomposition
def isclose(f, input, other, rtol, atol, equal_nan):
    near = f.le(f.abs(f.sub(input, other)), f.add(f.mul(f.abs(other), rtol), atol))
    near = f.logical_or(f.eq(input, other), f.logical_and(near, f.isfinite(other)))
    return f.logical_or(near, f.logical_and(f.isnan(input), f.isnan(other))) if equal_nan else near


@kernel
def nan_to_num(xp, input, nan, posinf, neginf):
    return xp.nan_to_num(input, nan, posinf, neginf)


vjp(nan_to_num, input=lambda f, g, input: f.mul(g, f._cast_like(f.isfinite(input), g)))


@kernel
def relu(xp, input):
    return xp.maximum(input, 0)


vjp(relu, input=lambda f, g, out: f._relu_backward(g, out))


@kernel
def _relu_backward(xp, grad, out):
    return xp.where(xp.less_equal(out, 0), 0, grad)


vjp(_relu_backward, grad=lambda f, g, out: f._relu_backward(g, out), out=lambda f, g: None)


@kernel
def eq(xp, input, other):
    return xp.equal(input, other)


@kernel
def ne(xp, input, other):
    return xp.not_equal(input, other)


@kernel
def lt(xp, input, other):
    return xp.less(input, other)


@kernel
def le(xp, input, other):
    return xp.less_equal(input, other)


@kernel
def gt(xp, input, other):
    return xp.greater(input, other)


@kernel
def ge(xp, input, other):
    return xp.greater_equal(input, other)


@kernel
def logical_and(xp, input, other):
    return xp.logical_and(input, other)


@kernel
def logical_or(xp, input, other):
    return xp.logical_or(input, other)


@kernel
def logical_xor(xp, input, other):
    return xp.logical_xor(input, other)


@kernel
def logical_not(xp, input):
    return xp.logical_not(input)


@kernel
def bitwise_and(xp, input, other):
    return xp.bitwise_and(input, other)


@kernel
def bitwise_or(xp, input, other):
    return xp.bitwise_or(input, other)


@kernel
def bitwise_xor(xp, input, other):
    return xp.bitwise_xor(input, other)


@kernel
def bitwise_left_shift(xp, input, other):
    return xp.left_shift(input, other)


@kernel
def bitwise_right_shift(xp, input, other):
    return xp.right_shift(input, other)


@kernel
def bitwise_not(xp, input):
    return xp.invert(input)


@kernel
def isnan(xp, input):
    return xp.isnan(input)


@kernel
def isinf(xp, input):
    return xp.isinf(input)


@kernel
def isfinite(xp, input):
    return xp.isfinite(input)


@kernel
def xlogy(xp, input, other):
    if isinstance(input, int | float):
        input = xp.full_like(other, input)
    elif isinstance(other, int | float):
        other = xp.full_like(input, other)
    nothing = xp.logical_and(xp.equal(input, 0), xp.logical_not(xp.isnan(other)))
    return xp.where(nothing, 0, xp.multiply(input, xp.log(other)))


vjp(
    xlogy,
    input=lambda f, g, input, other: f.where(_is_flat(f, input, other), 0.0, f.xlogy(g, other)),
    other=lambda f, g, input, other: f.mul(g, f.div(input, other)),
)


def _is_flat(f, input, other):
    """Where xlogy is 0 for want of a logarithm."""
    zero = f.eq(input, 0)
    none = f.fill(zero, other <= 0) if isinstance(other, int | float) else f.le(other, 0)
    return f.logical_and(zero, none)


@kernel
def logaddexp(xp, input, other):
    apart = xp.negative(xp.absolute(xp.subtract(input, other)))
    far = xp.add(xp.maximum(input, other), xp.log1p(xp.exp(apart)))
    return xp.where(xp.equal(input, other), xp.add(input, LN2), far)


vjp(
    logaddexp,
    input=lambda f, g, input, other: f.mul(g, f.sigmoid(f.sub(input, other))),
    other=lambda f, g, input, other: f.mul(g, f.sigmoid(f.sub(other, input))),
)
