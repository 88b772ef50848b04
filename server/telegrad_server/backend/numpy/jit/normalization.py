"""Functions of a row: softmax, log-softmax, layer norm and cross entropy, each with its gradient.

Arrays are C-contiguous `(rows, n)` in float32 or float64; whoever calls moves the axis that counts to the end.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import kernel, or_empty, share, summing
from ._math import exp, maximum

# Gradients of a weight are added up over this many rows at a time, then over those parts in order.
PART = 64


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
        for i in range(part * PART, min(rows, (part + 1) * PART)):
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
    parts = -(-len(g) // PART)
    gw, gb = (np.empty((parts, g.shape[1]), g.dtype) for _ in range(2))
    weight = np.ones(g.shape[1], g.dtype) if weight is None else weight
    share(_layer_norm_backward, parts, g.size, g, x, mean, rstd, weight, gx, gw, gb)
    return gx, gw.sum(0), gb.sum(0)


@kernel
def _first_outside(index, count, ignored):
    for i in range(index.size):
        if not 0 <= index[i] < count and index[i] != ignored:
            return i
    return -1


def check_targets(target: np.ndarray, classes: int, ignore_index: int) -> None:
    """Raise IndexError, in PyTorch's words, for a class of `target (rows,)` that is neither valid nor ignored."""
    bad = _first_outside(target, classes, ignore_index)
    if bad >= 0:
        raise IndexError(f"Target {target[bad]} is out of bounds.")


@summing
def _cross_entropy(lo, hi, x, target, weight, ignored, smoothing, loss, norm):
    n = x.shape[1]
    real = x.dtype.type
    for i in range(lo, hi):
        top = -real(np.inf)
        for j in range(n):
            top = maximum(top, x[i, j])
        total = real(0)
        for j in range(n):
            total += exp(x[i, j] - top)
        shift = real(math.log(total))
        norm[0, i], norm[1, i] = top, shift
        t = target[i]
        if t == ignored:
            loss[i] = 0
            continue
        loss[i] = shift - (x[i, t] - top)
        if weight.size:
            loss[i] *= weight[t]
        if smoothing > 0:
            total = real(0)
            for j in range(n):
                total += (shift - (x[i, j] - top)) * (weight[j] if weight.size else real(1))
            loss[i] = real(1 - smoothing) * loss[i] + real(smoothing / n) * total


def cross_entropy_forward(
    logits: np.ndarray, target: np.ndarray, weight: np.ndarray | None, ignore_index: int, label_smoothing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cross entropy of each row of `logits (rows, classes)` with the class in int64 `target (rows,)`.

    Returns the losses `(rows,)`, 0 where the class is ignored, and what the gradient needs, `(2, rows)`: a row's
    maximum, and the logarithm of the sum of exponentials beyond it. IndexError for a class that does not exist.
    """
    check_targets(target, logits.shape[1], ignore_index)
    loss, norm = np.empty(len(logits), logits.dtype), np.empty((2, len(logits)), logits.dtype)
    args = (logits, target, or_empty(weight, logits), ignore_index, float(label_smoothing))
    share(_cross_entropy, len(logits), logits.size, *args, loss, norm)
    return loss, norm


@summing
def _cross_entropy_backward(lo, hi, g, x, norm, target, weight, all_weights, ignored, smoothing, gx):
    n = x.shape[1]
    real = x.dtype.type
    for i in range(lo, hi):
        t, top, shift = target[i], norm[0, i], norm[1, i]
        if t == ignored:
            gx[i] = 0
            continue
        hit = g[i] * real(1 - smoothing) * (weight[t] if weight.size else real(1))
        smooth = g[i] * real(smoothing / n)
        share_of_p = hit + smooth * real(all_weights)
        for j in range(n):
            gx[i, j] = share_of_p * exp((x[i, j] - top) - shift)
        if smoothing > 0:
            for j in range(n):
                gx[i, j] -= smooth * (weight[j] if weight.size else real(1))
        gx[i, t] -= hit


def cross_entropy_backward(
    g: np.ndarray,
    logits: np.ndarray,
    norm: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    ignore_index: int,
    label_smoothing: float,
) -> np.ndarray:
    """The gradient for `logits (rows, classes)`, from `g (rows,)`, that of the losses, and the forward's `norm`."""
    classes = logits.shape[1]
    check_targets(target, classes, ignore_index)
    all_weights = float(classes if weight is None else weight.sum())
    gx = np.empty_like(logits)
    args = (or_empty(weight, logits), all_weights, ignore_index, float(label_smoothing))
    share(_cross_entropy_backward, len(logits), logits.size, g, logits, norm, target, *args, gx)
    return gx
