"""Pooling on the CPU, over compiled kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_protocol.errors import OpIndexError

from .jit import pooling as jit
from .mixin import NumpyMixin, widened

Array = np.ndarray
Sizes = tuple[int, ...]


class Pooling(NumpyMixin):
    """See `Primitives`."""

    @widened
    def max_pool2d(self, x: Array, *windows: Any) -> tuple[Array, Array]:
        return jit.max_pool2d_forward(x, *windows)

    @widened
    def adaptive_max_pool2d(self, x: Array, size: Sizes) -> tuple[Array, Array]:
        return jit.adaptive_max_pool2d_forward(x, size)

    @widened
    def max_pool2d_backward(self, g: Array, indices: Array, shape: Sizes) -> Array:
        try:
            return jit.max_pool2d_backward(g, indices, shape)
        except IndexError as error:
            raise OpIndexError(str(error), argument="indices") from None

    def take_from_planes(self, x: Array, indices: Array) -> Array:
        planes = x.reshape(*x.shape[:-2], math.prod(x.shape[-2:]))
        places = indices.reshape(*indices.shape[:-2], math.prod(indices.shape[-2:]))
        if places.size and not 0 <= places.min() <= places.max() < planes.shape[-1]:
            raise OpIndexError("an index of a maximum lies outside the input's plane", argument="indices")
        return np.take_along_axis(planes, places, -1).reshape(indices.shape)

    @widened
    def avg_pool2d(self, x: Array, *windows: Any) -> Array:
        return jit.avg_pool2d_forward(x, *windows)

    @widened
    def avg_pool2d_backward(self, g: Array, shape: Sizes, *windows: Any) -> Array:
        return jit.avg_pool2d_backward(g, shape, *windows)

    @widened
    def adaptive_avg_pool2d(self, x: Array, size: Sizes) -> Array:
        if tuple(size) == (1, 1):
            return np.mean(x, axis=(-2, -1), keepdims=True)
        return jit.adaptive_avg_pool2d_forward(x, size)

    @widened
    def adaptive_avg_pool2d_backward(self, g: Array, shape: Sizes) -> Array:
        if g.shape[-2:] == (1, 1):
            return np.ascontiguousarray(np.broadcast_to(g / (shape[-2] * shape[-1]), shape))
        return jit.adaptive_avg_pool2d_backward(g, shape)
