"""Functions of an element that NumPy lacks or builds from many temporaries, each with its gradient.

Arrays of one call are C-contiguous, of one shape and one of float32 and float64. PyTorch's formulas, so that an
infinity or a NaN comes out as it does there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ._jit import kernel, share_elements
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
def _silu(x, out):
    for i in range(out.size):
        out[i] = x[i] / (x.dtype.type(1) + exp(-x[i]))


@kernel
def _silu_backward(g, x, gx):
    one = x.dtype.type(1)
    for i in range(gx.size):
        s = sigmoid(x[i])
        gx[i] = g[i] * s * (one + x[i] * (one - s))


@kernel
def _sigmoid(x, out):
    for i in range(out.size):
        out[i] = sigmoid(x[i])


@kernel
def _sigmoid_backward(g, out, gx):
    for i in range(gx.size):
        gx[i] = g[i] * (g.dtype.type(1) - out[i]) * out[i]


@kernel
def _tanh(x, out):
    for i in range(out.size):
        out[i] = tanh(x[i])


@kernel
def _tanh_backward(g, out, gx):
    for i in range(gx.size):
        gx[i] = g[i] * (g.dtype.type(1) - out[i] * out[i])


@kernel
def _erf(x, out):
    for i in range(out.size):
        out[i] = erf(x[i])


@kernel
def _either(condition, a, b, out):
    for i in range(out.size):
        left, right = a[i], b[i]
        out[i] = left if condition[i] else right


@kernel
def _unless(condition, a, out, number):
    for i in range(out.size):
        value = a[i]
        out[i] = number if condition[i] else value


@kernel
def _if(condition, a, out, number):
    for i in range(out.size):
        value = a[i]
        out[i] = value if condition[i] else number


def _each(kernel: Callable[..., None], *arrays: np.ndarray) -> np.ndarray:
    out = np.empty_like(arrays[0])
    share_elements(kernel, (*arrays, out))
    return out


def gelu_forward(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """x Φ(x), or with `approximate="tanh"` the formula that stands for it."""
    return _each(_gelu_tanh if approximate == "tanh" else _gelu, x)


def gelu_backward(g: np.ndarray, x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """The gradient for `x` of `gelu_forward`."""
    return _each(_gelu_tanh_backward if approximate == "tanh" else _gelu_backward, g, x)


def silu_forward(x: np.ndarray) -> np.ndarray:
    """x / (1 + e⁻ˣ)."""
    return _each(_silu, x)


def silu_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient for `x` of `silu_forward`."""
    return _each(_silu_backward, g, x)


def sigmoid_forward(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e⁻ˣ)."""
    return _each(_sigmoid, x)


def sigmoid_backward(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """The gradient for the input of `sigmoid_forward`, from its result `out`."""
    return _each(_sigmoid_backward, g, out)


def tanh_forward(x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent."""
    return _each(_tanh, x)


def tanh_backward(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """The gradient for the input of `tanh_forward`, from its result `out`."""
    return _each(_tanh_backward, g, out)


def erf_forward(x: np.ndarray) -> np.ndarray:
    """The error function."""
    return _each(_erf, x)


def chosen(condition: np.ndarray, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """`a` where the condition holds, else `b`, of which one may be a number."""
    like = a if isinstance(a, np.ndarray) else b
    assert isinstance(like, np.ndarray)
    out, real = np.empty_like(like), like.dtype.type
    if not isinstance(a, np.ndarray):
        share_elements(_unless, (condition, like, out), real(a))
    elif not isinstance(b, np.ndarray):
        share_elements(_if, (condition, like, out), real(b))
    else:
        share_elements(_either, (condition, a, b, out))
    return out
