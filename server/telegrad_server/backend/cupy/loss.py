"""Cross entropy on a CUDA device. The kernel that meets a class that does not exist reports it, and goes on with 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpIndexError

from .mixin import NULL, CupyMixin, or_null, threads_for, wide_dtype

Array = Any


class Loss(CupyMixin):
    """See `Primitives`."""

    def cross_entropy(
        self, logits: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float
    ) -> tuple[Array, Array]:
        logits, (rows, n) = self._contiguous(logits), logits.shape
        loss, saved = self.cp.empty(rows, logits.dtype), self.cp.empty((2, rows), wide_dtype(logits.dtype))
        classes = (self._int64(target), or_null(None if weight is None else self._contiguous(weight)))
        args = (logits, *classes, loss, saved, rows, n, ignore_index, float(smoothing), *self._target_check(n))
        self.device.launch_rows("loss", "cross_entropy", (logits.dtype,), rows, *args, threads=threads_for(n))
        return loss, saved

    def cross_entropy_backward(
        self,
        g: Array,
        logits: Array,
        saved: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        smoothing: float,
    ) -> Array:
        logits, (rows, n) = self._contiguous(logits), logits.shape
        gx = self.cp.empty(logits.shape, logits.dtype)
        classes = (self._int64(target), or_null(None if weight is None else self._contiguous(weight)))
        options = (rows, n, ignore_index, float(smoothing), *self._target_check(n))
        # One gradient that all rows share is read again for each of them.
        args = (g, g.strides[0] // g.itemsize, logits, saved, *classes, gx, *options)
        self.device.launch_rows("loss", "cross_entropy_backward", (logits.dtype,), rows, *args, threads=threads_for(n))
        return gx

    def checked_targets(self, target: Array, classes: int, ignore_index: int) -> Array:
        target, out = self._contiguous(target), self.cp.empty(target.shape, np.int64)
        args = (target, out, out.size, classes, ignore_index, *self._target_check(classes))
        self.device.launch("loss", "checked_targets", (target.dtype,), out.size, *args)
        return out

    def class_norm(self, target: Array, weight: Array | None, ignore_index: int, dtype: DType) -> Array:
        target, out = self._contiguous(target), self.cp.empty((), self.dtype(dtype))
        classes = 0 if weight is None else len(weight)
        weights = NULL if weight is None else self._contiguous(weight)
        args = (target, weights, out, target.size, classes, ignore_index)
        self.device.launch_rows("loss", "class_norm", (out.dtype, target.dtype), 1, *args)
        return out

    def _target_check(self, classes: int) -> tuple[Array, np.int64]:
        return self.device.fault, self.device.check_with(_no_class, classes)


def _no_class(index: int, classes: int) -> OpIndexError:
    message, op = f"Target {index} is out of bounds.", "cross_entropy"
    return OpIndexError(message, op=op, argument="target", expected=f"[0, {classes})", got=index)
