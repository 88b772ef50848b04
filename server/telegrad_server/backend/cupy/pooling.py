"""Pooling on a CUDA device. Gradients are gathered: no result depends on the order in which threads run."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from telegrad_protocol.ops._windows import window_counts

from .device import DeviceSession
from .mixin import CupyMixin

Array = Any
Sizes = tuple[int, ...]
# `Windows` of pooling.cu.
_WINDOWS = np.dtype(
    [(name, np.int64, 2) for name in ("size", "out", "kernel", "stride", "padding", "dilation")]
    + [("count_padding", np.int64), ("divisor", np.int64)]
)


class Pooling(CupyMixin):
    """See `Primitives`."""

    def max_pool2d(self, x: Array, *windows: Any) -> tuple[Array, Array]:
        return self._maxima(x, False, _windows(x.shape[-2:], *windows))

    def adaptive_max_pool2d(self, x: Array, size: Sizes) -> tuple[Array, Array]:
        return self._maxima(x, True, _adaptive(x.shape[-2:], size))

    def _maxima(self, x: Array, adaptive: bool, windows: Any) -> tuple[Array, Array]:
        x, shape = self._contiguous(x), (*x.shape[:-2], *windows["out"].tolist())
        out, indices = self.cp.empty(shape, x.dtype), self.cp.empty(shape, np.int64)
        self.device.launch("pooling", "max_pool", (x.dtype, adaptive), out.size, x, out, indices, out.size, windows)
        return out, indices

    def max_pool2d_backward(self, g: Array, indices: Array, shape: Sizes) -> Array:
        cp, launch, g, indices = self.cp, self.device.launch, self._contiguous(g), self._contiguous(indices)
        gx, head, following = cp.empty(shape, g.dtype), cp.full(shape, -1, np.int64), cp.empty(g.shape, np.int64)
        args = (indices, head, following, g.size, *_planes(g.shape, shape))
        launch("pooling", "link_maxima", (), g.size, *args, *_plane_check(self.device, shape))
        launch("pooling", "gather_maxima", (g.dtype,), gx.size, g, head, following, gx, gx.size)
        return gx

    def take_from_planes(self, x: Array, indices: Array) -> Array:
        x, indices = self._contiguous(x), self._contiguous(indices)
        out = self.cp.empty(indices.shape, x.dtype)
        args = (x, indices, out, out.size, *_planes(out.shape, x.shape), *_plane_check(self.device, x.shape))
        self.device.launch("pooling", "take_from_planes", (x.dtype,), out.size, *args)
        return out

    def avg_pool2d(self, x: Array, *windows: Any) -> Array:
        return self._averages(x, False, _avg_windows(x.shape[-2:], *windows))

    def avg_pool2d_backward(self, g: Array, shape: Sizes, *windows: Any) -> Array:
        return self._averages_backward(g, shape, False, _avg_windows(shape[-2:], *windows))

    def adaptive_avg_pool2d(self, x: Array, size: Sizes) -> Array:
        return self._averages(x, True, _adaptive(x.shape[-2:], size))

    def adaptive_avg_pool2d_backward(self, g: Array, shape: Sizes) -> Array:
        return self._averages_backward(g, shape, True, _adaptive(shape[-2:], g.shape[-2:]))

    def _averages(self, x: Array, adaptive: bool, windows: Any) -> Array:
        x = self._contiguous(x)
        out = self.cp.empty((*x.shape[:-2], *windows["out"].tolist()), x.dtype)
        self.device.launch("pooling", "avg_pool", (x.dtype, adaptive), out.size, x, out, out.size, windows)
        return out

    def _averages_backward(self, g: Array, shape: Sizes, adaptive: bool, windows: Any) -> Array:
        g, gx = self._contiguous(g), self.cp.empty(shape, g.dtype)
        self.device.launch("pooling", "avg_pool_backward", (g.dtype, adaptive), gx.size, g, gx, gx.size, windows)
        return gx


def _windows(size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool) -> Any:
    out = window_counts(size, kernel, stride, padding, dilation, ceil_mode)
    return np.array((size, out, kernel, stride, padding, dilation, 0, 0), _WINDOWS)[()]


def _avg_windows(
    size: Sizes,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    windows = _windows(size, kernel, stride, padding, (1, 1), ceil_mode)
    windows["count_padding"], windows["divisor"] = count_include_pad, divisor_override or 0
    return windows


def _adaptive(size: Sizes, out: Sizes) -> Any:
    ones = (1, 1)
    return np.array((size, out, ones, ones, (0, 0), ones, 0, 0), _WINDOWS)[()]


def _planes(out: Sizes, size: Sizes) -> tuple[int, int]:
    """How many elements a plane of the result and one of the input have."""
    return prod(out[-2:]), prod(size[-2:])


def _plane_check(device: DeviceSession, size: Sizes) -> tuple[Array, np.int64]:
    return device.fault, device.check("max_pool2d", "indices", 0, prod(size[-2:]))
