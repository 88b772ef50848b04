"""Exponentials, logarithms, trigonometry, the error function."""

from __future__ import annotations

import math

from .registry import kernel, vjp

_LN2, _LN10 = math.log(2), math.log(10)


@kernel
def exp(xp, input):
    return xp.exp(input)


vjp(exp, input=lambda f, g, out: f.mul(g, out))


@kernel
def exp2(xp, input):
    return xp.exp2(input)


vjp(exp2, input=lambda f, g, out: f.mul(f.mul(g, out), _LN2))


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


vjp(log2, input=lambda f, g, input: f.div(g, f.mul(input, _LN2)))


@kernel
def log10(xp, input):
    return xp.log10(input)


vjp(log10, input=lambda f, g, input: f.div(g, f.mul(input, _LN10)))


@kernel
def log1p(xp, input):
    return xp.log1p(input)


vjp(log1p, input=lambda f, g, input: f.div(g, f.add(input, 1)))


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
def tanh(xp, input):
    return xp.tanh(input)


vjp(tanh, input=lambda f, g, out: f.mul(g, f.sub(1.0, f.mul(out, out))))


@kernel
def erf(xp, input):
    return xp.erf(input)


vjp(erf, input=lambda f, g, input: f.mul(g, f.mul(f.exp(f.neg(f.mul(input, input))), 2 / math.sqrt(math.pi))))


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
    return xp.where(xp.equal(input, other), xp.add(input, _LN2), far)


vjp(
    logaddexp,
    input=lambda f, g, input, other: f.mul(g, f.sigmoid(f.sub(input, other))),
    other=lambda f, g, input, other: f.mul(g, f.sigmoid(f.sub(other, input))),
)
