"""Gather and scatter by index tensors and masks. Every index is checked before memory is touched."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, ShapeError
from telegrad_protocol.ops.gather import common_index
from telegrad_protocol.shapes import broadcast, wrap_dim

from ._shared import dtype_of, number_like
from .registry import decomposition, direct_kernel, kernel, vjp

# By an index per dimension -------------------------------------------------------------------------------------------


def _check(xp, index, size, dim, error, low=0):
    """The index, checked. Raises for one outside [low, size)."""
    return xp.check_index(index, low, size, _out_of_bounds, size, dim, error)


def _out_of_bounds(outside, size, dim, error):
    return error(
        f"index {outside} is out of bounds for dimension {dim} with size {size}", argument="index", got=outside
    )


def _places(xp, shape, indices):
    """An index as arrays take it: whole dimensions as slices, masks as the indices of their true elements."""
    found, masked = [], False
    for index in indices:
        if index is None:
            found.append(slice(None))
        elif xp.meta_of(index).dtype in (dtypes.bool_, dtypes.uint8):
            if not index.ndim:
                raise OpIndexError("a mask of no dimensions is not supported beside a tensor's", argument="indices")
            found.extend(xp.true_places(index))
            masked = True
        else:
            size = shape[len(found)]
            found.append(_check(xp, index, size, len(found), OpIndexError, -size))
    if masked:  # a mask gives one index per true element
        common_index([index.shape for index in found if not isinstance(index, slice)])
    return tuple(found)


@kernel
def _index(xp, input, indices):
    return input[_places(xp, input.shape, indices)]


vjp(_index, input=lambda f, g, input_meta, indices: f._index_backward(g, input_meta.shape, indices))


@kernel
def _index_mask(xp, input, indices):
    return input[_places(xp, input.shape, indices)]


vjp(_index_mask, input=lambda f, g, input_meta, indices: f._index_backward(g, input_meta.shape, indices))


@kernel
def _index_backward(xp, grad, shape, indices):
    out = xp.zeros(shape, xp.meta_of(grad).dtype)
    return xp.add_at(out, _places(xp, shape, indices), grad)


vjp(_index_backward, grad=lambda f, g, indices: f._index_mask(g, indices))


@kernel
def index_put(xp, input, indices, values, accumulate):
    out, places = xp.copy(input), _places(xp, input.shape, indices)
    return xp.add_at(out, places, values) if accumulate else xp.put(out, places, values)


vjp(
    index_put,
    input=lambda f, g, input_meta, indices, accumulate: (
        g if accumulate else f.index_put(g, indices, f.zeros((), dtype=input_meta.dtype))
    ),
    values=lambda f, g, indices: f._index_mask(g, indices),
)


@kernel
def _checked_places(xp, index, size):
    return xp.check_index(index, -size, size, _out_of_range, size)


def _out_of_range(outside, size):
    words = f"out of range: tried to access index {outside} on a tensor of {size} elements."
    return OpIndexError(words, argument="index", got=outside)


@decomposition
def take(f, input, index):
    return f._index(f.reshape(input, (-1,)), (f._checked_places(index, math.prod(input.shape)),))


# By masks -----------------------------------------------------------------------------------------------------------


@decomposition
def masked_select(f, input, mask):
    shape = broadcast([tuple(input.shape), tuple(mask.shape)])
    return f._index_mask(f.expand(input, shape), (f.expand(mask, shape),))


@kernel
def masked_scatter(xp, input, mask, source):
    shape = broadcast([input.shape, mask.shape])
    out, places = xp.copy(xp.broadcast_to(input, shape)), xp.true_places(xp.broadcast_to(mask, shape))
    count = xp.count_of(places)
    if count > source.size:
        raise ShapeError(
            f"Number of elements of source < number of ones in mask: {source.size} < {count}", argument="source"
        )
    return xp.put(out, places, xp.reshape(source, (-1,))[:count])


vjp(
    masked_scatter,
    input=lambda f, g, mask: f.where(mask, 0.0, g),
    source=lambda f, g, mask, source_meta: f._masked_scatter_backward(g, mask, source_meta.shape),
)


@kernel
def _masked_scatter_backward(xp, grad, mask, size):
    places = xp.true_places(xp.broadcast_to(mask, grad.shape))
    out = xp.zeros(size, xp.meta_of(grad).dtype)
    count = xp.count_of(places)
    if count > out.size:
        raise ShapeError(f"the mask holds in {count} places, for a source of {out.size} elements", argument="size")
    xp.assign(xp.reshape(out, (-1,))[:count], grad[places])
    return out


vjp(
    _masked_scatter_backward,
    grad=lambda f, g, grad_meta, mask: f.masked_scatter(f.zeros(grad_meta.shape, dtype=grad_meta.dtype), mask, g),
)


direct_kernel("nonzero")


@decomposition
def argwhere(f, input):
    return f.nonzero(input)


@decomposition
def masked_fill(f, input, mask, value):
    value = f._to_dtype(value, dtype_of(f, input)) if hasattr(value, "shape") else number_like(f, input, value)
    return f.where(mask, value, input)


# Along a dimension, an index per element ------------------------------------------------------------------------------


def _along(xp, input, dim, index):
    """`index` checked, and its axis."""
    axis = wrap_dim(dim, input.ndim)
    _check(xp, index, (input.shape or (1,))[axis], axis, ShapeError)
    return axis


@kernel
def gather(xp, input, dim, index):
    axis = _along(xp, input, dim, index)
    if not index.size:
        return xp.zeros(index.shape, xp.meta_of(input).dtype)
    if not input.ndim:
        return xp.copy(xp.broadcast_to(input, index.shape))
    if not index.ndim:
        return xp.reshape(xp.take_along(input, xp.reshape(index, (1,)), axis), ())
    return xp.take_along(input, index, axis)


vjp(
    gather,
    input=lambda f, g, input_meta, dim, index: f.scatter_add(
        f.zeros(input_meta.shape, dtype=input_meta.dtype), dim, index, g
    ),
)


def _sent(xp, input, dim, index, src, how):
    """A copy of `input` with `src` at the index; an empty index may have any shape."""
    axis = _along(xp, input, dim, index)
    if input.ndim and not index.ndim:
        index, src = (xp.reshape(x, (-1,)) if hasattr(x, "shape") else x for x in (index, src))
    return xp.scatter_along(xp.copy(input), index, src, axis, how) if index.size else xp.copy(input)


@kernel
def scatter(xp, input, dim, index, src):
    return _sent(xp, input, dim, index, src, "set")


vjp(
    scatter,
    input=lambda f, g, dim, index: f.scatter(g, dim, index, 0),
    src=lambda f, g, src_meta, dim, index: _padded(f, f.gather(g, dim, index), src_meta),
)


@kernel
def scatter_add(xp, input, dim, index, src):
    return _sent(xp, input, dim, index, src, "add")


vjp(
    scatter_add,
    input=lambda f, g: g,
    src=lambda f, g, src_meta, dim, index: _padded(f, f.gather(g, dim, index), src_meta),
)


def _padded(f, corner, meta):
    """The gradient of a source, of which the op used the corner that the index covers."""
    if corner.shape == meta.shape:
        return corner
    if not math.prod(corner.shape):  # `src` may have another rank
        return f.zeros(meta.shape, dtype=meta.dtype)
    sizes = zip(reversed(corner.shape), reversed(meta.shape), strict=True)
    return f._pad_constant(corner, tuple([n for have, want in sizes for n in (0, want - have)]), 0)


def _corner(f, src, index):
    """The part of a source that the index covers."""
    if not math.prod(index.shape):
        return f.zeros(tuple(index.shape), dtype=dtype_of(f, src))
    return f._slice(src, tuple([(0, size, 1) for size in index.shape]))


@decomposition
def scatter_reduce(f, input, dim, index, src, reduce, include_self):
    if reduce in ("amax", "amin"):
        return f._scatter_extremum(input, dim, index, src, reduce == "amax", include_self)
    base = input if include_self else f.scatter(input, dim, index, 1 if reduce == "prod" else 0)
    if reduce == "prod":
        return f._scatter_multiply(base, dim, index, src)
    total = f.scatter_add(base, dim, index, src)
    return total if reduce == "sum" else _averaged(f, total, dim, index, include_self)


def _averaged(f, total, dim, index, include_self):
    """A sum divided by the number of its terms."""
    dtype = dtype_of(f, total)
    ones = f.ones(tuple(total.shape), dtype=dtype)
    counts = ones if include_self else f.scatter(ones, dim, index, 0)
    counts = f.clamp(f.scatter_add(counts, dim, index, f.ones(tuple(index.shape), dtype=dtype)), 1)
    return f.div(total, counts, rounding_mode=None if dtype.is_floating_point else "floor")


@kernel
def _scatter_multiply(xp, input, dim, index, src):
    return _sent(xp, input, dim, index, src, "multiply")


vjp(
    _scatter_multiply,
    input=lambda f, g, input_meta, dim, index, src: f.mul(
        g, f._scatter_multiply(f.ones(input_meta.shape, dtype=input_meta.dtype), dim, index, src)
    ),
    src=lambda f, g, input, dim, index, src, src_meta, out: _padded(
        f, f.mul(f.gather(g, dim, index), _other_factors(f, input, dim, index, _corner(f, src, index), out)), src_meta
    ),
)


def _other_factors(f, input, dim, index, src, out):
    """For each factor, the product of the others at its index; where one factor is 0, the product without it."""
    zero = f.eq(src, 0)
    filled = f.where(zero, 1.0, src)
    zeros = f.scatter_add(f.mul(out, 0.0), dim, index, f._cast_like(zero, src))
    alone = f.logical_and(zero, f.eq(f.gather(zeros, dim, index), 1))
    rest = f.gather(f._scatter_multiply(input, dim, index, filled), dim, index)
    return f.where(alone, rest, f.div(f.gather(out, dim, index), filled))


@kernel
def _scatter_extremum(xp, input, dim, index, src, largest, include_self):
    if not include_self:  # start from a candidate of `src` instead of `input`
        input = _sent(xp, input, dim, index, src, "set")
    return _sent(xp, input, dim, index, src, "maximum" if largest else "minimum")


vjp(
    _scatter_extremum,
    input=lambda f, g, input, dim, index, src, include_self, out: _kept_share(
        f, g, *_winners(f, input, dim, index, src, out), dim, index, include_self
    ),
    src=lambda f, g, input, dim, index, src, src_meta, out: _padded(
        f, _sent_share(f, g, *_winners(f, input, dim, index, src, out), dim, index), src_meta
    ),
)


def _winners(f, input, dim, index, src, out):
    """Ones where an element of `input`, and where one of `src`, is the extremum: they share the gradient, as in PyTorch."""
    kept = f._cast_like(f.eq(input, out), input)
    return kept, f._cast_like(f.eq(_corner(f, src, index), f.gather(out, dim, index)), src)


def _kept_share(f, g, kept, sent, dim, index, include_self):
    share = f.mul(f.div(g, f.scatter_add(kept, dim, index, sent)), kept)
    return share if include_self else f.scatter(share, dim, index, 0)


def _sent_share(f, g, kept, sent, dim, index):
    return f.mul(f.gather(f.div(g, f.scatter_add(kept, dim, index, sent)), dim, index), sent)


@decomposition
def take_along_dim(f, input, indices, dim):
    if dim is None:
        return f.gather(f.reshape(input, (-1,)), 0, f.reshape(indices, (-1,)))
    axis = wrap_dim(dim, input.ndim)
    own, other = tuple(input.shape), tuple(indices.shape)
    ahead, behind = broadcast([own[:axis], other[:axis]]), broadcast([own[axis + 1 :], other[axis + 1 :]])
    return f.gather(
        f.expand(input, (*ahead, own[axis], *behind)), axis, f.expand(indices, (*ahead, other[axis], *behind))
    )


# Along a dimension, an index per slice --------------------------------------------------------------------------------


@kernel
def index_select(xp, input, dim, index):
    size = input.shape[dim] if input.ndim else 1
    index = xp.check_index(index, 0, size, _not_in_self, size)
    return xp.take(input, xp.reshape(index, (-1,)), dim) if input.ndim else xp.copy(input)


def _not_in_self(outside, size):
    return OpIndexError("index out of range in self", argument="index", expected=f"[0, {size - 1}]", got=outside)


vjp(
    index_select,
    input=lambda f, g, input_meta, dim, index: f.index_add(
        f.zeros(input_meta.shape, dtype=input_meta.dtype), dim, index, g
    ),
)


def _rows(xp, input, dim, index, error, low=0):
    """The indices of the slices, checked."""
    axis = wrap_dim(dim, input.ndim)
    size = (input.shape or (1,))[axis]
    index = _check(xp, index, size, axis, error, low)
    return (*(slice(None),) * axis, xp.reshape(index, (-1,))) if input.ndim else ()


@kernel
def index_add(xp, input, dim, index, source, alpha):
    if xp.meta_of(source).dtype.category != dtypes.FLOAT:
        alpha = int(alpha)
    values = source if alpha == 1 else xp.multiply(source, alpha)
    return xp.add_at(xp.copy(input), _rows(xp, input, dim, index, ShapeError), xp.cast_like(values, input))


vjp(
    index_add,
    input=lambda f, g: g,
    source=lambda f, g, dim, index, alpha: f.mul(f.index_select(g, dim, index), alpha),
)


@kernel
def index_copy(xp, input, dim, index, source):
    return xp.put(xp.copy(input), _rows(xp, input, dim, index, OpIndexError), source)


vjp(
    index_copy,
    input=lambda f, g, dim, index: f.index_fill(g, dim, index, 0),
    source=lambda f, g, dim, index: f.index_select(g, dim, index),
)


@kernel
def index_fill(xp, input, dim, index, value):
    size = (input.shape or (1,))[dim]
    return xp.put(xp.copy(input), _rows(xp, input, dim, index, OpIndexError, -size), value)


vjp(
    index_fill,
    input=lambda f, g, dim, index: f.index_fill(g, dim, index, 0),
    value=lambda f, g, dim, index: f.sum(f.index_select(g, dim, _wrapped(f, index, g, dim))),
)


def _wrapped(f, index, g, dim):
    return f.remainder(index, (g.shape or (1,))[dim])
