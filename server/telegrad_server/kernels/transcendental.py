"""Element by element: exponentials, logarithms, trigonometry, the error function."""

from __future__ import annotations

import math

from .registry import direct_kernel, kernel, vjp

_LN2, _LN10 = math.log(2), math.log(10)


direct_kernel("exp", input=lambda f, g, out: f.mul(g, out))
direct_kernel("exp2", input=lambda f, g, out: f.mul(f.mul(g, out), _LN2))
direct_kernel("expm1", input=lambda f, g, out: f.mul(g, f.add(out, 1)))
direct_kernel("log", input=lambda f, g, input: f.div(g, input))
direct_kernel("log2", input=lambda f, g, input: f.div(g, f.mul(input, _LN2)))
direct_kernel("log10", input=lambda f, g, input: f.div(g, f.mul(input, _LN10)))
direct_kernel("log1p", input=lambda f, g, input: f.div(g, f.add(input, 1)))
direct_kernel("sin", input=lambda f, g, input: f.mul(g, f.cos(input)))
direct_kernel("cos", input=lambda f, g, input: f.neg(f.mul(g, f.sin(input))))
direct_kernel("tan", input=lambda f, g, out: f.mul(g, f.add(f.mul(out, out), 1)))
direct_kernel("asin", "arcsin", input=lambda f, g, input: f.mul(g, f.rsqrt(f.sub(1.0, f.mul(input, input)))))
direct_kernel("acos", "arccos", input=lambda f, g, input: f.neg(f.mul(g, f.rsqrt(f.sub(1.0, f.mul(input, input))))))
direct_kernel("atan", "arctan", input=lambda f, g, input: f.div(g, f.add(f.mul(input, input), 1)))
direct_kernel("sinh", input=lambda f, g, input: f.mul(g, f.cosh(input)))
direct_kernel("cosh", input=lambda f, g, input: f.mul(g, f.sinh(input)))
direct_kernel("tanh", input=lambda f, g, out: f.mul(g, f.sub(1.0, f.mul(out, out))))
direct_kernel(
    "erf", input=lambda f, g, input: f.mul(g, f.mul(f.exp(f.neg(f.mul(input, input))), 2 / math.sqrt(math.pi)))
)


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
    """Where `input` is 0 and `other` has no finite logarithm: xlogy is 0 there."""
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
