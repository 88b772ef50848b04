"""Rows of a table, selected by indices."""

from __future__ import annotations

from telegrad_protocol.errors import OpIndexError

from .registry import kernel, vjp


@kernel
def embedding(xp, input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse):
    return xp.embedding(weight, input)


vjp(
    embedding,
    weight=lambda f, g, input, weight_meta, padding_idx, scale_grad_by_freq: f._embedding_backward(
        g, input, weight_meta.shape, padding_idx, scale_grad_by_freq
    ),
)


@kernel
def _embedding_backward(xp, grad, input, size, padding_idx, scale_grad_by_freq):
    skipped = None if padding_idx is None else padding_idx % size[0]
    if scale_grad_by_freq:
        grad = xp.multiply(grad, _row_scale(xp, input, size[0], grad))
    return xp.embedding_backward(grad, input, size[0], skipped)


def _row_scale(xp, index, count, like):
    """Per index, 1 / the number of times that its row is used."""
    index = xp.check_index(index, 0, count, _no_row)
    return xp.cast(xp.divide(1.0, xp.embedding(xp.counts(index, count), index)), xp.meta_of(like).dtype)[..., None]


def _no_row(outside):
    return OpIndexError("index out of range in self", argument="input", got=outside)


@kernel
def _embedding_rows(xp, grad, input, padding_idx, scale_grad_by_freq):
    rows = xp.embedding(grad, input, None if padding_idx is None else padding_idx % grad.shape[0])
    return xp.multiply(rows, _row_scale(xp, input, grad.shape[0], grad)) if scale_grad_by_freq else rows


vjp(
    _embedding_backward,
    grad=lambda f, g, input, padding_idx, scale_grad_by_freq: f._embedding_rows(
        g, input, padding_idx, scale_grad_by_freq
    ),
)
vjp(
    _embedding_rows,
    grad=lambda f, g, grad_meta, input, padding_idx, scale_grad_by_freq: f._embedding_backward(
        g, input, grad_meta.shape, padding_idx, scale_grad_by_freq
    ),
)
