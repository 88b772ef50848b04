"""Attention on the CPU, over compiled kernels."""

from __future__ import annotations

import numpy as np

from .jit import attention as jit
from .mixin import NumpyMixin, rows_of, widened

Array = np.ndarray


class Attention(NumpyMixin):
    """See `Primitives`."""

    def masked_scores(self, scores: Array, scale: float, mask: Array) -> Array:
        if mask.dtype == bool:
            return np.where(mask, np.multiply(scores, scale), scores.dtype.type(-np.inf))
        return np.add(np.multiply(scores, scale), mask)

    @widened
    def attention_weights(self, scores: Array, scale: float, causal: bool) -> Array:
        jit.attention_weights(rows_of(scores), scale, scores.shape[-2], causal)
        return scores

    @widened
    def attention_weights_backward(self, g: Array, weights: Array, scale: float, causal: bool) -> Array:
        jit.attention_weights_backward(rows_of(g), rows_of(weights), scale, g.shape[-2], causal)
        return g
