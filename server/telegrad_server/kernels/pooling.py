"""Maxima and averages of windows.

Windows of one dimension are those of a plane with one row. Windows of three are taken apart: first over each plane,
then along the first dimension, of rows that hold a plane each; a maximum of maxima and an average of averages.
"""

from __future__ import annotations

import math

from telegrad_protocol.ops._windows import per_dim
from telegrad_protocol.ops.pooling import adaptive_sizes

from .registry import decomposition, direct_kernel, kernel, vjp


def _sizes(dims, kernel_size, stride, *others):
    """Kernel size, stride and the other sizes, each with one number per dimension."""
    kernel = per_dim(kernel_size, dims, "kernel_size")
    return kernel, per_dim(stride, dims, "stride", kernel), *(per_dim(x, dims, "size") for x in others)


def _as_plane(f, x):
    """Rows `(..., L)` as planes `(..., 1, L)`."""
    return f.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _as_row(f, x):
    return f.reshape(x, (*x.shape[:-2], x.shape[-1]))


def _stacked(f, x):
    """Volumes `(..., D, H, W)` as planes `(..., D, H * W)`."""
    return f.reshape(x, (*x.shape[:-2], math.prod(x.shape[-2:])))


def _unstacked(f, x, plane):
    return f.reshape(x, (*x.shape[:-1], *plane))


# Maxima ----------------------------------------------------------------------------------------------------------------


@kernel
def _max_pool2d_with_indices(xp, input, kernel_size, stride, padding, dilation, ceil_mode):
    return xp.max_pool2d(input, *_sizes(2, kernel_size, stride, padding, dilation), ceil_mode)


@kernel
def _adaptive_max_pool2d_with_indices(xp, input, output_size):
    return xp.adaptive_max_pool2d(input, adaptive_sizes(input.shape, output_size, 2))


for _impl in (_max_pool2d_with_indices, _adaptive_max_pool2d_with_indices):
    vjp(_impl, input=lambda f, g, input_meta, indices: f._max_pool2d_backward(g[0], indices, input_meta.shape))


direct_kernel("_max_pool2d_backward", grad=lambda f, g, indices: f._take_from_planes(g, indices))
direct_kernel(
    "_take_from_planes", input=lambda f, g, input_meta, indices: f._max_pool2d_backward(g, indices, input_meta.shape)
)


@decomposition
def max_pool2d(f, input, kernel_size, stride, padding, dilation, ceil_mode):
    return f._max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)[0]


@decomposition
def _max_pool1d_with_indices(f, input, kernel_size, stride, padding, dilation, ceil_mode):
    kernel, step, margin, apart = _sizes(1, kernel_size, stride, padding, dilation)
    windows = ((1, *kernel), (1, *step), (0, *margin), (1, *apart))
    out, indices = f._max_pool2d_with_indices(_as_plane(f, input), *windows, ceil_mode)
    return _as_row(f, out), _as_row(f, indices)


@decomposition
def max_pool1d(f, input, kernel_size, stride, padding, dilation, ceil_mode):
    return f._max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)[0]


@decomposition
def _max_pool3d_with_indices(f, input, kernel_size, stride, padding, dilation, ceil_mode):
    sizes = _sizes(3, kernel_size, stride, padding, dilation)
    height, width = input.shape[-2:]
    flat, within = f._max_pool2d_with_indices(_merged(f, input), *[size[1:] for size in sizes], ceil_mode)
    plane = flat.shape[-2:]
    columns = [(size[0], other) for size, other in zip(sizes, (1, 1, 0, 1), strict=True)]
    rows = _stacked(f, _split(f, flat, input.shape[:-2]))
    out, places = f._max_pool2d_with_indices(rows, *columns, ceil_mode)
    spots = _stacked(f, _split(f, within, input.shape[:-2]))
    depth = f.div(places, math.prod(plane), rounding_mode="floor")
    indices = f.add(f._take_from_planes(spots, places), depth, alpha=height * width)
    return _unstacked(f, out, plane), _unstacked(f, indices, plane)


