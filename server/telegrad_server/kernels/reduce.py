"""Reductions over dimensions."""

from __future__ import annotations

from telegrad_protocol.shapes import wrap_dims

from .registry import kernel, vjp


def axes_of(dim, ndim):
    """The axes of a reduction as NumPy takes them."""
    return wrap_dims(dim, ndim)


def spread(f, g, meta, dim, keepdim):
    """The gradient of a reduction, as if the reduced dimensions were still there, stretched to the input's shape."""
    if not keepdim:
        axes = axes_of(dim, meta.ndim)
        g = f.reshape(g, tuple([1 if axis in axes else size for axis, size in enumerate(meta.shape)]))
    return f.expand(g, meta.shape)


@kernel
def sum(xp, input, dim, keepdim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.sum(input, axes_of(dim, input.ndim), keepdim)


vjp(sum, input=lambda f, g, input_meta, dim, keepdim: spread(f, g, input_meta, dim, keepdim))
