"""Softmax, layer norm, group norm and batch norm on the CPU, over compiled kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .jit import normalization as jit
from .mixin import NumpyMixin, is_half, widened

Array = np.ndarray


class Normalization(NumpyMixin):
    """See `Primitives`."""

    def softmax(self, x: Array, axis: int, log: bool) -> Array:
        return _along(jit.softmax_forward, axis, log, x)

    def softmax_backward(self, g: Array, out: Array, axis: int, log: bool) -> Array:
        return _along(jit.softmax_backward, axis, log, g, out)

    @widened
    def layer_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        return jit.layer_norm_forward(x, weight, bias, eps)

    @widened
    def layer_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        return jit.layer_norm_backward(g, x, mean, rstd, weight)

    @widened
    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, ...]:
        width = x.shape[1] // groups * x.shape[2]
        out, mean, rstd = jit.layer_norm_forward(x.reshape(len(x) * groups, width), None, None, eps)
        out = out.reshape(x.shape)
        if weight is not None:
            out *= weight[:, None]
        if bias is not None:
            out += bias[:, None]
        return out, mean, rstd

    @widened
    def group_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        if not len(x):
            return np.zeros_like(x), *np.zeros((2, x.shape[1]), x.dtype)
        scaled = g if weight is None else g * weight[:, None]
        groups = len(mean) // len(x)
        grouped = (len(mean), x.shape[1] // groups * x.shape[2])
        gx, _, _ = jit.layer_norm_backward(scaled.reshape(grouped), x.reshape(grouped), mean, rstd, None)
        total = np.add.reduce(g, axis=2)
        m, r = (np.repeat(v.reshape(len(x), groups), x.shape[1] // groups, 1) for v in (mean, rstd))
        along = (np.einsum("ncl,ncl->nc", g, x) - m * total) * r
        return gx.reshape(x.shape), along.sum(0), total.sum(0)

    @widened
    def batch_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        return jit.batch_norm_forward(x, weight, bias, eps)

    @widened
    def batch_norm_backward(
        self, g: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float
    ) -> tuple[Array, ...]:
        return jit.batch_norm_backward(g, x, mean, var, weight, eps)


def _along(function: Callable[..., Array], axis: int, log: bool, *arrays: Array) -> Array:
    """Run a function of rows along any axis of arrays of one shape, half precision in float32."""
    dtype, shape = arrays[0].dtype, arrays[0].shape
    if not arrays[0].size:
        return np.empty(shape, dtype)
    last = axis % max(1, len(shape)) == max(1, len(shape)) - 1
    wide = [x.astype(np.float32) if is_half(x) else x for x in arrays]
    moved = [np.ascontiguousarray(x if last else np.moveaxis(x, axis, -1)) for x in wide]
    out = function(*[x.reshape(-1, x.shape[-1] if shape else 1) for x in moved], log).reshape(moved[0].shape)
    return (out if last else np.moveaxis(out, -1, axis)).reshape(shape).astype(dtype, copy=False)
