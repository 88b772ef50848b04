"""Element by element: comparison, logic, bits, limits, and `where`."""

from __future__ import annotations

from .registry import decomposition, direct_kernel, kernel, vjp

direct_kernel(
    "maximum",
    input=lambda f, g, input, other: _share(f, g, f.lt(input, other), f.eq(input, other)),
    other=lambda f, g, input, other: _share(f, g, f.gt(input, other), f.eq(input, other)),
)


direct_kernel(
    "minimum",
    input=lambda f, g, input, other: _share(f, g, f.gt(input, other), f.eq(input, other)),
    other=lambda f, g, input, other: _share(f, g, f.lt(input, other), f.eq(input, other)),
)


def _share(f, g, loses, ties):
    """The whole gradient; half of it where both sides are equal, none where the other side wins; the whole at nan."""
    return f.where(loses, 0.0, f.where(ties, f.mul(g, 0.5), g))


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
    """Where the lower bound is the result; where the bounds cross, the upper one is."""
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


direct_kernel(
    "where",
    input=lambda f, g, condition: f.where(condition, g, 0.0),
    other=lambda f, g, condition: f.where(condition, 0.0, g),
)


@decomposition
def isclose(f, input, other, rtol, atol, equal_nan):
    near = f.le(f.abs(f.sub(input, other)), f.add(f.mul(f.abs(other), rtol), atol))
    near = f.logical_or(f.eq(input, other), f.logical_and(near, f.isfinite(other)))
    return f.logical_or(near, f.logical_and(f.isnan(input), f.isnan(other))) if equal_nan else near


direct_kernel("nan_to_num", input=lambda f, g, input: f.mul(g, f._cast_like(f.isfinite(input), g)))
direct_kernel("eq", "equal")
direct_kernel("ne", "not_equal")
direct_kernel("lt", "less")
direct_kernel("le", "less_equal")
direct_kernel("gt", "greater")
direct_kernel("ge", "greater_equal")
direct_kernel("logical_and")
direct_kernel("logical_or")
direct_kernel("logical_xor")
direct_kernel("logical_not")
direct_kernel("bitwise_and")
direct_kernel("bitwise_or")
direct_kernel("bitwise_xor")
direct_kernel("bitwise_left_shift", "left_shift")
direct_kernel("bitwise_right_shift", "right_shift")
direct_kernel("bitwise_not", "invert")
direct_kernel("isnan")
direct_kernel("isinf")
direct_kernel("isfinite")
