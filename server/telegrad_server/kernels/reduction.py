"""Reductions over dimensions."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes
from telegrad_protocol.shapes import reduced, wrap_dims

from ._shared import dtype_of, zero_gradient
from .registry import decomposition, kernel, vjp


def axes_of(dim, ndim):
    """The axes of a reduction as NumPy takes them."""
    return wrap_dims(dim, ndim)


def kept(shape, dim):
    """The shape of a reduction that keeps its dimensions."""
    return reduced(shape, axes_of(dim, len(shape)), True)


def unreduced(f, x, meta, dim, keepdim):
    """A reduction's result, or its gradient, with the reduced dimensions kept, of size 1."""
    return x if keepdim else f.reshape(x, kept(meta.shape, dim))


def spread(f, g, meta, dim, keepdim):
    """The gradient of a reduction, stretched to the input's shape."""
    return f.expand(unreduced(f, g, meta, dim, keepdim), meta.shape)


def count(meta, dim):
    """The number of elements that a reduction combines."""
    axes = axes_of(dim, meta.ndim)
    return math.prod(meta.shape[axis] for axis in axes)


@kernel
def sum(xp, input, dim, keepdim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.sum(input, axes_of(dim, input.ndim), keepdim)


def _sum_input(f, g, input_meta, dim, keepdim, dtype):
    g = spread(f, g, input_meta, dim, keepdim)
    return g if dtype in (None, input_meta.dtype) else f._to_dtype(g, input_meta.dtype)


vjp(sum, input=_sum_input)


@kernel
def mean(xp, input, dim, keepdim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.mean(input, axes_of(dim, input.ndim), keepdim)


def _mean_input(f, g, input_meta, dim, keepdim, dtype):
    return _sum_input(f, f.mul(g, 1.0 / max(count(input_meta, dim), 1)), input_meta, dim, keepdim, dtype)


vjp(mean, input=_mean_input)


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
    """For each element, the product of those before it and those after it: exact even with zeros."""
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


def _extremum_input(f, g, input, input_meta, out, dim, keepdim):
    g = spread(f, g, input_meta, dim, keepdim)
    best = f._cast_like(f.eq(input, spread(f, out, input_meta, dim, keepdim)), g)
    return f.div(f.mul(g, best), f.sum(best, dim, True))


@kernel
def amax(xp, input, dim, keepdim):
    return xp.max(input, axes_of(dim, input.ndim), keepdim)


vjp(amax, input=_extremum_input)


@kernel
def amin(xp, input, dim, keepdim):
    return xp.min(input, axes_of(dim, input.ndim), keepdim)


vjp(amin, input=_extremum_input)


def _picked(xp, input, dim, keepdim, where):
    if input.ndim == 0:
        return input, where
    values = xp.take_along_axis(input, xp.expand_dims(where, dim), dim)
    return (values, xp.expand_dims(where, dim)) if keepdim else (xp.squeeze(values, dim), where)


def _scatter_back(f, g, input_meta, indices, dim, keepdim):
    """Zeros with the gradients of the values at their indices."""
    g = g[0]
    if input_meta.ndim == 0:
        return g
    if not keepdim:
        g, indices = f.unsqueeze(g, dim), f.unsqueeze(indices, dim)
    return f.scatter(f.zeros(input_meta.shape, dtype=input_meta.dtype), dim, indices, g)


@kernel
def _max_dim(xp, input, dim, keepdim):
    return _picked(xp, input, dim, keepdim, xp.argmax(input, dim if input.ndim else None))


vjp(_max_dim, input=_scatter_back)


@kernel
def _min_dim(xp, input, dim, keepdim):
    return _picked(xp, input, dim, keepdim, xp.argmin(input, dim if input.ndim else None))


vjp(_min_dim, input=_scatter_back)


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
    return _each_truth(xp, input) if dim == () else xp.all(input, axes_of(dim, input.ndim), keepdim)


@kernel
def any(xp, input, dim, keepdim):
    return _each_truth(xp, input) if dim == () else xp.any(input, axes_of(dim, input.ndim), keepdim)


def _each_truth(xp, input):
    truth = xp.not_equal(input, 0)
    return xp.cast_like(truth, input) if xp.meta_of(input).dtype is dtypes.uint8 else truth


@kernel
def var(xp, input, dim, correction, keepdim):
    axes = axes_of(dim, input.ndim)
    distance = xp.subtract(input, xp.mean(input, axes, True))
    freedom = math.prod(input.shape[axis] for axis in axes) - correction
    return xp.multiply(xp.sum(xp.multiply(distance, distance), axes, keepdim), 1 / freedom if freedom > 0 else math.inf)


def _var_input(f, g, input, dim, correction):
    """The gradient of the variance, from `g` with its dimensions kept."""
    freedom = math.prod(input.shape[axis] for axis in axes_of(dim, input.ndim)) - correction
    return f.mul(f.mul(g, 2 / freedom if freedom else math.inf), f.sub(input, f.mean(input, dim, True)))


vjp(
    var,
    input=lambda f, g, input, input_meta, dim, correction, keepdim: _var_input(
        f, unreduced(f, g, input_meta, dim, keepdim), input, dim, correction
    ),
)


@kernel
def std(xp, input, dim, correction, keepdim):
    return xp.sqrt(var.run(xp, input, dim, correction, keepdim))


def _std_input(f, g, input, input_meta, out, dim, correction, keepdim):
    """The gradient is 0 for equal values, where the root has no derivative."""
    g = f.where(f.eq(out, 0), 0.0, f.div(g, f.mul(out, 2)))
    return _var_input(f, unreduced(f, g, input_meta, dim, keepdim), input, dim, correction)


vjp(std, input=_std_input)


@decomposition
def logsumexp(f, input, dim, keepdim):
    if dtype_of(f, input).category != dtypes.FLOAT:
        input = f._to_dtype(input, dtypes.float32)
    if 0 in input.shape:
        return f.log(f.sum(f.exp(input), dim, keepdim))
    top = f.detach(f.amax(input, dim, True))
    top = f.where(f.isfinite(top), top, 0.0)
    total = f.log(f.sum(f.exp(f.sub(input, top)), dim, keepdim))
    return f.add(total, top if keepdim else f.reshape(top, total.shape))


@kernel
def vector_norm(xp, x, ord, dim, keepdim, dtype):
    x = x if dtype is None else xp.cast(x, dtype)
    axes = axes_of(dim, x.ndim)
    if ord == 0:
        return xp.cast_like(xp.sum(xp.not_equal(x, 0), axes, keepdim), x)
    if ord == 2:
        return xp.sqrt(xp.sum(xp.multiply(x, x), axes, keepdim))
    size = xp.absolute(x)
    if ord in (math.inf, -math.inf):
        return (xp.max if ord > 0 else xp.min)(size, axes, keepdim)
    return xp.power(xp.sum(xp.power(size, ord), axes, keepdim), 1.0 / ord)


def _norm_input(f, g, x, x_meta, out, ord, dim, keepdim, dtype):
    if ord == 0:
        return zero_gradient(f, x)  # a count
    x = x if dtype in (None, x_meta.dtype) else f._to_dtype(x, dtype)
    g, out = (unreduced(f, value, x_meta, dim, keepdim) for value in (g, out))
    gx = _norm_slope(f, g, x, out, ord, dim)
    return gx if dtype in (None, x_meta.dtype) else f._to_dtype(gx, x_meta.dtype)


def _norm_slope(f, g, x, out, ord, dim):
    """As in PyTorch where there is no derivative: 0 for a norm of 0, and equal largest elements share the gradient."""
    if ord in (math.inf, -math.inf):
        largest = f.logical_or(f.eq(f.abs(x), out), f.logical_and(f.isnan(x), f.isnan(out)))
        largest = f._cast_like(largest, x)
        return f.mul(f.sign(x), f.mul(f.div(g, f.sum(largest, dim, True)), largest))
    if ord == 1:
        return f.mul(f.sign(x), g)
    if ord < 1:
        steep = f.where(f.eq(x, 0), 0.0, f.mul(f.sign(x), f.pow(f.abs(x), ord - 1)))
        return f.mul(f.mul(steep, g), f.pow(out, 1 - ord))
    share = f.where(f.eq(out, 0), 0.0, f.div(g, out if ord == 2 else f.pow(out, ord - 1)))
    if ord < 2:
        return f.mul(f.mul(f.sign(x), f.pow(f.abs(x), ord - 1)), share)
    return f.mul(x if ord == 2 else f.mul(x, f.pow(f.abs(x), ord - 2)), share)


vjp(vector_norm, x=_norm_input)


@kernel
def count_nonzero(xp, input, dim):
    return xp.sum(xp.not_equal(input, 0), axes_of(dim, input.ndim), False)
