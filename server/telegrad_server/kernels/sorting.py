"""Sorted order, the largest elements, the median, the mode, quantiles."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.shapes import reduced, wrap_dim, wrap_dims

from ._shared import dtype_of
from .registry import decomposition, kernel, vjp


def _ordered(impl):
    """Register the gradient of sorted values: back to their original indices."""
    vjp(impl, input=lambda f, g, input_meta, indices, dim: _returned(f, g[0], input_meta, indices, dim))


def _reduced(impl):
    """Register the gradient of one selected value per row."""
    vjp(impl, input=lambda f, g, input_meta, indices, dim: _returned_one(f, g[0], input_meta, indices, dim))


def _returned_one(f, g, meta, indices, dim):
    kept = reduced(meta.shape, (wrap_dim(dim, meta.ndim),), True) if meta.ndim else ()
    return _returned(f, f.reshape(g, kept), meta, f.reshape(indices, kept), dim)


def _returned(f, g, meta, indices, dim):
    """Zeros with the gradient at the indices."""
    return f.scatter(f.zeros(meta.shape, dtype=meta.dtype), dim, indices, g)


def _rows(xp, input, dim):
    """The array with `dim` last, and a function that moves it back in results."""
    return xp.swapaxes(input, dim, -1) if input.ndim else xp.reshape(input, (1,))


def _back(xp, result, input, dim):
    return xp.swapaxes(result, dim, -1) if input.ndim else xp.reshape(result, ())


def _picked(xp, rows, order, input, dim):
    """Values and indices in the input's order of dimensions."""
    values = xp.take_along_axis(rows, order, -1)
    return _back(xp, values, input, dim), _back(xp, order, input, dim)


@kernel
def sort(xp, input, dim, descending, stable):
    rows = _rows(xp, input, dim)
    return _picked(xp, rows, xp.argsort(rows, descending), input, dim)


_ordered(sort)


@kernel
def argsort(xp, input, dim, descending, stable):
    return _back(xp, xp.argsort(_rows(xp, input, dim), descending), input, dim)


@decomposition
def msort(f, input):
    return f.sort(input, 0)[0]


@kernel
def topk(xp, input, k, dim, largest, sorted):
    rows = _rows(xp, input, dim)
    if not input.ndim:
        return xp.copy(input), xp.argsort(rows, False).reshape(())
    return _picked(xp, rows, xp.argtop(rows, k, largest), input, dim)


_ordered(topk)


def _chosen(xp, input, dim, keepdim, choose):
    """One element of each row: its value and its index."""
    rows = _rows(xp, input, dim)
    index = choose(rows)[..., None]
    shape = reduced(input.shape, (wrap_dim(dim, input.ndim),), keepdim) if input.ndim else ()
    values, indices = _picked(xp, rows, index, input, dim)
    return xp.reshape(values, shape), xp.reshape(indices, shape)


@kernel
def kthvalue(xp, input, k, dim, keepdim):
    return _chosen(xp, input, dim, keepdim, lambda rows: xp.argsort(rows, False)[..., k - 1])


@kernel
def _median_dim(xp, input, dim, keepdim):
    return _chosen(xp, input, dim, keepdim, lambda rows: xp.argmedian(rows, False))


@kernel
def _nanmedian_dim(xp, input, dim, keepdim):
    return _chosen(xp, input, dim, keepdim, lambda rows: xp.argmedian(rows, True))


@kernel
def mode(xp, input, dim, keepdim):
    return _chosen(xp, input, dim, keepdim, xp.argmode)


for _impl in (kthvalue, _median_dim, _nanmedian_dim, mode):
    _reduced(_impl)


def _middle(xp, input, skip_nan):
    if not input.size:
        dtype = xp.meta_of(input).dtype
        return xp.full((), _nothing(dtype), dtype)
    flat = xp.reshape(input, (-1,))
    return xp.reshape(xp.take(flat, xp.argmedian(flat, skip_nan), 0), ())


def _nothing(dtype):
    """nan in a dtype; for integers, the result of a processor's cast."""
    if dtype.is_floating_point:
        return math.nan
    return -(1 << (8 * dtype.itemsize - 1)) if dtype.itemsize >= 4 else 0


@kernel
def median(xp, input):
    return _middle(xp, input, False)


@kernel
def nanmedian(xp, input):
    return _middle(xp, input, True)


def _shared(f, g, input, out):
    """The gradient of the median, shared by all elements equal to it."""
    same = f.logical_or(f.eq(input, out), f.logical_and(f.isnan(input), f.isnan(out)))
    same = f._cast_like(same, g)
    return f.div(f.mul(f.expand(g, input.shape), same), f.sum(same))


for _impl in (median, nanmedian):
    vjp(_impl, input=_shared)


def _quantile(f, input, q, dim, keepdim, interpolation, skip_nan):
    whole = dim is None or not input.ndim
    rows = f.reshape(input, (-1,)) if whole else f.movedim(input, (dim,), (-1,))
    ordered, missing, last = f.sort(rows, -1)[0], f.isnan(rows), float(rows.shape[-1] - 1)
    q = q if hasattr(q, "shape") else f.full((), _in_range(q), dtype=dtype_of(f, input))
    shares = f.reshape(q, (-1,))
    if skip_nan:
        count = f._cast_like(f.sum(missing, -1, True), rows)
        ranks = f.mul(shares, f.clamp(f.add(f.neg(count), last), 0))
    else:
        ranks = f.where(f.any(missing, -1, True), last, f.mul(shares, last))
    found = f.movedim(_interpolated(f, ordered, ranks, interpolation), (-1,), (0,))
    shape = reduced(tuple(input.shape), wrap_dims(None if whole else dim, input.ndim), keepdim)
    return f.clone(f.reshape(found, (*q.shape, *shape)))


def _in_range(q):
    if not 0 <= q <= 1:
        raise ShapeError(f"quantile() q must be in the range [0, 1] but got {q}", argument="q", got=q)
    return q


def _interpolated(f, ordered, ranks, interpolation):
    """The values at fractional ranks of sorted rows."""
    below, above = f.floor(ranks), f.ceil(ranks)
    if interpolation == "nearest":
        below = above = f.round(ranks)
    elif interpolation in ("lower", "higher"):
        below = above = below if interpolation == "lower" else above
    low = f.gather(ordered, -1, f._to_dtype(below, dtypes.int64))
    if below is above:
        return low
    weight = f.sub(ranks, below) if interpolation == "linear" else 0.5
    return f.lerp(low, f.gather(ordered, -1, f._to_dtype(above, dtypes.int64)), weight)


@decomposition
def quantile(f, input, q, dim, keepdim, interpolation):
    return _quantile(f, input, q, dim, keepdim, interpolation, False)


@decomposition
def nanquantile(f, input, q, dim, keepdim, interpolation):
    return _quantile(f, input, q, dim, keepdim, interpolation, True)
