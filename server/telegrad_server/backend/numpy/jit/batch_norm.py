"""Batch norm over `(N, C, L)`, L the product of the other axes, 1 where there is none.

Arrays of one call are C-contiguous and all float32 or all float64. Statistics add up in float64, a channel's
numbers always in the same order.
"""

from __future__ import annotations

import numpy as np

from ._jit import kernel, or_empty, share, summing


@summing
def _sums(lo, hi, x, shift, power, out):
    """Per channel, the sum of `(x - shift)**power`, power 1 or 2."""
    images, length = x.shape[0], x.shape[2]
    for n in range(images):
        for c in range(lo, hi):
            row, middle = x[n, c], shift[c]
            total = x.dtype.type(0)
            for k in range(length):
                apart = row[k] - middle
                total += apart if power == 1 else apart * apart
            out[c] += total


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images, channels, length = x.shape
    sums, count = np.zeros((2, channels)), max(1, images * length)
    if length == 1:
        mean = (x.sum((0, 2), dtype=np.float64) / count).astype(x.dtype)
        return mean, (np.square(x[:, :, 0] - mean).sum(0, dtype=np.float64) / count).astype(x.dtype)
    share(_sums, channels, x.size, x, np.zeros(channels, x.dtype), 1, sums[0])
    mean = (sums[0] / count).astype(x.dtype)
    share(_sums, channels, x.size, x, mean, 2, sums[1])
    return mean, (sums[1] / count).astype(x.dtype)


@kernel
def _affine(lo, hi, x, mean, scale, bias, out):
    channels, length = x.shape[1:]
    for i in range(lo, hi):
        n, c = i // channels, i % channels
        source, target = x[n, c], out[n, c]
        m, s, b = mean[c], scale[c], bias[c] if bias.size else x.dtype.type(0)
        for k in range(length):
            target[k] = (source[k] - m) * s + b


def _rstd(var: np.ndarray, eps: float) -> np.ndarray:
    return (1 / np.sqrt(var.astype(np.float64) + eps)).astype(var.dtype)


def batch_norm_eval_forward(
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    eps: float,
) -> np.ndarray:
    """Batch norm of `x (N, C, L)` with the statistics `mean` and `var`, `(C,)`."""
    out, scale = np.empty_like(x), _rstd(var, eps)
    if weight is not None:
        scale *= weight
    if x.shape[2] == 1:
        np.subtract(x[:, :, 0], mean, out=out[:, :, 0])
        out[:, :, 0] *= scale
        if bias is not None:
            out[:, :, 0] += bias
        return out
    share(_affine, x.shape[0] * x.shape[1], x.size, x, mean, scale, or_empty(bias, x), out)
    return out


def batch_norm_forward(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batch norm of `x (N, C, L)` with its own statistics: the result, the mean and the biased variance, `(C,)`."""
    mean, var = _moments(x)
    return batch_norm_eval_forward(x, mean, var, weight, bias, eps), mean, var


@summing
def _gradient_sums(lo, hi, g, x, mean, sums):
    images, length = x.shape[0], x.shape[2]
    for n in range(images):
        for c in range(lo, hi):
            up, row, m = g[n, c], x[n, c], mean[c]
            total, along = x.dtype.type(0), x.dtype.type(0)
            for k in range(length):
                total += up[k]
                along += up[k] * (row[k] - m)
            sums[0, c] += total
            sums[1, c] += along


@kernel
def _input_gradient(lo, hi, g, x, mean, scale, offset, slope, gx):
    channels, length = x.shape[1:]
    for i in range(lo, hi):
        n, c = i // channels, i % channels
        up, row, target = g[n, c], x[n, c], gx[n, c]
        m, s, o, along = mean[c], scale[c], offset[c], slope[c]
        for k in range(length):
            target[k] = (up[k] - o - (row[k] - m) * along) * s


def batch_norm_backward(
    g: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    weight: np.ndarray | None,
    eps: float,
    training: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients for the input `(N, C, L)`, the weight and the bias, `(C,)`, of batch norm.

    `mean` and `var` are those the forward used: with `training` the batch's own, which depend on the input,
    otherwise constants.
    """
    images, channels, length = x.shape
    sums, rstd, gx = np.zeros((2, channels)), _rstd(var, eps), np.empty_like(x)
    scale = rstd if weight is None else rstd * weight
    if length == 1:
        sums[:] = g.sum((0, 2)), (g * (x - mean[:, None])).sum((0, 2))
    else:
        share(_gradient_sums, channels, x.size, g, x, mean, sums)
    offset, slope = np.zeros((2, channels), x.dtype)
    if training:
        count = max(1, images * length)
        offset, slope = (sums[0] / count).astype(x.dtype), (sums[1] * rstd * rstd / count).astype(x.dtype)
    if length == 1:
        gx[:, :, 0] = ((g - offset[:, None]) - (x - mean[:, None]) * slope[:, None])[:, :, 0] * scale
    else:
        share(_input_gradient, images * channels, x.size, g, x, mean, scale, offset, slope, gx)
    return gx, (sums[1] * rstd).astype(x.dtype), sums[0].astype(x.dtype)
