"""Cross entropy on the CPU, over compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpIndexError

from .jit import loss as jit
from .mixin import NumpyMixin, widened

Array = np.ndarray


class Loss(NumpyMixin):
    """See `Primitives`."""

    @widened
    def cross_entropy(
        self, logits: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float
    ) -> tuple[Array, Array]:
        target = target.astype(np.int64, copy=False)
        try:
            return jit.cross_entropy_forward(logits, target, weight, ignore_index, smoothing)
        except IndexError as error:
            raise OpIndexError(str(error), argument="target", expected=f"[0, {logits.shape[1]})") from None

    @widened
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
        target = target.astype(np.int64, copy=False)
        return jit.cross_entropy_backward(g, logits, saved, target, weight, ignore_index, smoothing)

    def checked_targets(self, target: Array, classes: int, ignore_index: int) -> Array:
        ignored = target == ignore_index
        bad = ((target < 0) | (target >= classes)) & ~ignored
        if bad.any():
            first = target.reshape(-1)[bad.reshape(-1).argmax()]
            raise OpIndexError(f"Target {first} is out of bounds.", argument="target", expected=f"[0, {classes})")
        return np.where(ignored, 0, target).astype(np.int64)

    def class_norm(self, target: Array, weight: Array | None, ignore_index: int, dtype: DType) -> Any:
        used = target != ignore_index
        total = used.sum() if weight is None else np.where(used, weight[np.where(used, target, 0)], 0).sum()
        return np.asarray(total, dtype=self.dtype(dtype))
