"""Softmax, layer norm and batch norm, each with its gradient. Arrays of one call are all float32 or all float64.

Softmax and layer norm work on rows: C-contiguous `(rows, n)`; the caller moves the axis to the end. Batch norm works on
C-contiguous `(N, C, L)`, L the product of the other axes, 1 where there is none; its statistics add up in float64, a
channel's numbers always in the same order.
"""

from __future__ import annotations

import math

import numpy as np

from telegrad_server.backend.constants import ROWS_PER_PART

from ._jit import kernel, or_empty, share, summing
from ._math import exp, maximum


@summing
def _softmax(lo, hi, x, out, log):
    n = x.shape[1]
    for i in range(lo, hi):
        top = -x.dtype.type(np.inf)
        for j in range(n):
            top = maximum(top, x[i, j])
        total = x.dtype.type(0)
        for j in range(n):
            out[i, j] = exp(x[i, j] - top)
            total += out[i, j]
        if log:
            shift = x.dtype.type(math.log(total))
            for j in range(n):
                out[i, j] = (x[i, j] - top) - shift
        else:
            scale = x.dtype.type(1) / total
            for j in range(n):
                out[i, j] *= scale


def softmax_forward(x: np.ndarray, log: bool) -> np.ndarray:
    """Softmax of each row of `x (rows, n)`, or its logarithm."""
    out = np.empty_like(x)
    share(_softmax, len(x), x.size, x, out, log)
    return out


@summing
def _softmax_backward(lo, hi, g, out, log, gx):
    n = g.shape[1]
    for i in range(lo, hi):
        total = g.dtype.type(0)
        if log:
            for j in range(n):
                total += g[i, j]
            for j in range(n):
                gx[i, j] = g[i, j] - exp(out[i, j]) * total
        else:
            for j in range(n):
                total += g[i, j] * out[i, j]
            for j in range(n):
                gx[i, j] = out[i, j] * (g[i, j] - total)


def softmax_backward(g: np.ndarray, out: np.ndarray, log: bool) -> np.ndarray:
    """The gradient for the input of `softmax_forward`, from that of its result `out`; all `(rows, n)`."""
    gx = np.empty_like(g)
    share(_softmax_backward, len(g), g.size, g, out, log, gx)
    return gx


@summing
def _layer_norm(lo, hi, x, weight, bias, eps, out, mean, rstd):
    n = x.shape[1]
    real = x.dtype.type
    for i in range(lo, hi):
        total = real(0)
        for j in range(n):
            total += x[i, j]
        m = total / real(n)
        total = real(0)
        for j in range(n):
            total += (x[i, j] - m) * (x[i, j] - m)
        r = real(1) / real(math.sqrt(total / real(n) + real(eps)))
        mean[i], rstd[i] = m, r
        for j in range(n):
            out[i, j] = (x[i, j] - m) * r
        if weight.size:
            for j in range(n):
                out[i, j] *= weight[j]
        if bias.size:
            for j in range(n):
                out[i, j] += bias[j]


def layer_norm_forward(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Layer norm of each row of `x (rows, n)`: the result, and the rows' means and reciprocal deviations."""
    out, mean, rstd = np.empty_like(x), np.empty(len(x), x.dtype), np.empty(len(x), x.dtype)
    share(_layer_norm, len(x), x.size, x, or_empty(weight, x), or_empty(bias, x), eps, out, mean, rstd)
    return out, mean, rstd


@summing
def _layer_norm_backward(lo, hi, g, x, mean, rstd, weight, gx, gw, gb):
    rows, n = g.shape
    real = g.dtype.type
    for part in range(lo, hi):
        gw[part], gb[part] = 0, 0
        for i in range(part * ROWS_PER_PART, min(rows, (part + 1) * ROWS_PER_PART)):
            m, r = mean[i], rstd[i]
            total, along = real(0), real(0)
            for j in range(n):
                normed, scaled = (x[i, j] - m) * r, g[i, j] * weight[j]
                gw[part, j] += g[i, j] * normed
                gb[part, j] += g[i, j]
                total += scaled
                along += scaled * normed
            total, along = total / real(n), along / real(n)
            for j in range(n):
                gx[i, j] = r * (g[i, j] * weight[j] - total - (x[i, j] - m) * r * along)


def layer_norm_backward(
    g: np.ndarray, x: np.ndarray, mean: np.ndarray, rstd: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients for the input `(rows, n)`, the weight `(n,)` and the bias `(n,)` of `layer_norm_forward`."""
    gx = np.empty_like(g)
    parts = -(-len(g) // ROWS_PER_PART)
    gw, gb = (np.empty((parts, g.shape[1]), g.dtype) for _ in range(2))
    weight = np.ones(g.shape[1], g.dtype) if weight is None else weight
    share(_layer_norm_backward, parts, g.size, g, x, mean, rstd, weight, gx, gw, gb)
    return gx, gw.sum(0), gb.sum(0)


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


def _mean_and_variance(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    mean, var = _mean_and_variance(x)
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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients for the input `(N, C, L)`, the weight and the bias, `(C,)`, of `batch_norm_forward`."""
    images, channels, length = x.shape
    sums, rstd, gx = np.zeros((2, channels)), _rstd(var, eps), np.empty_like(x)
    scale = rstd if weight is None else rstd * weight
    if length == 1:
        sums[:] = g.sum((0, 2)), (g * (x - mean[:, None])).sum((0, 2))
    else:
        share(_gradient_sums, channels, x.size, g, x, mean, sums)
    count = max(1, images * length)
    offset, slope = (sums[0] / count).astype(x.dtype), (sums[1] * rstd * rstd / count).astype(x.dtype)
    if length == 1:
        gx[:, :, 0] = ((g - offset[:, None]) - (x - mean[:, None]) * slope[:, None])[:, :, 0] * scale
    else:
        share(_input_gradient, images * channels, x.size, g, x, mean, scale, offset, slope, gx)
    return gx, (sums[1] * rstd).astype(x.dtype), sums[0].astype(x.dtype)
