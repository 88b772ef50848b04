"""Views and copies that rearrange."""

from __future__ import annotations

from .registry import kernel, vjp


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
