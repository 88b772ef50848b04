"""Element by element: arithmetic, comparison, logic, exponentials, trigonometry, rounding."""

from __future__ import annotations

from .registry import kernel, vjp


@kernel
def add(xp, input, other, alpha):
    return xp.add(input, other if alpha == 1 else xp.multiply(other, alpha))


vjp(
    add,
    input=lambda f, g: g,
    other=lambda f, g, alpha: g if alpha == 1 else f.mul(g, alpha),
)


@kernel
def sub(xp, input, other, alpha):
    return xp.subtract(input, other if alpha == 1 else xp.multiply(other, alpha))


vjp(
    sub,
    input=lambda f, g: g,
    other=lambda f, g, alpha: f.mul(g, -alpha),
)


@kernel
def mul(xp, input, other):
    return xp.multiply(input, other)


vjp(
    mul,
    input=lambda f, g, other: f.mul(g, other),
    other=lambda f, g, input: f.mul(g, input),
)


@kernel
def neg(xp, input):
    return xp.negative(input)


vjp(neg, input=lambda f, g: f.neg(g))


@kernel
def exp(xp, input):
    return xp.exp(input)


vjp(exp, input=lambda f, g, out: f.mul(g, out))


@kernel
def log(xp, input):
    return xp.log(input)


vjp(log, input=lambda f, g, input: f.div(g, input))


@kernel
def relu(xp, input):
    return xp.maximum(input, 0)


vjp(relu, input=lambda f, g, out: f.mul(g, f.gt(out, 0)))


@kernel
def eq(xp, input, other):
    return xp.equal(input, other)
