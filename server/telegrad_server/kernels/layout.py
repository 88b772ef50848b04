"""Shape, strides and order of elements: views, copies, flips, casts."""

from __future__ import annotations

from telegrad_protocol.ops.layout import flat_shape, moved_order, unflat_shape
from telegrad_protocol.shapes import wrap_dims

from ._shared import zero_gradient
from .registry import decomposition, direct_kernel, kernel, vjp


@kernel
def transpose(xp, input, dim0, dim1):
    return xp.swapaxes(input, dim0, dim1) if input.ndim else input


vjp(transpose, input=lambda f, g, dim0, dim1: f.transpose(g, dim0, dim1))


def _reshaped_back(f, g, input_meta):
    """The gradient of an op that changes the shape alone."""
    return f.reshape(g, input_meta.shape)


direct_kernel("reshape", input=_reshaped_back)
direct_kernel("view", "reshape", input=_reshaped_back)


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
def expand(xp, input, size):
    lead = len(size) - input.ndim
    full = tuple([input.shape[i - lead] if n == -1 else n for i, n in enumerate(size)])
    return xp.broadcast_to(input, full)


vjp(expand, input=lambda f, g, input_meta: f.sum_to_size(g, input_meta.shape))


direct_kernel("sum_to_size", "sum_to", input=lambda f, g, input_meta: f.expand(g, input_meta.shape))


def _order_undone(dims):
    """The permutation that undoes another."""
    order = [dim % len(dims) for dim in dims]
    return tuple([order.index(axis) for axis in range(len(dims))])


direct_kernel("permute", "transpose", input=lambda f, g, dims: f.permute(g, _order_undone(dims)))


@kernel
def t(xp, input):
    return xp.transpose(input, tuple(reversed(range(input.ndim))))


vjp(t, input=lambda f, g: f.t(g))


@decomposition
def movedim(f, input, source, destination):
    return f.permute(input, moved_order(input.ndim, source, destination))


direct_kernel("unsqueeze", "expand_dims", input=_reshaped_back)


@kernel
def squeeze(xp, input, dim):
    among = () if dim == () else wrap_dims(dim, input.ndim)
    return xp.squeeze(input, tuple([axis for axis in among if input.shape[axis] == 1]))


@kernel
def flatten(xp, input, start_dim, end_dim):
    return xp.reshape(input, flat_shape(input.shape, start_dim, end_dim))


@kernel
def unflatten(xp, input, dim, sizes):
    return xp.reshape(input, unflat_shape(input.shape, dim, sizes))


for _impl in (squeeze, flatten, unflatten):
    vjp(_impl, input=_reshaped_back)


@decomposition
def broadcast_to(f, input, size):
    return f.expand(input, size)


# Copies and other dtypes -----------------------------------------------------------------------------------------------


direct_kernel("_to_dtype", "cast", input=lambda f, g, input_meta: f._to_dtype(g, input_meta.dtype))


@kernel
def _cast_to(xp, input, dtype):
    return input if input.dtype == xp.dtype(dtype) else xp.cast(input, dtype)


vjp(_cast_to, input=lambda f, g, input_meta: f._cast_to(g, input_meta.dtype))


direct_kernel("clone", "copy", input=lambda f, g: g)


@kernel
def detach(xp, input):
    return input


@kernel
def _data(xp, input):
    return input


@kernel
def contiguous(xp, input):
    return input


vjp(contiguous, input=lambda f, g: g)


direct_kernel("_cast_like")


@kernel
def copy(xp, input, src):
    return xp.broadcast_copy(src, input)


vjp(copy, input=zero_gradient, src=lambda f, g, src_meta: f._to_dtype(g, src_meta.dtype))


# Reversed, rolled, rotated ---------------------------------------------------------------------------------------------


@kernel
def flip(xp, input, dims):
    return xp.flip(input, dims) if dims else xp.copy(input)


vjp(flip, input=lambda f, g, dims: f.flip(g, dims))


@decomposition
def fliplr(f, input):
    return f.flip(input, (1,))


@decomposition
def flipud(f, input):
    return f.flip(input, (0,))


def _back(shifts):
    return -shifts if isinstance(shifts, int) else tuple([-shift for shift in shifts])


@kernel
def roll(xp, input, shifts, dims):
    return xp.roll(input, shifts, dims if dims != () else None)


vjp(roll, input=lambda f, g, shifts, dims: f.roll(g, _back(shifts), dims))


@decomposition
def rot90(f, input, k, dims):
    a, b = dims
    turns = k % 4
    if turns == 0:
        return f.clone(input)
    if turns == 2:
        return f.flip(input, (a, b))
    return f.flip(f.transpose(input, a, b), (a,) if turns == 1 else (b,))


# Channels as pixels ----------------------------------------------------------------------------------------------------


@decomposition
def pixel_shuffle(f, input, upscale_factor):
    *lead, channels, height, width = input.shape
    n, r = len(lead), upscale_factor
    fine = f.reshape(input, (*lead, channels // r**2, r, r, height, width))
    mixed = f.permute(fine, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return f.reshape(f.clone(mixed), (*lead, channels // r**2, height * r, width * r))


@decomposition
def pixel_unshuffle(f, input, downscale_factor):
    *lead, channels, height, width = input.shape
    n, r = len(lead), downscale_factor
    coarse = f.reshape(input, (*lead, channels, height // r, r, width // r, r))
    mixed = f.permute(coarse, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return f.reshape(f.clone(mixed), (*lead, channels * r**2, height // r, width // r))
