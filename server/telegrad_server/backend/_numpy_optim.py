"""The NumPy backend's optimizer updates, over the fused kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_server import fused


class OptimPrimitives:
    """In-place updates of one parameter; arrays come from `updatable`."""

    def updatable(self, array: Any) -> Any:
        """The array itself if the kernels can write it in place, else a contiguous float32 copy."""
        if array.dtype in (np.float32, np.float64) and array.flags.c_contiguous and array.flags.writeable:
            return array
        return np.ascontiguousarray(array, np.float64 if array.dtype == np.float64 else np.float32).reshape(array.shape)

    def sgd_update(
        self,
        p: Any,
        g: Any,
        buffer: Any,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        first: bool,
    ) -> None:
        """`p -= lr * (g + weight_decay * p)`, with momentum in `buffer`, which `first` starts."""
        g = np.ascontiguousarray(g, p.dtype).reshape(p.shape)
        fused.optim.sgd_update(p, g, buffer, lr, momentum, dampening, weight_decay, nesterov, maximize, first)

    def adam_update(
        self,
        p: Any,
        g: Any,
        m: Any,
        v: Any,
        vmax: Any,
        step: int,
        lr: float,
        b1: float,
        b2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        """Adam's update number `step`, counted from 1."""
        g = np.ascontiguousarray(g, p.dtype).reshape(p.shape)
        fused.optim.adam_update(p, g, m, v, vmax, step, lr, b1, b2, eps, weight_decay, decoupled, maximize)