def _merged(f, x):
    """Volumes `(..., D, H, W)` as images `(N, H, W)`, a frame each."""
    return f.reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:]))


def _split(f, x, lead):
    return f.reshape(x, (*lead, *x.shape[-2:]))


@decomposition
def max_pool3d(f, input, kernel_size, stride, padding, dilation, ceil_mode):
    return f._max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)[0]


@decomposition
def adaptive_max_pool2d(f, input, output_size):
    return f._adaptive_max_pool2d_with_indices(input, output_size)[0]


@decomposition
def adaptive_max_pool1d(f, input, output_size):
    return _as_row(f, f.adaptive_max_pool2d(_as_plane(f, input), (1, *output_size)))


# Averages --------------------------------------------------------------------------------------------------------------


@kernel
def avg_pool2d(xp, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    sizes = _sizes(2, kernel_size, stride, padding)
    return xp.avg_pool2d(input, *sizes, ceil_mode, count_include_pad, divisor_override)


vjp(
    avg_pool2d,
    input=lambda f, g, input_meta, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: (
        f._avg_pool2d_backward(
            g,
            input_meta.shape,
            *_sizes(2, kernel_size, stride, padding),
            ceil_mode,
            count_include_pad,
            divisor_override,
        )
    ),
)


@kernel
def _avg_pool2d_backward(xp, grad, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    sizes = _sizes(2, kernel_size, stride, padding)
    return xp.avg_pool2d_backward(grad, size, *sizes, ceil_mode, count_include_pad, divisor_override)


vjp(
    _avg_pool2d_backward,
    grad=lambda f, g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: f.avg_pool2d(
        g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ),
)


@decomposition
def avg_pool1d(f, input, kernel_size, stride, padding, ceil_mode, count_include_pad):
    kernel, step, margin = _sizes(1, kernel_size, stride, padding)
    out = f.avg_pool2d(_as_plane(f, input), (1, *kernel), (1, *step), (0, *margin), ceil_mode, count_include_pad)
    return _as_row(f, out)


@decomposition
def avg_pool3d(f, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    sizes = _sizes(3, kernel_size, stride, padding)
    divisor = None if divisor_override is None else 1
    options = (ceil_mode, count_include_pad, divisor)
    flat = _split(f, f.avg_pool2d(_merged(f, input), *[size[1:] for size in sizes], *options), input.shape[:-2])
    columns = [(size[0], other) for size, other in zip(sizes, (1, 1, 0), strict=True)]
    out = _unstacked(f, f.avg_pool2d(_stacked(f, flat), *columns, *options), flat.shape[-2:])
    return out if divisor_override is None else f.div(out, divisor_override)


@kernel
def adaptive_avg_pool2d(xp, input, output_size):
    return xp.adaptive_avg_pool2d(input, adaptive_sizes(input.shape, output_size, 2))


vjp(
    adaptive_avg_pool2d,
    input=lambda f, g, input_meta: f._adaptive_avg_pool2d_backward(g, input_meta.shape),
)


direct_kernel(
    "_adaptive_avg_pool2d_backward", grad=lambda f, g, grad_meta: f.adaptive_avg_pool2d(g, grad_meta.shape[-2:])
)


@decomposition
def adaptive_avg_pool1d(f, input, output_size):
    return _as_row(f, f.adaptive_avg_pool2d(_as_plane(f, input), (1, *output_size)))


@decomposition
def adaptive_avg_pool3d(f, input, output_size):
    depth, *plane = adaptive_sizes(input.shape, output_size, 3)
    flat = _split(f, f.adaptive_avg_pool2d(_merged(f, input), tuple(plane)), input.shape[:-2])
    columns = _stacked(f, flat)
    return _unstacked(f, f.adaptive_avg_pool2d(columns, (depth, columns.shape[-1])), tuple(plane))
