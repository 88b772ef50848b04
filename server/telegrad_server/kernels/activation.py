"""Activation functions."""

from __future__ import annotations

import math

from .registry import decomposition, direct_kernel, kernel, vjp

direct_kernel("sigmoid", input=lambda f, g, out: f.mul(g, f.mul(out, f.sub(1.0, out))))


@kernel
def relu(xp, input):
    return xp.maximum(input, 0)


vjp(relu, input=lambda f, g, out: f._relu_backward(g, out))


@kernel
def _relu_backward(xp, grad, out):
    return xp.where(xp.less_equal(out, 0), 0, grad)


vjp(_relu_backward, grad=lambda f, g, out: f._relu_backward(g, out), out=lambda f, g: None)


direct_kernel("gelu", input=lambda f, g, input, approximate: f._gelu_backward(g, input, approximate))


direct_kernel(
    "_gelu_backward",
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


def _log1p_exp(xp, x):
    """log(1 + exp(x)) without overflow."""
    return xp.add(xp.maximum(x, 0), xp.log1p(xp.exp(xp.negative(xp.absolute(x)))))


@kernel
def softplus(xp, input, beta, threshold):
    scaled = xp.multiply(input, beta)
    return xp.where(xp.greater(scaled, threshold), input, xp.divide(_log1p_exp(xp, scaled), beta))


vjp(softplus, input=lambda f, g, input, beta, threshold: _softplus_input(f, g, f.mul(input, beta), threshold))


def _softplus_input(f, g, scaled, threshold):
    return f.where(f.gt(scaled, threshold), g, f.mul(g, f.sigmoid(scaled)))


@kernel
def logsigmoid(xp, input):
    return xp.negative(_log1p_exp(xp, xp.negative(input)))


vjp(logsigmoid, input=lambda f, g, input: f.mul(g, f.sigmoid(f.neg(input))))


@kernel
def silu(xp, input):
    return xp.multiply(input, xp.sigmoid(input))


vjp(silu, input=lambda f, g, input: f.mul(g, _silu_slope(f, input, f.sigmoid(input))))


def _silu_slope(f, x, share):
    return f.mul(share, f.add(f.mul(x, f.sub(1.0, share)), 1.0))


@kernel
def mish(xp, input):
    return xp.multiply(input, xp.tanh(_log1p_exp(xp, input)))


vjp(mish, input=lambda f, g, input: f.mul(g, _mish_slope(f, input, f.tanh(f.softplus(input)))))


def _mish_slope(f, x, share):
    return f.add(share, f.mul(f.mul(x, f.sigmoid(x)), f.sub(1.0, f.mul(share, share))))


@decomposition
def softsign(f, input):
    return f.div(input, f.add(f.abs(input), 1.0))


@decomposition
def tanhshrink(f, input):
    return f.sub(input, f.tanh(input))


@decomposition
def relu6(f, input):
    return f.hardtanh(input, 0.0, 6.0)


@decomposition
def leaky_relu(f, input, negative_slope):
    return f.where(f.gt(input, 0), input, f.mul(input, negative_slope))


@kernel
def elu(xp, input, alpha):
    return xp.where(xp.less_equal(input, 0), xp.multiply(xp.expm1(xp.minimum(input, 0)), alpha), input)


vjp(elu, input=lambda f, g, input, alpha: _elu_input(f, g, input, f.mul(f.exp(f.clamp_max(input, 0.0)), alpha)))


def _elu_input(f, g, input, slope):
    return f.where(f.le(input, 0), f.mul(g, slope), g)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@decomposition
def selu(f, input):
    return f.mul(f.elu(input, SELU_ALPHA), SELU_SCALE)


@kernel
def celu(xp, input, alpha):
    curve = xp.multiply(xp.expm1(xp.divide(xp.minimum(input, 0), alpha)), alpha)
    return xp.where(xp.less_equal(input, 0), curve, input)


vjp(celu, input=lambda f, g, input, alpha: _elu_input(f, g, input, f.exp(f.div(f.clamp_max(input, 0.0), alpha))))


@kernel
def hardtanh(xp, input, min_val, max_val):
    return xp.cast_like(xp.minimum(xp.maximum(input, min_val), max_val), input)


vjp(
    hardtanh,
    input=lambda f, g, input, min_val, max_val: f.where(
        f.logical_or(f.le(input, min_val), f.ge(input, max_val)), 0.0, g
    ),
)


def _six_at_most(xp, input):
    """relu6(x + 3)."""
    return xp.minimum(xp.maximum(xp.add(input, 3.0), 0), 6)


@kernel
def hardswish(xp, input):
    return xp.divide(xp.multiply(input, _six_at_most(xp, input)), 6.0)


vjp(
    hardswish,
    input=lambda f, g, input: f.where(
        f.le(input, -3.0), 0.0, f.where(f.lt(input, 3.0), f.mul(g, f.add(f.div(input, 3.0), 0.5)), g)
    ),
)


@kernel
def hardsigmoid(xp, input):
    return xp.divide(_six_at_most(xp, input), 6.0)


vjp(
    hardsigmoid,
    input=lambda f, g, input: f.where(f.logical_and(f.gt(input, -3.0), f.lt(input, 3.0)), f.mul(g, 1 / 6), 0.0),
)


@decomposition
def softshrink(f, input, lambd):
    towards = f.mul(f.detach(f.sign(input)), lambd)
    return f.where(f.le(f.abs(input), lambd), 0.0, f.sub(input, towards))


@decomposition
def hardshrink(f, input, lambd):
    return f.where(f.le(f.abs(input), lambd), 0.0, input)


@decomposition
def threshold(f, input, threshold, value):
    return f.where(f.le(input, threshold), f.fill(input, value), input)


@decomposition
def glu(f, input, dim):
    half = input.shape[dim] // 2
    return f.mul(f.narrow(input, dim, 0, half), f.sigmoid(f.narrow(input, dim, half, half)))


@decomposition
def prelu(f, input, weight):
    shape = (1, -1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else (-1,)
    slope = f.reshape(weight, shape) if input.ndim else f.reshape(weight, ())
    positive = f.gt(input, 0)
    # Zeros replace positive elements before the product: an infinity would turn their gradient of 0 into nan.
    return f.where(positive, input, f.mul(f.where(positive, 0.0, input), slope))
