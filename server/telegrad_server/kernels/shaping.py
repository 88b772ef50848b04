"""Views and copies that rearrange."""

from __future__ import annotations

from telegrad_protocol.ops.shaping import cuts, flat_shape, moved
from telegrad_protocol.shapes import infer_size, wrap_dim, wrap_dims

from .registry import composite, kernel, vjp


@kernel
def transpose(xp, input, dim0, dim1):
    return xp.swapaxes(input, dim0, dim1) if input.ndim else input


vjp(transpose, input=lambda f, g, dim0, dim1: f.transpose(g, dim0, dim1))


@kernel
def reshape(xp, input, shape):
    return xp.reshape(input, shape)


vjp(reshape, input=lambda f, g, input_meta: f.reshape(g, input_meta.shape))


@kernel
def view(xp, input, shape):
    return xp.reshape(input, shape)


vjp(view, input=lambda f, g, input_meta: f.reshape(g, input_meta.shape))


@kernel
def as_strided(xp, input, size, stride, storage_offset):
    return xp.as_strided(input, size, stride, storage_offset or 0)


vjp(
    as_strided,
    input=lambda f, g, input_meta, size, stride, storage_offset: f._as_strided_backward(
        g, input_meta.shape, size, stride, storage_offset
    ),
)


@kernel
def _as_strided_backward(xp, grad, shape, size, stride, storage_offset):
    return xp.add_strided(grad, shape, size, stride, storage_offset or 0)


vjp(
    _as_strided_backward,
    grad=lambda f, g, size, stride, storage_offset: f.as_strided(f.clone(g), size, stride, storage_offset),
)


@kernel
def as_strided_scatter(xp, input, src, size, stride, storage_offset):
    out = xp.copy(input)
    xp.assign(xp.as_strided(out, size, stride, storage_offset or 0), src)
    return out


vjp(
    as_strided_scatter,
    input=lambda f, g, src_meta, size, stride, storage_offset: f.as_strided_scatter(
        g, f.zeros(size, dtype=src_meta.dtype), size, stride, storage_offset
    ),
    src=lambda f, g, size, stride, storage_offset: f.as_strided(f.clone(g), size, stride, storage_offset),
)


@kernel
def _to_dtype(xp, input, dtype):
    return xp.cast(input, dtype)


vjp(_to_dtype, input=lambda f, g, input_meta: f._to_dtype(g, input_meta.dtype))


@kernel
def clone(xp, input):
    return xp.copy(input)


vjp(clone, input=lambda f, g: g)


@kernel
def detach(xp, input):
    return input


@kernel
def expand(xp, input, size):
    lead = len(size) - input.ndim
    full = tuple([input.shape[i - lead] if n == -1 else n for i, n in enumerate(size)])
    return xp.broadcast_to(input, full)


vjp(expand, input=lambda f, g, input_meta: f.sum_to_size(g, input_meta.shape))


@kernel
def sum_to_size(xp, input, size):
    return xp.sum_to(input, size)


vjp(sum_to_size, input=lambda f, g, input_meta: f.expand(g, input_meta.shape))


@kernel
def permute(xp, input, dims):
    return xp.transpose(input, dims)


vjp(permute, input=lambda f, g, dims: f.permute(g, _inverse(dims)))


def _inverse(dims):
    """The permutation that undoes one."""
    axes = [dim % len(dims) for dim in dims]
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@kernel
def movedim(xp, input, source, destination):
    return xp.transpose(input, moved(input.ndim, source, destination))


vjp(movedim, input=lambda f, g, source, destination: f.movedim(g, destination, source))


@kernel
def t(xp, input):
    return xp.swapaxes(input, 0, 1) if input.ndim == 2 else input


vjp(t, input=lambda f, g: f.t(g))


def _reshaped(f, g, input_meta):
    return f.reshape(g, input_meta.shape)


@kernel
def unsqueeze(xp, input, dim):
    return xp.expand_dims(input, dim)


vjp(unsqueeze, input=_reshaped)


@kernel
def squeeze(xp, input, dim):
    axes = wrap_dims(dim, input.ndim) if dim != () else ()
    return xp.squeeze(input, tuple([axis for axis in axes if input.shape[axis] == 1]))


vjp(squeeze, input=_reshaped)


@kernel
def flatten(xp, input, start_dim, end_dim):
    return xp.reshape(input, flat_shape(input.shape, start_dim, end_dim))


vjp(flatten, input=_reshaped)


@kernel
def unflatten(xp, input, dim, sizes):
    axis = wrap_dim(dim, input.ndim)
    filled = infer_size(sizes, input.shape[axis])
    return xp.reshape(input, (*input.shape[:axis], *filled, *input.shape[axis + 1 :]))


vjp(unflatten, input=_reshaped)


@kernel
def broadcast_to(xp, input, size):
    lead = len(size) - input.ndim
    return xp.broadcast_to(input, tuple([input.shape[i - lead] if n == -1 else n for i, n in enumerate(size)]))


