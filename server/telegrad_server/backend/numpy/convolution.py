"""Convolution on the CPU, over compiled kernels for two dimensions.

Three dimensions are two, once per tap along the first.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from .jit import convolution as jit
from .mixin import NumpyMixin, widened

Array = np.ndarray
Sizes = tuple[int, ...]


class Convolution(NumpyMixin):
    """See `Primitives`."""

    @widened
    def conv(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        groups: int,
    ) -> Array:
        if x.ndim == 3:
            return self.conv(x[:, :, None], weight[:, :, None], bias, *_planar(stride, padding, dilation), groups)[
                :, :, 0
            ]
        if x.ndim == 4:
            return jit.conv2d_forward(x, weight, bias, stride, padding, dilation, groups)
        taps = _Taps(x.shape, weight.shape, stride, padding, dilation)
        padded = taps.pad(x)
        out = sum(
            jit.conv2d_forward(taps.frames(padded, i), taps.plane(weight, i), None, *taps.rest, groups)
            for i in range(taps.count)
        )
        out = taps.stacked(out)
        return out if bias is None else out + bias[:, None, None, None]

    @widened
    def conv_input_grad(
        self, g: Array, weight: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
    ) -> Array:
        if g.ndim == 3:
            flat = (size[0], size[1], 1, size[2])
            taps = _planar(stride, padding, dilation)
            return self.conv_input_grad(g[:, :, None], weight[:, :, None], flat, *taps, groups)[:, :, 0]
        if g.ndim == 4:
            return jit.conv2d_input_grad(g, weight, size, stride, padding, dilation, groups)
        taps = _Taps(size, weight.shape, stride, padding, dilation)
        total = np.zeros(taps.padded_shape, g.dtype)
        for i in range(taps.count):
            shape = (size[0] * taps.depth, size[1], *size[3:])
            part = jit.conv2d_input_grad(taps.flat(g), taps.plane(weight, i), shape, *taps.rest, groups)
            total[:, :, taps.places(i)] += taps.stacked(part)
        return np.ascontiguousarray(total[:, :, padding[0] : padding[0] + size[2]])

    @widened
    def conv_weight_grad(
        self, g: Array, x: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
    ) -> Array:
        if g.ndim == 3:
            flat = (size[0], size[1], 1, size[2])
            taps = _planar(stride, padding, dilation)
            return self.conv_weight_grad(g[:, :, None], x[:, :, None], flat, *taps, groups)[:, :, 0]
        if g.ndim == 4:
            return jit.conv2d_weight_grad(g, x, size, stride, padding, dilation, groups)
        taps = _Taps(x.shape, size, stride, padding, dilation)
        padded, plane = taps.pad(x), (*size[:2], *size[3:])
        parts = [
            jit.conv2d_weight_grad(taps.flat(g), taps.frames(padded, i), plane, *taps.rest, groups)
            for i in range(taps.count)
        ]
        return np.stack(parts, 2)

    def im2col(self, x: Array, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
        n, c = x.shape[:2]
        framed = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
        counts = _positions(x.shape[2:], kernel, dilation, padding, stride)
        cols = np.empty((n, c, *kernel, *counts), x.dtype)
        for taps in itertools.product(*map(range, kernel)):
            cols[:, :, *taps] = framed[:, :, *_reach(taps, counts, dilation, stride)]
        return cols.reshape(n, c * math.prod(kernel), math.prod(counts))

    def col2im(self, cols: Array, size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
        n, c = cols.shape[0], cols.shape[1] // math.prod(kernel)
        framed = np.zeros((n, c, *(s + 2 * p for s, p in zip(size, padding, strict=True))), cols.dtype)
        counts = _positions(size, kernel, dilation, padding, stride)
        patches = cols.reshape(n, c, *kernel, *counts)
        for taps in itertools.product(*map(range, kernel)):
            framed[:, :, *_reach(taps, counts, dilation, stride)] += patches[:, :, *taps]
        inner = tuple([slice(p, p + s) for s, p in zip(size, padding, strict=True)])
        return np.ascontiguousarray(framed[:, :, *inner])


class _Taps:
    """A convolution in three dimensions as one in two per tap along the first."""

    def __init__(self, x: Sizes, weight: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
        self.images = x[0]
        self.count = weight[2]
        self.step, self.apart, self.margin = stride[0], dilation[0], padding[0]
        self.rest = (stride[1:], padding[1:], dilation[1:])
        self.padded_shape = (*x[:2], x[2] + 2 * padding[0], *x[3:])
        self.depth = _positions((x[2],), (weight[2],), (dilation[0],), (padding[0],), (stride[0],))[0]

    def places(self, tap: int) -> slice:
        return _reach((tap,), (self.depth,), (self.apart,), (self.step,))[0]

    def pad(self, x: Array) -> Array:
        return np.pad(x, ((0, 0), (0, 0), (self.margin, self.margin), (0, 0), (0, 0)))

    def flat(self, x: Array) -> Array:
        """Frames as images of their own: `(N * D, C, H, W)`."""
        return np.ascontiguousarray(x.swapaxes(1, 2)).reshape(-1, x.shape[1], *x.shape[3:])

    def frames(self, padded: Array, tap: int) -> Array:
        return self.flat(padded[:, :, self.places(tap)])

    def plane(self, weight: Array, tap: int) -> Array:
        return np.ascontiguousarray(weight[:, :, tap])

    def stacked(self, frames: Array) -> Array:
        """The inverse of `flat`."""
        return np.ascontiguousarray(frames.reshape(self.images, self.depth, *frames.shape[1:]).swapaxes(1, 2))


def _planar(stride: Sizes, padding: Sizes, dilation: Sizes) -> tuple[Sizes, Sizes, Sizes]:
    """The options of one dimension as those of two, the first of which has size 1."""
    return (1, *stride), (0, *padding), (1, *dilation)


def _positions(size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Sizes:
    axes = zip(size, kernel, dilation, padding, stride, strict=True)
    return tuple([(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in axes])


def _reach(taps: Sizes, counts: Sizes, dilation: Sizes, stride: Sizes) -> tuple[slice, ...]:
    """The elements of a padded input that a tap of each window meets."""
    axes = zip(taps, counts, dilation, stride, strict=True)
    return tuple([slice(t * d, t * d + s * (n - 1) + 1, s) for t, n, d, s in axes])
