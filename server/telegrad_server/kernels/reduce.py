"""Reductions over dimensions."""

from __future__ import annotations

import math

from telegrad_protocol.shapes import reduced, wrap_dims

from .registry import composite, kernel, vjp


def axes_of(dim, ndim):
    """The axes of a reduction as NumPy takes them."""
    return wrap_dims(dim, ndim)


def kept(shape, dim):
    """The shape of a reduction that keeps its dimensions."""
    return reduced(shape, axes_of(dim, len(shape)), True)


def spread(f, g, meta, dim, keepdim):
    """The gradient of a reduction, as if the reduced dimensions were still there, stretched to the input's shape."""
    if not keepdim:
        g = f.reshape(g, kept(meta.shape, dim))
    return f.expand(g, meta.shape)


def count(meta, dim):
    """How many elements a reduction takes together."""
    axes = axes_of(dim, meta.ndim)
    return math.prod(meta.shape[axis] for axis in axes)


@kernel
def sum(xp, input, dim, keepdim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.sum(input, axes_of(dim, input.ndim), keepdim)


vjp(sum, input=lambda f, g, input_meta, dim, keepdim, dtype: _sum_input(f, g, input_meta, dim, keepdim, dtype))


def _sum_input(f, g, meta, dim, keepdim, dtype):
    g = spread(f, g, meta, dim, keepdim)
    return g if dtype in (None, meta.dtype) else f._to_dtype(g, meta.dtype)


@kernel
def mean(xp, input, dim, keepdim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.mean(input, axes_of(dim, input.ndim), keepdim)


vjp(mean, input=lambda f, g, input_meta, dim, keepdim, dtype: _mean_input(f, g, input_meta, dim, keepdim, dtype))


def _mean_input(f, g, meta, dim, keepdim, dtype):
    return _sum_input(f, f.mul(g, 1.0 / max(count(meta, dim), 1)), meta, dim, keepdim, dtype)


@kernel
def prod(xp, input, dim, keepdim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.prod(input, axes_of(dim, input.ndim), keepdim)


vjp(
    prod,
    input=lambda f, g, input, input_meta, dim, keepdim: f.mul(
        spread(f, g, input_meta, dim, keepdim), _others(f, input, input_meta, dim)
    ),
)


def _others(f, input, meta, dim):
    """For each element, the product of all others: of those before it and those after it, so that zeros do no harm."""
    if meta.ndim == 0:
        return f.fill(input, 1)
    flat = f.reshape(input, (-1,)) if dim is None else f.transpose(input, dim, -1)
    n = flat.shape[-1]
    result = None
    for shift in range(1, n):
        rolled = f.roll(flat, (shift,), -1)
        result = rolled if result is None else f.mul(result, rolled)
    if result is None:
        result = f.fill(flat, 1)
    return f.reshape(result, meta.shape) if dim is None else f.transpose(result, dim, -1)


def _extremum_input(f, g, input, meta, out, dim, keepdim):
    g = spread(f, g, meta, dim, keepdim)
    best = f._cast_like(f.eq(input, spread(f, out, meta, dim, keepdim)), g)
    return f.div(f.mul(g, best), f.sum(best, dim or None, True))


@kernel
def amax(xp, input, dim, keepdim):
    return xp.max(input, axes_of(dim, input.ndim), keepdim)


vjp(
    amax,
    input=lambda f, g, input, input_meta, out, dim, keepdim: _extremum_input(
        f, g, input, input_meta, out, dim, keepdim
    ),
)


@kernel
def amin(xp, input, dim, keepdim):
    return xp.min(input, axes_of(dim, input.ndim), keepdim)


vjp(
    amin,
    input=lambda f, g, input, input_meta, out, dim, keepdim: _extremum_input(
        f, g, input, input_meta, out, dim, keepdim
    ),
)


def _picked(xp, input, dim, keepdim, where):
    if input.ndim == 0:
        return input, where
    values = xp.take_along_axis(input, xp.expand_dims(where, dim), dim)
    return (values, xp.expand_dims(where, dim)) if keepdim else (xp.squeeze(values, dim), where)


def _scatter_back(f, g, meta, indices, dim, keepdim):
    """Zeros with the gradient of the values at their places."""
    g = g[0]
    if meta.ndim == 0:
        return g
    if not keepdim:
        g, indices = f.unsqueeze(g, dim), f.unsqueeze(indices, dim)
    return f.scatter(f.zeros(meta.shape, dtype=meta.dtype), dim, indices, g)


@kernel
def _max_dim(xp, input, dim, keepdim):
    return _picked(xp, input, dim, keepdim, xp.argmax(input, dim if input.ndim else None))


vjp(
    _max_dim,
    input=lambda f, g, input_meta, indices, dim, keepdim: _scatter_back(f, g, input_meta, indices, dim, keepdim),
)


@kernel
def _min_dim(xp, input, dim, keepdim):
    return _picked(xp, input, dim, keepdim, xp.argmin(input, dim if input.ndim else None))


vjp(
    _min_dim,
    input=lambda f, g, input_meta, indices, dim, keepdim: _scatter_back(f, g, input_meta, indices, dim, keepdim),
)


def _argument(xp, find, input, dim, keepdim):
    where = find(input, None if dim is None or input.ndim == 0 else dim)
    if keepdim:
        return xp.reshape(where, kept(input.shape, dim))
    return where


@kernel
def argmax(xp, input, dim, keepdim):
    return _argument(xp, xp.argmax, input, dim, keepdim)


@kernel
def argmin(xp, input, dim, keepdim):
    return _argument(xp, xp.argmin, input, dim, keepdim)


@kernel
def all(xp, input, dim, keepdim):
    return xp.all(input, axes_of(dim, input.ndim), keepdim)


@kernel
def any(xp, input, dim, keepdim):
    return xp.any(input, axes_of(dim, input.ndim), keepdim)


@composite
def var(f, input, dim, correction, keepdim):
    n = count(input if not hasattr(input, "_meta") else input._meta, dim)
    distance = f.sub(input, f.mean(input, dim, True))
    return f.mul(f.sum(f.mul(distance, distance), dim, keepdim), 1.0 / (n - correction) if n > correction else math.nan)


@composite
def std(f, input, dim, correction, keepdim):
    return f.sqrt(f.var(input, dim, correction=correction, keepdim=keepdim))


@composite
def logsumexp(f, input, dim, keepdim):
    top = f.detach(f.amax(input, dim, True))
    top = f.where(f.isfinite(top), top, 0.0)
    total = f.log(f.sum(f.exp(f.sub(input, top)), dim, keepdim))
    return f.add(total, top if keepdim else f.reshape(top, total.shape))


@composite
def vector_norm(f, x, ord, dim, keepdim, dtype):
    x = x if dtype is None else f._to_dtype(x, dtype)
    if ord == math.inf:
        return f.amax(f.abs(x), dim, keepdim)
    if ord == -math.inf:
        return f.amin(f.abs(x), dim, keepdim)
    if ord == 0:
        return (
            f._cast_like(f.count_nonzero(x, dim), x) if not keepdim else f.sum(f._cast_like(f.ne(x, 0), x), dim, True)
        )
    if ord == 2:
        return f._norm2(x, dim, keepdim)
    return f.pow(f.sum(f.pow(f.abs(x), ord), dim, keepdim), 1.0 / ord)


@kernel
def _norm2(xp, x, dim, keepdim):
    return xp.sqrt(xp.sum(xp.multiply(x, x), axes_of(dim, x.ndim), keepdim))


vjp(
    _norm2,
    x=lambda f, g, x, x_meta, out, dim, keepdim: f.nan_to_num(
        f.mul(x, f.div(spread(f, g, x_meta, dim, keepdim), spread(f, out, x_meta, dim, keepdim))), 0.0
    ),
)


@kernel
def count_nonzero(xp, input, dim):
    return xp.sum(xp.not_equal(input, 0), axes_of(dim, input.ndim), False)
