"""Slices, pieces, diagonals and triangles of a tensor."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes
from telegrad_protocol.ops.slicing import (
    chunk_cuts,
    embedded_shape,
    narrow_index,
    select_index,
    slice_index,
    split_cuts,
    tensor_split_cuts,
)
from telegrad_protocol.shapes import wrap_dim

from .registry import decomposition, direct_kernel, kernel, vjp

WHOLE = (None, None, None)


def key(index):
    """A basic index as arrays take it; the Ellipsis makes an array even of a single element."""
    return (*[slice(*item) if isinstance(item, tuple) else item for item in index], ...)


@kernel
def _slice(xp, input, index):
    return input[key(index)]


vjp(_slice, input=lambda f, g, input_meta, index: f._slice_backward(g, input_meta.shape, index))


@kernel
def _slice_backward(xp, grad, shape, index):
    out = xp.zeros(shape, xp.meta_of(grad).dtype)
    xp.assign(out[key(index)], grad)
    return out


vjp(_slice_backward, grad=lambda f, g, index: f._slice(g, index))


@decomposition
def select(f, input, dim, index):
    return f._slice(input, (WHOLE,) * wrap_dim(dim, input.ndim) + (index,))


@decomposition
def narrow(f, input, dim, start, length):
    return f._slice(input, narrow_index(input.shape, dim, start, length))


def _pieces(input, dim, cuts):
    whole = (slice(None),) * (dim % input.ndim)
    return tuple([input[(*whole, slice(start, stop))] for start, stop in cuts])


def _joined(f, g, meta, dim, cuts):
    """The gradients of pieces as that of the whole; an unused piece has none."""
    axis = dim % len(meta.shape)
    sizes = [(*meta.shape[:axis], stop - start, *meta.shape[axis + 1 :]) for start, stop in cuts]
    pieces = zip(g, sizes, strict=True)
    return f.cat(tuple([f.zeros(size, dtype=meta.dtype) if x is None else x for x, size in pieces]), dim)


@kernel
def split(xp, tensor, split_size_or_sections, dim):
    return _pieces(tensor, dim, split_cuts(tensor.shape, split_size_or_sections, dim))


vjp(
    split,
    tensor=lambda f, g, tensor_meta, split_size_or_sections, dim: _joined(
        f, g, tensor_meta, dim, split_cuts(tensor_meta.shape, split_size_or_sections, dim)
    ),
)


@kernel
def chunk(xp, input, chunks, dim):
    return _pieces(input, dim, chunk_cuts(input.shape, chunks, dim))


vjp(
    chunk,
    input=lambda f, g, input_meta, chunks, dim: _joined(
        f, g, input_meta, dim, chunk_cuts(input_meta.shape, chunks, dim)
    ),
)


@kernel
def tensor_split(xp, input, indices_or_sections, dim):
    return _pieces(input, dim, tensor_split_cuts(input.shape, indices_or_sections, dim))


def _overlaid(f, g, meta, dim, cuts):
    """As `_joined`, for cuts that may overlap or leave gaps."""
    whole, total = (WHOLE,) * (dim % len(meta.shape)), None
    for x, cut in zip(g, cuts, strict=True):
        if x is not None:
            spread = f._slice_backward(x, meta.shape, (*whole, (*cut, 1)))
            total = spread if total is None else f.add(total, spread)
    return total


vjp(
    tensor_split,
    input=lambda f, g, input_meta, indices_or_sections, dim: _overlaid(
        f, g, input_meta, dim, tensor_split_cuts(input_meta.shape, indices_or_sections, dim)
    ),
)


@kernel
def unbind(xp, input, dim):
    whole = (slice(None),) * (dim % input.ndim)
    return tuple([input[(*whole, index, ...)] for index in range(input.shape[dim])])


def _unbind_input(f, g, input_meta, dim):
    axis = dim % len(input_meta.shape)
    size = (*input_meta.shape[:axis], *input_meta.shape[axis + 1 :])
    return f.stack(tuple([f.zeros(size, dtype=input_meta.dtype) if x is None else x for x in g]), dim)


vjp(unbind, input=_unbind_input)


def _on_diagonal(xp, array, offset, dim1, dim2):
    most = max(array.shape)  # beyond this offset every diagonal is empty
    return xp.diagonal(array, min(max(offset, -most), most), dim1, dim2)


@kernel
def diagonal(xp, input, offset, dim1, dim2):
    return _on_diagonal(xp, input, offset, dim1, dim2)


vjp(
    diagonal,
    input=lambda f, g, input_meta, offset, dim1, dim2: f._diagonal_backward(g, input_meta.shape, offset, dim1, dim2),
)


@kernel
def _diagonal_backward(xp, grad, shape, offset, dim1, dim2):
    out = xp.zeros(shape, xp.meta_of(grad).dtype)
    xp.assign(_on_diagonal(xp, out, offset, dim1, dim2), grad)
    return out


vjp(_diagonal_backward, grad=lambda f, g, offset, dim1, dim2: f.diagonal(g, offset, dim1, dim2))


direct_kernel(
    "_unfold_windows",
    "windows",
    input=lambda f, g, input_meta, dimension, size, step: f._unfold_windows_backward(
        g, input_meta.shape, dimension, size, step
    ),
)


@kernel
def _unfold_windows_backward(xp, grad, shape, dimension, size, step):
    out = xp.zeros(shape, xp.meta_of(grad).dtype)
    if not shape:
        return xp.reshape(grad, ()) if size else out
    axis = dimension % len(shape)
    reach = (grad.shape[axis] - 1) * step + 1
    for tap in range(size):
        part = out[(*(slice(None),) * axis, slice(tap, tap + reach, step))]
        xp.assign(part, xp.add(part, grad[..., tap]))
    return out


vjp(
    _unfold_windows_backward,
    grad=lambda f, g, dimension, size, step: f._unfold_windows(g, dimension, size, step),
)


direct_kernel("tril", input=lambda f, g, diagonal: f.tril(g, diagonal))
direct_kernel("triu", input=lambda f, g, diagonal: f.triu(g, diagonal))


@decomposition
def diag_embed(f, input, offset, dim1, dim2):
    return f._diagonal_backward(input, embedded_shape(tuple(input.shape), offset, dim1, dim2), offset, dim1, dim2)


@decomposition
def diag(f, input, diagonal):
    return f.diag_embed(input, diagonal) if input.ndim == 1 else f.clone(f.diagonal(input, diagonal))


@decomposition
def diagflat(f, input, offset):
    return f.diag_embed(f.reshape(input, (math.prod(input.shape),)), offset)


@kernel
def _slice_scatter(xp, input, src, index):
    out = xp.copy(input)
    xp.assign(out[key(index)], src)
    return out


vjp(
    _slice_scatter,
    input=lambda f, g, src_meta, index: f._slice_scatter(g, f.zeros(src_meta.shape, dtype=src_meta.dtype), index),
    src=lambda f, g, index: f._slice(g, index),
)


@decomposition
def select_scatter(f, input, src, dim, index):
    return f._slice_scatter(input, src, select_index(tuple(input.shape), dim, index))


@decomposition
def slice_scatter(f, input, src, dim, start, end, step):
    return f._slice_scatter(input, src, slice_index(tuple(input.shape), dim, start, end, step))


@decomposition
def diagonal_scatter(f, input, src, offset, dim1, dim2):
    geometry = (tuple(input.shape), offset, dim1, dim2)
    on = f._diagonal_backward(f.ones(tuple(src.shape), dtype=dtypes.bool_), *geometry)
    return f.where(on, f._diagonal_backward(src, *geometry), input)