vjp(broadcast_to, input=lambda f, g, input_meta: f.sum_to_size(g, input_meta.shape))


@kernel
def contiguous(xp, input):
    return input


vjp(contiguous, input=lambda f, g: g)


def _numpy_index(index):
    return tuple([slice(*item) if isinstance(item, tuple) else item for item in index])


@kernel
def _slice(xp, input, index):
    return xp.slice(input, _numpy_index(index))


vjp(_slice, input=lambda f, g, input_meta, index: f._slice_backward(g, input_meta.shape, index))


@kernel
def _slice_backward(xp, grad, shape, index):
    return xp.place(grad, shape, _numpy_index(index))


vjp(_slice_backward, grad=lambda f, g, index: f._slice(g, index))


def _part(dim, ndim, start, end):
    """The basic index of a part of one dimension."""
    return (*((None, None, None),) * wrap_dim(dim, ndim), (start, end, None))


@kernel
def narrow(xp, input, dim, start, length):
    start = start + input.shape[dim] if start < 0 else start
    return xp.slice(input, _numpy_index(_part(dim, input.ndim, start, start + length)))


vjp(
    narrow,
    input=lambda f, g, input_meta, dim, start, length: f._slice_backward(
        g, input_meta.shape, _narrowed(input_meta, dim, start, length)
    ),
)


def _narrowed(meta, dim, start, length):
    start = start + meta.shape[dim] if start < 0 else start
    return _part(dim, meta.ndim, start, start + length)


def _at(dim, ndim, index):
    return (*((None, None, None),) * wrap_dim(dim, ndim), index)


@kernel
def select(xp, input, dim, index):
    return xp.slice(input, _numpy_index(_at(dim, input.ndim, index)))


vjp(
    select,
    input=lambda f, g, input_meta, dim, index: f._slice_backward(g, input_meta.shape, _at(dim, input_meta.ndim, index)),
)


def _pieces(xp, input, dim, bounds):
    return [xp.slice(input, _numpy_index(_part(dim, input.ndim, start, end))) for start, end in bounds]


def _joined(f, grads, meta, dim, bounds):
    """The gradient of a split: the parts' gradients side by side, zeros where there is none."""
    axis = wrap_dim(dim, meta.ndim)
    filled = []
    for g, (start, end) in zip(grads, bounds, strict=True):
        shape = (*meta.shape[:axis], end - start, *meta.shape[axis + 1 :])
        filled.append(f.zeros(shape, dtype=meta.dtype) if g is None else g)
    return f.cat(tuple(filled), axis)


@kernel
def split(xp, input, split_size, dim):
    return _pieces(xp, input, dim, cuts(input.shape[dim], split_size))


vjp(
    split,
    input=lambda f, g, input_meta, split_size, dim: _joined(
        f, g, input_meta, dim, cuts(input_meta.shape[dim], split_size)
    ),
)


