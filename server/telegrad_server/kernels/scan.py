"""Cumulative sums, products and extrema; differences; integrals by trapezoids."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.ops.scan import sample_shape
from telegrad_protocol.shapes import wrap_dim

from ._shared import dtype_of
from .registry import decomposition, direct_kernel, kernel, vjp
from .slicing import WHOLE


@kernel
def cumsum(xp, input, dim, dtype):
    x = input if dtype is None else xp.cast(input, dtype)
    return xp.cumsum(x, dim) if x.ndim else xp.copy(x)


def _sum_of_later(f, g, input_meta, dim):
    g = f._cast_to(g, input_meta.dtype)
    return f.flip(f.cumsum(f.flip(g, (dim,)), dim), (dim,)) if input_meta.ndim else g


vjp(cumsum, input=_sum_of_later)


@kernel
def cumprod(xp, input, dim, dtype):
    x = input if dtype is None else xp.cast(input, dtype)
    return xp.cumprod(x, dim) if x.ndim else xp.copy(x)


def _cumprod_input(f, g, input, input_meta, dim):
    """For each k, the product before k times the sum over i >= k of g[i] and the factors in (k, i]: exact with zeros."""
    g = f._cast_to(g, input_meta.dtype)
    if not input_meta.ndim or not input_meta.numel:
        return g
    before = _shifted(f, f.cumprod(input, dim, dtype=input_meta.dtype), dim, 1, 1)
    return f.mul(before, f._recurrence(g, _shifted(f, input, dim, -1, 0), dim, True))


vjp(cumprod, input=_cumprod_input)


def _shifted(f, x, dim, by, fill):
    """The elements moved by one along a dimension, forwards or back, with `fill` in the gap."""
    after = x.ndim - 1 - wrap_dim(dim, x.ndim)
    return f._pad_constant(x, (0, 0) * after + (by, -by), fill)


def _adjoint(f, g, factor, dim, reverse):
    """The gradient of a recurrence's input: the recurrence of the gradient in the other direction."""
    return f._recurrence(g, _shifted(f, factor, dim, 1 if reverse else -1, 0), dim, not reverse)


direct_kernel(
    "_recurrence",
    input=_adjoint,
    factor=lambda f, g, factor, dim, reverse, out: f.mul(
        _adjoint(f, g, factor, dim, reverse), _shifted(f, out, dim, -1 if reverse else 1, 0)
    ),
)


@kernel
def cummax(xp, input, dim):
    return _extremum(xp, input, dim, True)


@kernel
def cummin(xp, input, dim):
    return _extremum(xp, input, dim, False)


def _extremum(xp, input, dim, largest):
    if input.ndim:
        return xp.running_extremum(input, dim, largest)
    values, indices = xp.running_extremum(xp.reshape(input, (1,)), 0, largest)
    return xp.reshape(values, ()), xp.reshape(indices, ())


for _impl in (cummax, cummin):
    vjp(
        _impl,
        input=lambda f, g, input_meta, indices, dim: f.scatter_add(
            f.zeros(input_meta.shape, dtype=input_meta.dtype), dim, indices, g[0]
        ),
    )


@kernel
def logcumsumexp(xp, input, dim):
    return xp.logcumsumexp(input, dim) if input.ndim else xp.copy(input)


vjp(
    logcumsumexp,
    input=lambda f, g, input, out, dim: (
        f.mul(_share(f, input, out), f._recurrence(g, _share(f, out, _shifted(f, out, dim, -1, 0.0)), dim, True))
        if input.ndim
        else g
    ),
)


def _share(f, part, whole):
    """exp(part - whole), which is at most 1, and 0 where both are -inf."""
    return f.where(f.eq(part, float("-inf")), 0.0, f.exp(f.sub(part, whole)))


def _span(f, x, axis, start, stop):
    return f._slice(x, (*(WHOLE,) * axis, (start, stop, 1)))


@decomposition
def diff(f, input, n, dim, prepend, append):
    axis = wrap_dim(dim, input.ndim)
    if n == 0:
        return f.clone(input)
    parts = tuple([part for part in (prepend, input, append) if part is not None])
    x = f.cat(parts, axis) if len(parts) > 1 else f.clone(input)
    truths = dtype_of(f, x) is dtypes.bool_
    for _ in range(min(n, x.shape[axis])):
        later, earlier = _span(f, x, axis, 1, None), _span(f, x, axis, 0, -1)
        x = (f.logical_xor if truths else f.sub)(later, earlier)
    return x


def _areas(f, y, x, dx, dim):
    """Twice the areas between neighbours, and their dimension."""
    axis = wrap_dim(dim, y.ndim)
    if x is not None:
        x = f.reshape(x, sample_shape(tuple(y.shape), tuple(x.shape), axis))
        gaps_axis = x.ndim - y.ndim + axis
        gap = f.sub(_span(f, x, gaps_axis, 1, None), _span(f, x, gaps_axis, 0, -1))
        areas = f.mul(f.add(_span(f, y, axis, 1, None), _span(f, y, axis, 0, -1)), gap)
        return areas, areas.ndim - y.ndim + axis
    areas = f.add(_span(f, y, axis, 1, None), _span(f, y, axis, 0, -1))
    return f.mul(areas, 1.0 if dx is None else float(dx)), axis


@decomposition
def trapezoid(f, y, x, dx, dim):
    areas, axis = _areas(f, y, x, dx, dim)
    return f.mul(f.sum(areas, axis), 0.5)


@decomposition
def cumulative_trapezoid(f, y, x, dx, dim):
    areas, axis = _areas(f, y, x, dx, dim)
    return f.mul(f.cumsum(areas, axis), 0.5)
