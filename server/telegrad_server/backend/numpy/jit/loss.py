"""Cross entropy of rows of logits, and its gradient. Arrays are C-contiguous, in float32 or float64."""

from __future__ import annotations

import math

import numpy as np

from ._jit import kernel, or_empty, share, summing
from ._math import exp, maximum


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
