"""Attention on a CUDA device."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .mixin import CupyMixin, threads_for

Array = Any
# `Mask` of attention.cu.
_MASK = np.dtype([("sizes", np.int64, 4), ("steps", np.int64, 4)])


class Attention(CupyMixin):
    """See `Primitives`."""

    def masked_scores(self, scores: Array, scale: float, mask: Array) -> Array:
        scores, out = self._contiguous(scores), self.cp.empty(scores.shape, scores.dtype)
        shape = (1, 1, *scores.shape)[-max(4, scores.ndim) :]
        shape = (prod(shape[:-3]), *shape[-3:])
        seen = self.cp.broadcast_to(mask, scores.shape).reshape(shape)
        steps = [stride // seen.itemsize for stride in seen.strides]
        places = np.array((shape, steps), _MASK)[()]
        types = (scores.dtype, seen.dtype)
        self.device.launch(
            "attention", "masked_scores", types, out.size, scores, float(scale), seen, out, out.size, places
        )
        return out

    def attention_weights(self, scores: Array, scale: float, causal: bool) -> Array:
        return self._attend("attention_weights", self._contiguous(scores), (), scale, causal)

    def attention_weights_backward(self, g: Array, weights: Array, scale: float, causal: bool) -> Array:
        return self._attend(
            "attention_weights_backward", self._contiguous(g), (self._contiguous(weights),), scale, causal
        )

    def _attend(self, name: str, target: Array, others: tuple[Array, ...], scale: float, causal: bool) -> Array:
        *lead, queries, keys = target.shape
        rows = prod(lead) * queries
        args = (target, *others, rows, keys, float(scale), queries, causal)
        if keys:
            self.device.launch_rows("attention", name, (target.dtype,), rows, *args, threads=threads_for(keys))
        return target
