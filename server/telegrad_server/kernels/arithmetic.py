"""Element by element: sums, products, quotients, powers, roots, rounding."""

from __future__ import annotations

import math

from telegrad_protocol.dtypes import FLOAT, INT, uint8
from telegrad_protocol.errors import OpError

from ._shared import dtype_of, number_like, zero_gradient
from .registry import decomposition, direct_kernel, kernel, vjp

direct_kernel("neg", "negative", input=lambda f, g: f.neg(g))
direct_kernel("sqrt", input=lambda f, g, out: f.div(g, f.mul(out, 2)))
direct_kernel("rsqrt", input=lambda f, g, out: f.mul(f.mul(g, -0.5), f.mul(out, f.mul(out, out))))


@kernel
def square(xp, input):
    return xp.multiply(input, input)


vjp(square, input=lambda f, g, input: f.mul(g, f.mul(input, 2)))


@kernel
def reciprocal(xp, input):
    return xp.divide(1, input)


vjp(reciprocal, input=lambda f, g, out: f.neg(f.mul(g, f.mul(out, out))))


direct_kernel("abs", "absolute", input=lambda f, g, input: f.mul(g, f.sign(input)))
direct_kernel("floor", input=zero_gradient)
direct_kernel("ceil", input=zero_gradient)
direct_kernel("trunc", input=zero_gradient)


@kernel
def sign(xp, input):
    return xp.copy(input) if xp.meta_of(input).dtype.category < INT else xp.sign(input)


vjp(sign, input=zero_gradient)


direct_kernel("round", input=zero_gradient)


def _scaled(xp, other, alpha):
    """`other` times `alpha`; a Python number stays one, and takes the other operand's dtype."""
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


direct_kernel("mul", "multiply", input=lambda f, g, other: f.mul(g, other), other=lambda f, g, input: f.mul(g, input))


def _divisor(xp, input, other):
    """`other`, checked as a divisor: integers raise RuntimeError where it is 0."""
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
    input=lambda f, g, other, rounding_mode: f.div(g, other) if rounding_mode is None else zero_gradient(f, g),
    other=lambda f, g, input, other, rounding_mode: (
        f.neg(f.mul(g, f.div(f.div(input, other), other))) if rounding_mode is None else zero_gradient(f, g)
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
    # PyTorch computes square roots here; for -0.0 and -inf they differ from powers.
    if not hasattr(exponent, "shape") and exponent in (0.5, -0.5):
        return xp.sqrt(input) if exponent > 0 else xp.rsqrt(input)
    return xp.power(input, exponent)


def _pow_input(f, g, input, exponent):
    """The power 0 is a constant: its gradient is 0, even at 0."""
    if not hasattr(exponent, "shape"):
        return zero_gradient(f, g) if exponent == 0 else f.mul(g, f.mul(f.pow(input, exponent - 1), exponent))
    slope = f.mul(f.pow(input, f.sub(exponent, 1)), exponent)
    return f.where(f.eq(exponent, 0), 0.0, f.mul(g, slope))


def _pow_exponent(f, g, input, exponent, out):
    """0 to a power of 0 or more has the gradient 0: the logarithm of 0 is not finite."""
    if not hasattr(input, "shape"):
        slope = f.mul(out, _log_of(input))
        return f.mul(g, slope if input else f.where(f.ge(exponent, 0), 0.0, slope))
    flat = f.logical_and(f.eq(input, 0), f.ge(exponent, 0))
    return f.mul(g, f.where(flat, 0.0, f.mul(out, f.log(input))))


vjp(pow, input=_pow_input, exponent=_pow_exponent)


def _log_of(number):
    if number > 0:
        return math.log(number)
    return -math.inf if number == 0 else math.nan


@kernel
def lerp(xp, input, end, weight):
    """Computed from the nearer end, so that a weight of 1 gives the end exactly."""
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
        value = number_like(f, product, value)
    return f.add(input, f.mul(product, value))


@decomposition
def addcdiv(f, input, tensor1, tensor2, value):
    return f.add(input, f.div(tensor1 if value == 1 else f.mul(tensor1, value), tensor2))
