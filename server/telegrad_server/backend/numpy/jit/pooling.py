"""Pooling over the last two axes: maxima and averages, in windows of one size or adapted to an output size.

Arrays are C-contiguous `(..., H, W)` in float32 or float64; one dimension is two with H = 1. Windows and indices
are PyTorch's: a NaN wins a maximum, and an index counts in the H × W plane of the input.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import kernel, share

Pair = tuple[int, int]


def _planes(array: np.ndarray) -> np.ndarray:
    return array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:])


def pooled_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """The number of windows along an axis; with `ceil_mode` the last may reach beyond the padding."""
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-reach // stride) if ceil_mode else reach // stride) + 1
    # The last window has to begin inside the input or its left padding.
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def _spans(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> np.ndarray:
    """Where each window along an axis begins and ends, before it is cut to the input: `(2, windows)`."""
    begin = np.arange(pooled_size(size, kernel, stride, padding, dilation, ceil_mode)) * stride - padding
    return np.stack([begin, begin + dilation * (kernel - 1) + 1])


def _adaptive_spans(size: int, count: int) -> np.ndarray:
    at = np.arange(count + 1) * size
    return np.stack([at[:-1] // count, -(-at[1:] // count)])


def _clipped(spans: np.ndarray, size: int, dilation: int = 1) -> np.ndarray:
    """The spans cut to 0..size, a window's taps staying `dilation` apart."""
    begin, end = spans
    return np.stack([begin + -(-np.maximum(0, -begin) // dilation) * dilation, np.minimum(end, size)])


@kernel
def _max(lo, hi, x, ys, xs, dilation, out, indices):
    width = x.shape[2]
    for plane in range(lo, hi):
        values = x[plane].reshape(x.shape[1] * width)
        for i in range(ys.shape[1]):
            for j in range(xs.shape[1]):
                best, at = -x.dtype.type(np.inf), ys[0, i] * width + xs[0, j]
                for a in range(ys[1, i]):
                    first = (ys[0, i] + a * dilation[0]) * width + xs[0, j]
                    for b in range(xs[1, j]):
                        k = first + b * dilation[1]
                        wins = (values[k] > best) | (values[k] != values[k])
                        best, at = (values[k] if wins else best), (k if wins else at)
                out[plane, i, j], indices[plane, i, j] = best, at


@kernel
def _max_of_four(lo, hi, x, rows, columns, dilation, out, indices):
    width, stride = x.shape[2], np.uintp(columns[1] - columns[0] if columns.size > 1 else 0)
    down, right = dilation[0] * width, np.uintp(dilation[1])
    for plane in range(lo, hi):
        for i in range(rows.size):
            upper, lower = x[plane, rows[i], columns[0] :], x[plane, rows[i] + dilation[0], columns[0] :]
            top, place, first = out[plane, i], indices[plane, i], rows[i] * width + columns[0]
            for j in range(columns.size):
                k = np.uintp(j) * stride
                best, at, value = upper[k], 0, upper[k + right]
                wins = (value > best) | (value != value)
                best, at, value = (value if wins else best), (dilation[1] if wins else at), lower[k]
                wins = (value > best) | (value != value)
                best, at, value = (value if wins else best), (down if wins else at), lower[k + right]
                wins = (value > best) | (value != value)
                top[j] = value if wins else best
                place[j] = first + np.intp(k) + (down + dilation[1] if wins else at)


def _max_over(x: np.ndarray, ys: np.ndarray, xs: np.ndarray, dilation: Pair) -> tuple[np.ndarray, np.ndarray]:
    shape = (*x.shape[:-2], ys.shape[1], xs.shape[1])
    planes = _planes(x)
    out, indices = np.empty((len(planes), *shape[-2:]), x.dtype), np.empty((len(planes), *shape[-2:]), np.int64)
    # Where a window begins and how many taps it has: the kernel then divides nothing.
    taps = [np.stack([a, -((a - b) // d)]) for (a, b), d in zip((ys, xs), dilation, strict=True)]
    if _are_fours(taps):
        share(_max_of_four, len(planes), x.size, planes, taps[0][0], taps[1][0], dilation, out, indices)
    else:
        share(_max, len(planes), x.size, planes, *taps, dilation, out, indices)
    return out.reshape(shape), indices.reshape(shape)


def _are_fours(taps: list[np.ndarray]) -> bool:
    """Whether every window is two by two, and the columns of windows are equally far apart: nearly every network's."""
    steps = np.diff(taps[1][0])
    return all(len(counts) and (counts == 2).all() for _, counts in taps) and bool((steps == steps[:1]).all())


def max_pool2d_forward(
    x: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The maximum of each window of `x (..., H, W)`, and its int64 index."""
    axes = zip(x.shape[-2:], kernel, stride, padding, dilation, strict=True)
    ys, xs = (_clipped(_spans(*axis, ceil_mode), axis[0], axis[4]) for axis in axes)
    return _max_over(x, ys, xs, tuple(dilation))


def adaptive_max_pool2d_forward(x: np.ndarray, size: Pair) -> tuple[np.ndarray, np.ndarray]:
    """The maximum of each of `size` windows that cover `x (..., H, W)` evenly, and its int64 index."""
    return _max_over(x, *map(_adaptive_spans, x.shape[-2:], size), (1, 1))


@kernel
def _max_backward(lo, hi, g, indices, gx):
    bad = False
    for plane in range(lo, hi):
        up, at, target = g[plane], indices[plane], gx[plane]
        for i in range(up.size):
            if 0 <= at[i] < target.size:
                target[at[i]] += up[i]
            else:
                bad = True
    if bad:
        raise IndexError("an index of a maximum lies outside the input's plane")


def max_pool2d_backward(g: np.ndarray, indices: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """The gradient for `x` of both maximum pools, from that of the result and its `indices`, `(..., OH, OW)`."""
    gx = np.zeros(x_shape, g.dtype)
    planes = math.prod(x_shape[:-2])
    per_plane = (array.reshape(planes, array.shape[-2] * array.shape[-1]) for array in (g, indices, gx))
    share(_max_backward, planes, gx.size, *per_plane)
    return gx


@kernel
def _avg(lo, hi, x, ys, xs, divisor, out):
    width = x.shape[2]
    sums = np.empty(width, x.dtype)
    for plane in range(lo, hi):
        for i in range(ys.shape[1]):
            sums[:] = 0
            for y in range(ys[0, i], ys[1, i]):
                row = x[plane, y]
                for q in range(width):
                    sums[q] += row[q]
            for j in range(xs.shape[1]):
                total = x.dtype.type(0)
                for q in range(xs[0, j], xs[1, j]):
                    total += sums[q]
                out[plane, i, j] = total / divisor[i, j]


@kernel
def _avg_backward(lo, hi, g, ys, xs, divisor, gx):
    width = gx.shape[2]
    parts = np.empty(width, g.dtype)
    for plane in range(lo, hi):
        for i in range(ys.shape[1]):
            parts[:] = 0
            for j in range(xs.shape[1]):
                part = g[plane, i, j] / divisor[i, j]
                for q in range(xs[0, j], xs[1, j]):
                    parts[q] += part
            for y in range(ys[0, i], ys[1, i]):
                row = gx[plane, y]
                for q in range(width):
                    row[q] += parts[q]


def _average(x: np.ndarray, ys: np.ndarray, xs: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    shape = (*x.shape[:-2], ys.shape[1], xs.shape[1])
    planes = _planes(x)
    out = np.empty((len(planes), *shape[-2:]), x.dtype)
    share(_avg, len(planes), x.size, planes, ys, xs, divisor.astype(x.dtype), out)
    return out.reshape(shape)


def _average_backward(
    g: np.ndarray, x_shape: tuple[int, ...], ys: np.ndarray, xs: np.ndarray, divisor: np.ndarray
) -> np.ndarray:
    gx = np.zeros(x_shape, g.dtype)
    planes, targets = _planes(g), _planes(gx)
    share(_avg_backward, len(planes), gx.size, planes, ys, xs, divisor.astype(g.dtype), targets)
    return gx


def _avg_windows(
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The windows along both axes, and what each window's sum is divided by, `(OH, OW)`."""
    axes = list(zip(size, kernel, stride, padding, (1, 1), strict=True))
    spans = [_spans(*axis, ceil_mode) for axis in axes]
    ys, xs = (_clipped(span, n) for span, n in zip(spans, size, strict=True))
    # Padding counts; what ceil_mode adds beyond it does not.
    padded = [(a[0], np.minimum(a[1], n + p)) for a, n, p in zip(spans, size, padding, strict=True)]
    counted = padded if count_include_pad else (ys, xs)
    divisor = np.outer(*(end - begin for begin, end in counted))
    return ys, xs, divisor if divisor_override is None else np.full_like(divisor, divisor_override)


def avg_pool2d_forward(
    x: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """The average of each window of `x (..., H, W)`."""
    options = (stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average(x, *_avg_windows(x.shape[-2:], kernel, *options))


def avg_pool2d_backward(
    g: np.ndarray,
    x_shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """The gradient for the input of `avg_pool2d_forward`, from that of its result `g (..., OH, OW)`."""
    options = (stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average_backward(g, x_shape, *_avg_windows(x_shape[-2:], kernel, *options))


def _adaptive_windows(size: Pair, out_size: Pair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ys, xs = map(_adaptive_spans, size, out_size)
    return ys, xs, np.outer(ys[1] - ys[0], xs[1] - xs[0])


def adaptive_avg_pool2d_forward(x: np.ndarray, size: Pair) -> np.ndarray:
    """The average of each of `size` windows that cover `x (..., H, W)` evenly."""
    return _average(x, *_adaptive_windows(x.shape[-2:], size))


def adaptive_avg_pool2d_backward(g: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """The gradient for the input of `adaptive_avg_pool2d_forward`, from that of its result `g (..., OH, OW)`."""
    return _average_backward(g, x_shape, *_adaptive_windows(x_shape[-2:], g.shape[-2:]))
