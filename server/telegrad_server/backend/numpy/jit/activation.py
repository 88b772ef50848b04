"""Activations and their gradients.

Arrays of one call are C-contiguous, of one shape and one of float32 and float64. PyTorch's formulas, so that an
infinity or a NaN comes out as it does there.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import kernel, map_elements
from ._math import erf, exp, sigmoid, tanh

SQRT_HALF = math.sqrt(0.5)
DENSITY = 1 / math.sqrt(2 * math.pi)
BETA, KAPPA = math.sqrt(2 / math.pi), 0.044715


@kernel
def _gelu(x, out):
    real = x.dtype.type
    for i in range(out.size):
        out[i] = real(0.5) * x[i] * (real(1) + erf(x[i] * real(SQRT_HALF)))


@kernel
def _gelu_backward(g, x, gx):
    real = x.dtype.type
    for i in range(gx.size):
        cdf = real(0.5) * (real(1) + erf(x[i] * real(SQRT_HALF)))
        pdf = exp(real(-0.5) * x[i] * x[i]) * real(DENSITY)
        gx[i] = g[i] * (cdf + x[i] * pdf)


@kernel
def _gelu_tanh(x, out):
    real = x.dtype.type
    for i in range(out.size):
        inner = real(BETA) * (x[i] + real(KAPPA) * x[i] * x[i] * x[i])
        out[i] = real(0.5) * x[i] * (real(1) + tanh(inner))


@kernel
def _gelu_tanh_backward(g, x, gx):
    real = x.dtype.type
    for i in range(gx.size):
        square = x[i] * x[i]
        t = tanh(real(BETA) * (x[i] + real(KAPPA) * square * x[i]))
        slope = real(BETA) * (real(1) + real(3 * KAPPA) * square)
        gx[i] = g[i] * (real(0.5) * (real(1) + t) + real(0.5) * x[i] * (real(1) - t * t) * slope)


@kernel
def _sigmoid(x, out):
    for i in range(out.size):
        out[i] = sigmoid(x[i])


def gelu_forward(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """x Φ(x), or with `approximate="tanh"` the formula that stands for it."""
    return map_elements(_gelu_tanh if approximate == "tanh" else _gelu, x)


def gelu_backward(g: np.ndarray, x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """The gradient for `x` of `gelu_forward`."""
    return map_elements(_gelu_tanh_backward if approximate == "tanh" else _gelu_backward, g, x)


def sigmoid_forward(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e⁻ˣ)."""
    return map_elements(_sigmoid, x)
