"""Convolution on a CUDA device.

A convolution is a product with the columns that its patches make, a few images at a time so that the columns stay
small. One and two dimensions are three whose first ones have size 1. Gradients are gathered: no result depends on the
order in which threads run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from telegrad_protocol.ops._windows import window_counts

from .mixin import CupyMixin, wide_dtype

Array = Any
Sizes = tuple[int, ...]
# The columns of one block of images take at most this much memory, or those of one image.
BLOCK_BYTES = 64 << 20
# `Geometry` of convolution.cu.
_GEOMETRY = np.dtype([(name, np.int64, 3) for name in ("size", "window", "stride", "padding", "dilation", "positions")])


@dataclass(frozen=True)
class _Geometry:
    """The sizes of one convolution over `(N, C, ...)`, all in three dimensions."""

    channels: int
    size: Sizes
    window: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int = 1

    @classmethod
    def of(cls, x: Sizes, window: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int = 1) -> _Geometry:
        missing = 3 - len(window)
        ones, zeros = (1,) * missing, (0,) * missing
        fields = ((*ones, *x[2:]), (*ones, *window), (*ones, *stride), (*zeros, *padding), (*ones, *dilation))
        return cls(x[1], *fields, groups)

    @cached_property
    def positions(self) -> Sizes:
        return window_counts(self.size, self.window, self.stride, self.padding, self.dilation)

    @property
    def count(self) -> int:
        """How many positions an image has."""
        return prod(self.positions)

    @property
    def depth(self) -> int:
        """The length of a column: a whole patch, all groups."""
        return self.channels * prod(self.window)

    @property
    def is_pointwise(self) -> bool:
        """Whether the image is its own matrix of columns."""
        return prod(self.window) == prod(self.stride) == 1 and not any(self.padding)

    def blocks(self, images: int, itemsize: int) -> Iterator[slice]:
        """The images, as many at a time as `BLOCK_BYTES` has room for."""
        size = max(1, BLOCK_BYTES // max(1, self.depth * self.count * itemsize))
        return (slice(start, min(start + size, images)) for start in range(0, images, size))

    @property
    def packed(self) -> Any:
        axes = (self.size, self.window, self.stride, self.padding, self.dilation, self.positions)
        return np.array(axes, _GEOMETRY)[()]


class Convolution(CupyMixin):
    """See `Primitives`."""

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
        x, weight = self._contiguous(x), self._contiguous(weight)
        plan = _Geometry.of(x.shape, weight.shape[2:], stride, padding, dilation, groups)
        channels, images = len(weight), len(x)
        out = self.cp.empty((images, channels, *plan.positions[3 - len(stride) :]), x.dtype)
        for block in plan.blocks(images, x.itemsize):
            columns = x[block] if plan.is_pointwise else self._columns(x[block], plan)
            sizes = (plan.count, channels // groups, plan.depth // groups)
            self._multiply_groups(columns, weight, out[block], sizes, (False, False), groups)
        return out if bias is None else self.cp.add(out, bias.reshape(-1, *(1,) * len(stride)), out=out)

    def conv_input_grad(
        self, g: Array, weight: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
    ) -> Array:
        g, weight = self._contiguous(g), self._contiguous(weight)
        plan = _Geometry.of(size, weight.shape[2:], stride, padding, dilation, groups)
        gx = self.cp.empty(size, g.dtype)
        for block in plan.blocks(len(g), g.itemsize):
            target = gx[block]
            columns = target
            if not plan.is_pointwise:
                columns = self.cp.empty((len(target), plan.depth, plan.count), g.dtype)
            sizes = (plan.count, plan.depth // groups, len(weight) // groups)
            self._multiply_groups(g[block], weight, columns, sizes, (False, True), groups)
            if not plan.is_pointwise:
                self._gather(columns, target, plan)
        return gx

    def conv_weight_grad(
        self, g: Array, x: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
    ) -> Array:
        g, x = self._contiguous(g), self._contiguous(x)
        plan = _Geometry.of(x.shape, size[2:], stride, padding, dilation, groups)
        parts = [self._weight_part(g[block], x[block], size, plan) for block in plan.blocks(len(x), x.itemsize)]
        if not parts:
            return self.cp.zeros(size, x.dtype)
        total = parts[0]
        for part in parts[1:]:
            total = self.cp.add(total.astype(wide_dtype(x.dtype), copy=False), part)
        return total.astype(x.dtype, copy=False)

    def _weight_part(self, g: Array, x: Array, size: Sizes, plan: _Geometry) -> Array:
        """Gradients `(O, N * positions)` by columns `(depth, N * positions)` transposed, group by group."""
        out, groups, length = self.cp.empty(size, x.dtype), plan.groups, len(x) * plan.count
        columns = self._columns(x, plan, merged=True)
        upward = self._contiguous(g.reshape(len(g), size[0], plan.count).swapaxes(0, 1))
        rows, depth = size[0] // groups, plan.depth // groups
        if not length:
            out.fill(0)
        if not out.size or not length:
            return out
        self.device.blas.gemm(
            columns,
            upward,
            out,
            (depth, rows, length),
            (True, False),
            (length, length, depth),
            groups,
            (depth * length, rows * length, rows * depth),
        )
        return out

    def _multiply_groups(
        self, right: Array, weight: Array, out: Array, sizes: Sizes, transposed: tuple[bool, bool], groups: int
    ) -> None:
        """`out[n, group] = weight[group] @ right[n, group]`, the weight transposed or not; `sizes` as in gemm.

        One of images and groups is the batch of a product, the other is gone through: whichever is shorter.
        """
        (m, n, k), images = sizes, len(out)
        if not k:
            out.fill(0)
        if not out.size or not k:
            return
        steps = (k * m, n * k, n * m)
        leading = (m, n if transposed[1] else k, m)
        right, weight, out = right.reshape(-1), weight.reshape(-1), out.reshape(-1)
        by_image, by_group = (groups * steps[0], 0, groups * steps[2]), steps
        turns, batch, each, apart = (
            (groups, images, by_image, by_group) if groups <= images else (images, groups, by_group, by_image)
        )
        for turn in range(turns):
            operands = [array[turn * step :] for array, step in zip((right, weight, out), apart, strict=True)]
            self.device.blas.gemm(*operands, sizes, transposed, leading, batch, each)

    def im2col(self, x: Array, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
        return self._columns(self._contiguous(x), _Geometry.of(x.shape, kernel, stride, padding, dilation))

    def col2im(self, cols: Array, size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
        shape = (len(cols), cols.shape[1] // prod(kernel), *size)
        out = self.cp.empty(shape, cols.dtype)
        self._gather(self._contiguous(cols), out, _Geometry.of(shape, kernel, stride, padding, dilation))
        return out

    def _columns(self, x: Array, plan: _Geometry, merged: bool = False) -> Array:
        """The patches of images as columns: `(N, depth, positions)`, or `(depth, N * positions)` in one matrix."""
        images, depth, count = len(x), plan.depth, plan.count
        out = self.cp.empty((depth, images * count) if merged else (images, depth, count), x.dtype)
        steps = (count, images * count) if merged else (depth * count, count)
        args = (x, out, images, plan.channels, *steps, plan.packed)
        self.device.launch("convolution", "im2col", (x.dtype,), out.size, *args)
        return out

    def _gather(self, columns: Array, out: Array, plan: _Geometry) -> None:
        args = (columns, out, len(out), plan.channels, plan.packed)
        self.device.launch("convolution", "col2im", (out.dtype,), out.size, *args)
