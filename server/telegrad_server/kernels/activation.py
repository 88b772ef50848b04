"""Activations."""

from __future__ import annotations

import math

from .registry import composite, kernel, vjp


@kernel
def gelu(xp, input, approximate):
    return xp.gelu(input, approximate)


vjp(gelu, input=lambda f, g, input, approximate: f._gelu_backward(g, input, approximate))


@kernel
def _gelu_backward(xp, grad, input, approximate):
    return xp.gelu_backward(grad, input, approximate)


vjp(
    _gelu_backward,
    grad=lambda f, g, input, approximate: f._gelu_backward(g, input, approximate),
    input=lambda f, g, grad, input, approximate: f.mul(f.mul(g, grad), _gelu_second(f, input, approximate)),
)


def _gelu_second(f, x, approximate):
    """The second derivative of gelu."""
    if approximate == "none":
        density = f.mul(f.exp(f.mul(f.mul(x, x), -0.5)), 1.0 / math.sqrt(2 * math.pi))
        return f.mul(density, f.sub(2.0, f.mul(x, x)))
    c, k = math.sqrt(2 / math.pi), 0.044715
    squared = f.mul(x, x)
    t = f.tanh(f.mul(f.add(x, f.mul(f.mul(squared, x), k)), c))
    inner = f.mul(f.add(f.mul(squared, 3 * k), 1.0), c)
    slope = f.sub(1.0, f.mul(t, t))
    bend = f.sub(f.mul(x, 6 * k * c), f.mul(f.mul(t, f.mul(inner, inner)), 2.0))
    return f.mul(slope, f.add(inner, f.mul(f.mul(x, bend), 0.5)))


@composite
def silu(f, input):
    return f.mul(input, f.sigmoid(input))


@composite
def mish(f, input):
    return f.mul(input, f.tanh(f.softplus(input)))


@composite
def softplus(f, input, beta, threshold):
    scaled = f.mul(input, beta)
    smooth = f.div(f.add(f.clamp_min(scaled, 0.0), f.log1p(f.exp(f.neg(f.abs(scaled))))), beta)
    return f.where(f.gt(scaled, threshold), input, smooth)


@composite
def logsigmoid(f, input):
    return f.sub(f.clamp_max(input, 0.0), f.log1p(f.exp(f.neg(f.abs(input)))))


@composite
def softsign(f, input):
    return f.div(input, f.add(f.abs(input), 1.0))


@composite
def tanhshrink(f, input):
    return f.sub(input, f.tanh(input))


@composite
def relu6(f, input):
    return f.hardtanh(input, 0.0, 6.0)


@composite
def leaky_relu(f, input, negative_slope):
    return f.where(f.gt(input, 0), input, f.mul(input, negative_slope))


@composite
def elu(f, input, alpha):
    return f.where(f.gt(input, 0), input, f.mul(f.expm1(f.clamp_max(input, 0.0)), alpha))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@composite
def selu(f, input):
    return f.mul(f.elu(input, SELU_ALPHA), SELU_SCALE)


@composite
def celu(f, input, alpha):
    return f.where(f.gt(input, 0), input, f.mul(f.expm1(f.div(f.clamp_max(input, 0.0), alpha)), alpha))


@kernel
def hardtanh(xp, input, min_val, max_val):
    return xp.cast_like(xp.minimum(xp.maximum(input, min_val), max_val), input)


vjp(
    hardtanh,
    input=lambda f, g, input, min_val, max_val: f.mul(
        g, f._cast_like(f.logical_and(f.gt(input, min_val), f.lt(input, max_val)), g)
    ),
)


@composite
def hardswish(f, input):
    return f.mul(input, f.hardsigmoid(input))


@composite
def hardsigmoid(f, input):
    return f.div(f.hardtanh(f.add(input, 3.0), 0.0, 6.0), 6.0)


@composite
def softshrink(f, input, lambd):
    return f.sub(input, f.clamp(input, -lambd, lambd))


@composite
def hardshrink(f, input, lambd):
    return f.where(f.gt(f.abs(input), lambd), input, 0.0)


@composite
def threshold(f, input, threshold, value):
    return f.where(f.gt(input, threshold), input, f.fill(input, value))


@composite
def glu(f, input, dim):
    half = input.shape[dim] // 2
    return f.mul(f.narrow(input, dim, 0, half), f.sigmoid(f.narrow(input, dim, half, half)))


@composite
def prelu(f, input, weight):
    shape = (1, -1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else (-1,)
    slope = f.reshape(weight, shape) if input.ndim else f.reshape(weight, ())
    return f.where(f.gt(input, 0), input, f.mul(input, slope))
