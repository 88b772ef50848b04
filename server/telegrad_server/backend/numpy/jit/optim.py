"""One optimizer step on one parameter, in place: SGD and Adam with PyTorch's formulas in PyTorch's order.

Arrays of one call are C-contiguous, of one shape and one of float32 and float64. Where PyTorch multiplies and adds
with one rounding, so do these kernels; step by step the parameters stay within a rounding of PyTorch's.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import kernel, or_empty, share_elements
from ._math import fma, maximum

# Elements that pass through the stages of Adam together, so that each stage finds them in cache.
BLOCK = 2048


@kernel
def _sgd(p, g, buf, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    real = p.dtype.type
    rate, keep, fresh, decay = real(-lr), real(momentum), real(1 - dampening), real(weight_decay)
    for i in range(p.size):
        step = -g[i] if maximize else g[i]
        if weight_decay != 0:
            step = fma(p[i], decay, step)
        if buf.size:
            buf[i] = step if first else fma(step, fresh, buf[i] * keep)
            step = fma(buf[i], keep, step) if nesterov else buf[i]
        p[i] = fma(step, rate, p[i])


def sgd_update(
    p: np.ndarray,
    g: np.ndarray,
    buf: np.ndarray | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
) -> None:
    """Step `p` against its gradient `g`.

    `buf` is the momentum, None where there is none; on the `first` step it is set, whatever it held.
    """
    floats = (float(lr), float(momentum), float(dampening), float(weight_decay))
    share_elements(_sgd, (p, g, or_empty(buf, p)), *floats, nesterov, maximize, first)


@kernel
def _adam(p, g, m, v, vmax, rate, root, shrink, b1, b2, eps, decay, maximize):
    real = p.dtype.type
    for at in range(0, p.size, BLOCK):
        block = slice(at, at + BLOCK)
        _moments(p[block], g[block], m[block], v[block], b1, b2, decay, maximize)
        second = v[block]
        if vmax.size:
            second = vmax[block]
            _keep_larger(second, v[block])
        _move(p[block], m[block], second, real(rate), real(root), real(shrink), real(eps))


@kernel
def _moments(p, g, m, v, b1, b2, decay, maximize):
    real = p.dtype.type
    w1, keep, w2, coupled = real(1 - b1), real(b2), real(1 - b2), real(decay)
    sign = real(-1 if maximize else 1)
    for i in range(p.size):
        step = sign * g[i]
        if decay != 0:
            step = fma(p[i], coupled, step)
        apart = step - m[i]
        m[i] = fma(w1, apart, m[i]) if w1 < real(0.5) else step - apart * (real(1) - w1)
        v[i] = v[i] * keep + w2 * step * step


@kernel
def _keep_larger(vmax, v):
    for i in range(v.size):
        vmax[i] = maximum(vmax[i], v[i])


@kernel
def _move(p, m, second, rate, root, shrink, eps):
    for i in range(p.size):
        p[i] = p[i] * shrink + rate * m[i] / (math.sqrt(second[i]) / root + eps)


def adam_update(
    p: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    vmax: np.ndarray | None,
    step: float,
    lr: float,
    b1: float,
    b2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Step `p` against its gradient `g` by Adam, or by AdamW where the weight decay is `decoupled`.

    `m`, `v` and, with AMSGrad, `vmax` are the moments, changed in place; `step` counts from 1.
    """
    # NumPy's numbers give nan and inf, as PyTorch does, where Python's raise: for a count that was written to, say.
    rate, root = -lr / (1 - np.float64(b1) ** step), np.sqrt(1 - np.float64(b2) ** step)
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, float(weight_decay))
    floats = map(float, (rate, root, shrink, b1, b2, eps, decay))
    share_elements(_adam, (p, g, m, v, or_empty(vmax, p)), *floats, maximize)
