"""Scaled dot-product attention."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes

from ._shared import dtype_of
from .matmul import mirrored
from .registry import decomposition


@decomposition
def scaled_dot_product_attention(f, query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, generator):
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    if enable_gqa:
        key, value = (_repeated(f, x, query.shape[-3]) for x in (key, value))
    if dropout_p == 0:
        return f._attention(query, key, value, attn_mask, is_causal, scale)
    weights = _weights(f, query, key, attn_mask, is_causal, scale)
    return f.matmul(f.dropout(weights, dropout_p, True, generator=generator), value)


def _repeated(f, x, heads):
    """Each head repeated for the heads of queries that share it."""
    *batch, own, length, width = x.shape
    times = heads // own
    wide = f.expand(f.reshape(x, (*batch, own, 1, length, width)), (*batch, own, times, length, width))
    return f.reshape(wide, (*batch, heads, length, width))


def _weights(f, query, key, attn_mask, is_causal, scale):
    scores = f.mul(f.matmul(query, mirrored(f, key)), scale)
    if is_causal:
        seen = f.tril(f.ones(scores.shape[-2:], dtype=dtypes.bool_))
        scores = f.where(seen, scores, -math.inf)
    elif attn_mask is not None and dtype_of(f, attn_mask) is dtypes.bool_:
        scores = f.where(attn_mask, scores, -math.inf)
    elif attn_mask is not None:
        scores = f.add(scores, attn_mask)
    # A query whose keys are all masked gives zeros.
    blind = f.eq(f.amax(scores, (-1,), True), -math.inf)
    return f.masked_fill(f.softmax(f.masked_fill(scores, blind, 0.0), -1), blind, 0.0)


@decomposition
def _attention(f, query, key, value, attn_mask, is_causal, scale):
    return f.matmul(_weights(f, query, key, attn_mask, is_causal, scale), value)


@_attention.forward
def _(xp, query, key, value, attn_mask, is_causal, scale):
    scores = xp.matmul(query, xp.swapaxes(key, -2, -1))
    factor = scale
    if attn_mask is not None:
        scores, factor = xp.masked_scores(scores, scale, attn_mask), 1.0
    weights = xp.attention_weights(scores, factor, is_causal)
    return xp.matmul(weights, value), weights


@_attention.backward
def _(xp, g, needs, aux, query, key, value, attn_mask_meta, is_causal, scale):
    gq = gk = gm = None
    gv = xp.matmul(xp.swapaxes(aux, -2, -1), g) if needs[2] else None
    if any((needs[0], needs[1], needs[3])):
        factor = 1.0 if needs[3] else scale
        gs = xp.matmul(g, xp.swapaxes(value, -2, -1))
        weights = aux if aux.shape == gs.shape else xp.broadcast_to(aux, gs.shape)  # values may have more batches
        gs = xp.attention_weights_backward(gs, weights, factor, is_causal)
        if needs[3]:
            gm, gs = gs, xp.multiply(gs, scale)
        gq = xp.matmul(gs, key) if needs[0] else None
        gk = xp.matmul(xp.swapaxes(gs, -2, -1), query) if needs[1] else None
    return gq, gk, gv, gm