def _chunk_cuts(shape, chunks, dim):
    return cuts(shape[dim], -(-shape[dim] // chunks))


@kernel
def chunk(xp, input, chunks, dim):
    return _pieces(xp, input, dim, _chunk_cuts(input.shape, chunks, dim))


vjp(
    chunk,
    input=lambda f, g, input_meta, chunks, dim: _joined(
        f, g, input_meta, dim, _chunk_cuts(input_meta.shape, chunks, dim)
    ),
)


@kernel
def unbind(xp, input, dim):
    return [xp.slice(input, _numpy_index(_at(dim, input.ndim, i))) for i in range(input.shape[dim])]


vjp(unbind, input=lambda f, g, input_meta, dim: _restacked(f, g, input_meta, dim))


def _restacked(f, grads, meta, dim):
    axis = wrap_dim(dim, meta.ndim)
    shape = meta.shape[:axis] + meta.shape[axis + 1 :]
    return f.stack(tuple(f.zeros(shape, dtype=meta.dtype) if g is None else g for g in grads), axis)


@kernel
def cat(xp, tensors, dim):
    return xp.concatenate([t for t in tensors if t.shape != (0,)] or list(tensors), dim)


vjp(cat, tensors=lambda f, g, tensors_meta, dim: _cut_like(f, g, tensors_meta, dim))


def _cut_like(f, g, metas, dim):
    """The parts of the gradient of a concatenation."""
    axis = wrap_dim(dim, g.ndim)
    grads, start = [], 0
    for meta in metas:
        if meta.shape == (0,):
            grads.append(f.zeros((0,), dtype=meta.dtype))
            continue
        end = start + meta.shape[axis]
        grads.append(f._slice(g, _part(axis, g.ndim, start, end)))
        start = end
    return grads


@kernel
def stack(xp, tensors, dim):
    return xp.stack(list(tensors), dim)


vjp(
    stack,
    tensors=lambda f, g, tensors_meta, dim: [f._slice(g, _at(dim, g.ndim, i)) for i in range(len(tensors_meta))],
)


@kernel
def _cast_to(xp, input, dtype):
    return input if input.dtype == xp.dtype(dtype) else xp.cast(input, dtype)


vjp(_cast_to, input=lambda f, g, input_meta: f._cast_to(g, input_meta.dtype))


@kernel
def repeat(xp, input, repeats):
    return xp.tile(input, repeats)


vjp(repeat, input=lambda f, g, input_meta, repeats: _folded(f, g, input_meta.shape, repeats))


def _folded(f, g, shape, repeats):
    """Sum the copies of a repeated tensor."""
    full = (1,) * (len(repeats) - len(shape)) + shape
    pairs = tuple(n for r, s in zip(repeats, full, strict=True) for n in (r, s))
    summed = f.sum(f.reshape(g, pairs), tuple(range(0, len(pairs), 2))) if pairs else g
    return f.reshape(summed, shape)


@kernel
def repeat_interleave(xp, input, repeats, dim):
    return xp.repeat(input, repeats, dim)


vjp(repeat_interleave, input=lambda f, g, input_meta, repeats, dim: _gathered_runs(f, g, input_meta, repeats, dim))


def _gathered_runs(f, g, meta, repeats, dim):
    axis = None if dim is None else wrap_dim(dim, meta.ndim)
    shape = (meta.numel,) if axis is None else meta.shape
    axis = axis or 0
    runs = (*shape[: axis + 1], repeats, *shape[axis + 1 :])
    return f.reshape(f.sum(f.reshape(g, runs), axis + 1), meta.shape)


@kernel
def flip(xp, input, dims):
    return xp.flip(input, dims)


vjp(flip, input=lambda f, g, dims: f.flip(g, dims))


@kernel
def roll(xp, input, shifts, dims):
    return xp.roll(input, shifts[0] if dims is None else shifts, dims)


vjp(roll, input=lambda f, g, shifts, dims: f.roll(g, tuple(-shift for shift in shifts), dims))


@kernel
def tril(xp, input, diagonal):
    return xp.tril(input, diagonal)


vjp(tril, input=lambda f, g, diagonal: f.tril(g, diagonal))


@kernel
def triu(xp, input, diagonal):
    return xp.triu(input, diagonal)


vjp(triu, input=lambda f, g, diagonal: f.triu(g, diagonal))


@kernel
def diagonal(xp, input, offset, dim1, dim2):
    return xp.diagonal(input, offset, dim1, dim2)


vjp(diagonal, input=lambda f, g, input_meta, offset, dim1, dim2: _rediagonal(f, g, input_meta, offset, dim1, dim2))


def _rediagonal(f, g, meta, offset, dim1, dim2):
    """Zeros with the gradient on the diagonal."""
    a, b = wrap_dim(dim1, meta.ndim), wrap_dim(dim2, meta.ndim)
    full = f._diag_matrix(g, offset)
    full = f._slice(
        full, (*((None, None, None),) * (meta.ndim - 2), (0, meta.shape[a], None), (0, meta.shape[b], None))
    )
    missing = (meta.shape[a] - full.shape[-2], meta.shape[b] - full.shape[-1])
    if any(missing):
        full = f.pad(full, (0, missing[1], 0, missing[0]))
    return f.movedim(full, (-2, -1), (a, b))


@kernel
def _diag_matrix(xp, input, offset):
    return xp.diagonal_matrix(input, offset)


vjp(_diag_matrix, input=lambda f, g, offset: f.diagonal(g, offset, -2, -1))


@composite
def diag(f, input, diagonal):
    return f._diag_matrix(input, diagonal) if input.ndim == 1 else f.clone(f.diagonal(input, diagonal))


@composite
def meshgrid(f, tensors, indexing):
    n = len(tensors)
    sizes = [t.shape[0] if t.ndim else 1 for t in tensors]
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[0], order[1] = 1, 0
    shape = tuple(sizes[i] for i in order)
    grids = []
    for i, t in enumerate(tensors):
        axis = order.index(i)
        grids.append(f.clone(f.expand(f.reshape(t, tuple(sizes[i] if a == axis else 1 for a in range(n))), shape)))
    return tuple(grids)


@kernel
def pad(xp, input, pad, mode, value):
    return xp.pad(input, pad, mode, 0.0 if value is None else value)


vjp(pad, input=lambda f, g, input_meta, pad, mode: f._pad_backward(g, input_meta.shape, pad, mode))


@kernel
def _pad_backward(xp, grad, shape, pad, mode):
    return xp.pad_backward(grad, shape, pad, mode)


vjp(_pad_backward, grad=lambda f, g, pad, mode: f.pad(g, pad, mode, 0.0))


@composite
def pixel_shuffle(f, input, upscale_factor):
    r = upscale_factor
    *lead, c, h, w = input.shape
    split = f.reshape(input, (*lead, c // (r * r), r, r, h, w))
    n = len(lead)
    moved_ = f.permute(split, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return f.reshape(moved_, (*lead, c // (r * r), h * r, w * r))
