"""Softmax, layer norm, group norm and batch norm on a CUDA device. Half precision is computed in float32."""

from __future__ import annotations

from math import nan, prod
from typing import Any

from telegrad_server.backend.constants import ROWS_PER_PART

from .mixin import CupyMixin, or_null, threads_for, wide_dtype

Array = Any


class Normalization(CupyMixin):
    """See `Primitives`."""

    def softmax(self, x: Array, axis: int, log: bool) -> Array:
        return self._along("softmax", axis, log, x)

    def softmax_backward(self, g: Array, out: Array, axis: int, log: bool) -> Array:
        return self._along("softmax_backward", axis, log, g, out)

    def _along(self, name: str, axis: int, log: bool, *arrays: Array) -> Array:
        """Run a kernel of rows along any axis of arrays of one shape, where they lie."""
        arrays = tuple([self._contiguous(x) for x in arrays])
        shape, out = arrays[0].shape or (1,), self.cp.empty(arrays[0].shape, arrays[0].dtype)
        axis %= len(shape)
        n, inner = shape[axis], prod(shape[axis + 1 :])
        if out.size:
            args = (*arrays, out, out.size // n, n, inner)
            self.device.launch_rows(
                "normalization", name, (out.dtype, log), out.size // n, *args, threads=threads_for(n)
            )
        return out

    def layer_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        return self._normed(self._contiguous(x), len(x), 1, weight, bias, eps)

    def layer_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        g, x = self._contiguous(g), self._contiguous(x)
        gx, (rows, n) = self._normed_backward(g, x, mean, rstd, 1, weight), x.shape
        parts = -(-rows // ROWS_PER_PART)
        sums, out = self.cp.empty((2, parts, n), mean.dtype), self.cp.empty((2, n), x.dtype)
        launch, types = self.device.launch, (x.dtype,)
        launch("normalization", "layer_norm_parts", types, parts * n, g, x, mean, rstd, sums, rows, n, parts)
        launch("normalization", "sum_parts", types, 2 * n, sums, out, parts, n)
        return gx, out[0], out[1]

    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, ...]:
        return self._normed(self._contiguous(x), len(x) * groups, groups, weight, bias, eps)

    def group_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        if not x.size:
            gw = self.cp.full(x.shape[1], nan if len(x) else 0, x.dtype)  # a mean of nothing is no number
            return self.cp.zeros(x.shape, x.dtype), gw, self.cp.zeros(x.shape[1], x.dtype)
        g, x = self._contiguous(g), self._contiguous(x)
        images, channels, length = x.shape
        groups = len(mean) // max(images, 1)
        gx = self._normed_backward(g, x, mean, rstd, groups, weight)
        gw, gb = (self.cp.empty(channels, x.dtype) for _ in range(2))
        args = (g, x, mean, rstd, gw, gb, images, channels, length, groups)
        self.device.launch_rows("normalization", "group_norm_channels", (x.dtype,), channels, *args)
        return gx, gw, gb

    def batch_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        x, out = self._contiguous(x), self.cp.empty(x.shape, x.dtype)
        mean, var = (self.cp.zeros(x.shape[1], x.dtype) for _ in range(2))
        if not x.size:
            return out, mean, var
        weight, bias = (None if p is None else self._contiguous(p) for p in (weight, bias))
        args = (x, or_null(weight), or_null(bias), out, mean, var, *x.shape, float(eps))
        self.device.launch_rows("normalization", "batch_norm", (x.dtype,), x.shape[1], *args)
        return out, mean, var

    def batch_norm_backward(
        self, g: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float
    ) -> tuple[Array, ...]:
        g, x = self._contiguous(g), self._contiguous(x)
        gx, gw, gb = (self.cp.empty(shape, x.dtype) for shape in (x.shape, x.shape[1], x.shape[1]))
        weight = None if weight is None else self._contiguous(weight)
        args = (g, x, mean, var, or_null(weight), gx, gw, gb, *x.shape, float(eps))
        self.device.launch_rows("normalization", "batch_norm_backward", (x.dtype,), x.shape[1], *args)
        return gx, gw, gb

    def _normed(
        self, x: Array, rows: int, groups: int, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, ...]:
        cp, out, width = self.cp, self.cp.empty(x.shape, x.dtype), x.size // max(rows, 1)
        mean, rstd = (cp.empty(rows, wide_dtype(x.dtype)) for _ in range(2))
        weight, bias = (None if p is None else self._contiguous(p) for p in (weight, bias))
        args = (x, or_null(weight), or_null(bias), out, mean, rstd, rows, width, float(eps), *_channels(x, groups))
        types = (x.dtype, x.ndim == 3)
        if x.size:
            self.device.launch_rows("normalization", "layer_norm", types, rows, *args, threads=threads_for(width))
        return out, mean, rstd

    def _normed_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, groups: int, weight: Array | None
    ) -> Array:
        gx, rows = self.cp.empty(x.shape, x.dtype), len(mean)
        width = x.size // max(rows, 1)
        weight = None if weight is None else self._contiguous(weight)
        args = (g, x, mean, rstd, or_null(weight), gx, rows, width, *_channels(x, groups))
        types = (x.dtype, x.ndim == 3)
        if x.size:
            self.device.launch_rows(
                "normalization", "layer_norm_backward", types, rows, *args, threads=threads_for(width)
            )
        return gx


def _channels(x: Array, groups: int) -> tuple[int, int, int]:
    """How a row's elements are channels: groups, channels in each, elements in each; not so in layer norm."""
    return (groups, x.shape[1] // groups, x.shape[2]) if x.ndim == 3 else (1, 1, 1)
