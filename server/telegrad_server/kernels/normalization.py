"""Softmax and normalization."""

from __future__ import annotations

import math

from ._shared import dtype_of
from .registry import decomposition, direct_kernel, kernel, vjp

_EPSILONS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


@kernel
def softmax(xp, input, dim, dtype):
    return xp.softmax(input if dtype is None else xp.cast(input, dtype), dim, False)


@kernel
def log_softmax(xp, input, dim, dtype):
    return xp.softmax(input if dtype is None else xp.cast(input, dtype), dim, True)


def _softmax_vjp(log):
    def pull(f, g, input_meta, out, dim, dtype):
        gx = f._softmax_backward(g, out, dim, log)
        return gx if dtype in (None, input_meta.dtype) else f._to_dtype(gx, input_meta.dtype)

    return pull


vjp(softmax, input=_softmax_vjp(False))
vjp(log_softmax, input=_softmax_vjp(True))


@decomposition
def softmin(f, input, dim, dtype):
    return f.softmax(f.neg(input), dim, dtype)


def _along_out(f, g, grad, out, dim, log):
    if log:
        return f.neg(f.mul(f.mul(g, f.exp(out)), f.sum(grad, dim, True)))
    rest = f.sub(grad, f.sum(f.mul(grad, out), dim, True))
    return f.sub(f.mul(g, rest), f.mul(grad, f.sum(f.mul(g, out), dim, True)))


def _along_grad(f, g, out, dim, log):
    if log:
        return f.sub(g, f.sum(f.mul(g, f.exp(out)), dim, True))
    return f._softmax_backward(g, out, dim, False)


direct_kernel("_softmax_backward", grad=_along_grad, out=_along_out)


def _affine(f, x, weight, bias):
    if weight is not None:
        x = f.mul(x, weight)
    return x if bias is None else f.add(x, bias)


@decomposition
def layer_norm(f, input, normalized_shape, weight, bias, eps):
    axes = tuple(range(-len(normalized_shape), 0))
    centred = f.sub(input, f.mean(input, axes, True))
    scale = f.rsqrt(f.add(f.mean(f.mul(centred, centred), axes, True), eps))
    return _affine(f, f.mul(centred, scale), weight, bias)


@layer_norm.forward
def _(xp, input, normalized_shape, weight, bias, eps):
    width = math.prod(normalized_shape)
    x = xp.reshape(input, (math.prod(input.shape[: input.ndim - len(normalized_shape)]), width))
    flat = [None if p is None else xp.reshape(p, (width,)) for p in (weight, bias)]
    out, mean, rstd = xp.layer_norm(x, *flat, eps)
    return xp.reshape(out, input.shape), (mean, rstd)


@layer_norm.backward
def _(xp, g, needs, aux, input, normalized_shape, weight, bias_meta):
    width = math.prod(normalized_shape)
    shape = (math.prod(input.shape[: input.ndim - len(normalized_shape)]), width)
    scale = None if weight is None else xp.reshape(weight, (width,))
    gx, gw, gb = xp.layer_norm_backward(xp.reshape(g, shape), xp.reshape(input, shape), *aux, scale)
    return (
        xp.reshape(gx, input.shape),
        xp.reshape(gw, normalized_shape) if needs[1] else None,
        xp.reshape(gb, normalized_shape) if needs[2] else None,
    )


@decomposition
def rms_norm(f, input, normalized_shape, weight, eps):
    axes = tuple(range(-len(normalized_shape), 0))
    least = _EPSILONS[dtype_of(f, input).name] if eps is None else eps
    scaled = f.mul(input, f.rsqrt(f.add(f.mean(f.mul(input, input), axes, True), least)))
    return _affine(f, scaled, weight, None)


def _images(shape):
    """`(N, C, ...)` as `(N, C, L)`."""
    return (shape[0], shape[1], math.prod(shape[2:]))


def _per_channel(f, x, ndim):
    """A vector of channels as it broadcasts over `(N, C, ...)`."""
    return None if x is None else f.reshape(x, (1, x.shape[0], *(1,) * (ndim - 2)))


