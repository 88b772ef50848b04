"""The NumPy backend's optimizer updates, over the fused kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_server import fused

Array = np.ndarray
Arrays = list[Any]


class OptimPrimitives:
    """One step of many parameters, in place. Lists have an entry per parameter; a state has its parameter's dtype."""

    def sgd_update(
        self,
        params: Arrays,
        grads: Arrays,
        buffers: Arrays | None,
        fresh: list[bool],
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> None:
        """`p -= lr * (g + weight_decay * p)`, with momentum in a buffer, which is started where it is `fresh`."""
        columns = (params,) if buffers is None else (params, buffers)
        for g, first, *held in zip(grads, fresh, *columns, strict=True):
            p, *rest = written = [_writable(array) for array in held]
            options = (lr, momentum, dampening, weight_decay, nesterov, maximize, first)
            fused.optim.sgd_update(p, _like(g, p), rest[0] if rest else None, *options)
            self._write_back(held, written)

    def adam_update(
        self,
        params: Arrays,
        grads: Arrays,
        counts: Arrays,
        firsts: Arrays,
        seconds: Arrays,
        largest: Arrays | None,
        lr: float,
        b1: float,
        b2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        """Adam's next step, which each of `counts`, float32 numbers, counts; with AMSGrad where there are `largest`."""
        columns = (params, counts, firsts, seconds) if largest is None else (params, counts, firsts, seconds, largest)
        for g, *held in zip(grads, *columns, strict=True):
            p, count, m, v, *most = written = [_writable(array) for array in held]
            count += 1
            vmax, step = most[0] if most else None, float(count)
            options = (lr, b1, b2, eps, weight_decay, decoupled, maximize)
            fused.optim.adam_update(p, _like(g, p), m, v, vmax, step, *options)
            self._write_back(held, written)

    def _write_back(self, held: Arrays, written: Arrays) -> None:
        for target, array in zip(held, written, strict=True):
            if array is not target:
                self.assign(target, array)  # type: ignore[attr-defined]


def _writable(array: Array) -> Array:
    """The array itself if the kernels can write it in place, else a contiguous copy in float32 or float64."""
    if array.dtype in (np.float32, np.float64) and array.flags.c_contiguous and array.flags.writeable:
        return array
    wide = np.float64 if array.dtype == np.float64 else np.float32
    return np.array(array, wide, order="C")


def _like(g: Any, p: Array) -> Array:
    return np.ascontiguousarray(g, p.dtype).reshape(p.shape)
