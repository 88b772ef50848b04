"""The softmax inside attention: scaled, cut off behind each query where attention is causal, and done in place.

Arrays are C-contiguous `(rows, keys)` in float32 or float64. Row i belongs to query `i % queries`, which a causal
attention lets see the keys 0..i. A row that sees nothing attends to nothing: its weights are 0.
"""

from __future__ import annotations

import numpy as np

from ._jit import share, summing
from ._math import exp, maximum


@summing
def _weights(lo, hi, scores, scale, queries, causal):
    real = scores.dtype.type
    for i in range(lo, hi):
        seen = min(scores.shape[1], i % queries + 1) if causal else scores.shape[1]
        row, top, total = scores[i, :seen], -real(np.inf), real(0)
        for j in range(seen):
            row[j] *= real(scale)
            top = maximum(top, row[j])
        if top == -real(np.inf):
            scores[i] = 0
            continue
        for j in range(seen):
            row[j] = exp(row[j] - top)
            total += row[j]
        share_of = real(1) / total
        for j in range(seen):
            row[j] *= share_of
        scores[i, seen:] = 0


def attention_weights(scores: np.ndarray, scale: float, queries: int, causal: bool) -> np.ndarray:
    """Turn `scores` into the softmax of `scale * scores`, in place."""
    share(_weights, len(scores), scores.size, scores, float(scale), queries, causal)
    return scores


@summing
def _weights_backward(lo, hi, g, weights, scale, queries, causal):
    real = g.dtype.type
    for i in range(lo, hi):
        seen = min(g.shape[1], i % queries + 1) if causal else g.shape[1]
        up, row, total = g[i, :seen], weights[i, :seen], real(0)
        for j in range(seen):
            total += up[j] * row[j]
        for j in range(seen):
            up[j] = row[j] * (up[j] - total) * real(scale)
        g[i, seen:] = 0


def attention_weights_backward(
    g: np.ndarray, weights: np.ndarray, scale: float, queries: int, causal: bool
) -> np.ndarray:
    """Turn `g`, the gradient of `attention_weights`' result, into that of its scores, in place."""
    share(_weights_backward, len(g), g.size, g, weights, float(scale), queries, causal)
    return g