@decomposition
def group_norm(f, input, num_groups, weight, bias, eps):
    width = math.prod(input.shape[1:]) // num_groups
    rows = f.reshape(input, (input.shape[0] * num_groups, width))
    out = f.reshape(f.layer_norm(rows, (width,), None, None, eps), input.shape)
    out = _affine(f, out, *(_per_channel(f, p, input.ndim) for p in (weight, bias)))
    return f.clone(out) if weight is None and bias is None else out


@group_norm.forward
def _(xp, input, num_groups, weight, bias, eps):
    x = xp.reshape(input, _images(input.shape))
    out, mean, rstd = xp.group_norm(x, num_groups, weight, bias, eps)
    return xp.reshape(out, input.shape), (mean, rstd)


@group_norm.backward
def _(xp, g, needs, aux, input, weight, bias_meta):
    shape = _images(input.shape)
    gx, gw, gb = xp.group_norm_backward(xp.reshape(g, shape), xp.reshape(input, shape), *aux, weight)
    return xp.reshape(gx, input.shape), gw if needs[1] else None, gb if needs[2] else None


@decomposition
def _batch_norm_train(f, input, weight, bias, eps):
    axes = (0, *range(2, input.ndim))
    mean = f.mean(input, axes, True)
    centred = f.sub(input, mean)
    var = f.mean(f.mul(centred, centred), axes, True)
    out = f.mul(centred, f.rsqrt(f.add(var, eps)))
    out = _affine(f, out, *(_per_channel(f, p, input.ndim) for p in (weight, bias)))
    return out, f.reshape(mean, (input.shape[1],)), f.reshape(var, (input.shape[1],))


@_batch_norm_train.forward
def _(xp, input, weight, bias, eps):
    out, mean, var = xp.batch_norm(xp.reshape(input, _images(input.shape)), weight, bias, eps)
    return (xp.reshape(out, input.shape), mean, var), None


@_batch_norm_train.backward
def _(xp, g, needs, mean, var, input, weight, bias_meta, eps):
    shape = _images(input.shape)
    x = xp.reshape(input, shape)
    g_out, g_mean, g_var = g
    gx = gw = gb = None
    if g_out is not None:
        gx, gw, gb = xp.batch_norm_backward(xp.reshape(g_out, shape), x, mean, var, weight, eps)
    count = max(1, shape[0] * shape[2])
    column = (1, shape[1], 1)
    if g_mean is not None:
        part = xp.broadcast_to(xp.reshape(xp.divide(g_mean, count), column), shape)
        gx = part if gx is None else xp.add(gx, part)
    if g_var is not None:
        slope = xp.reshape(xp.multiply(g_var, 2 / count), column)
        part = xp.multiply(xp.subtract(x, xp.reshape(mean, column)), slope)
        gx = part if gx is None else xp.add(gx, part)
    return xp.reshape(gx, input.shape), gw if needs[1] else None, gb if needs[2] else None


@decomposition
def _batch_norm_eval(f, input, mean, var, weight, bias, eps):
    scale = f.rsqrt(f.add(var, eps))
    if weight is not None:
        scale = f.mul(scale, weight)
    shift = f.neg(f.mul(mean, scale)) if bias is None else f.sub(bias, f.mul(mean, scale))
    return _affine(f, input, _per_channel(f, scale, input.ndim), _per_channel(f, shift, input.ndim))


@decomposition
def normalize(f, input, p, dim, eps):
    return f.div(input, f.clamp(f.vector_norm(input, p, dim, True), eps))


@decomposition
def local_response_norm(f, input, size, alpha, beta, k):
    squares = f.reshape(f.mul(input, input), (input.shape[0], 1, input.shape[1], math.prod(input.shape[2:])))
    padded = f.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = f.reshape(f.avg_pool2d(padded, (size, 1), (1, 1)), input.shape)
    return f.div(input, f.pow(f.add(f.mul(mean, alpha), k), beta))
