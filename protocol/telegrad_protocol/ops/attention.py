"""Scaled dot-product attention."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpValueError, ShapeError
from telegrad_protocol.rules import need_floating
from telegrad_protocol.shapes import Meta, broadcast, like
from telegrad_protocol.spec import Checked, Generator, Tensor, op

from .matmul import mismatch


def _check(query: Meta, key: Meta, value: Meta) -> None:
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype is key.dtype is value.dtype:
        raise ShapeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype.name} key.dtype: {key.dtype.name} and value.dtype: {value.dtype.name} instead."
        )
    need_floating(query, "query", "expected scalar type Float but found {}")
    if key.shape[-1] != query.shape[-1]:
        raise mismatch(query.shape, (*key.shape[:-2], key.shape[-1], key.shape[-2]))
    if value.shape[-2] != key.shape[-2]:
        raise mismatch((*query.shape[:-1], key.shape[-2]), value.shape)


def _check_mask(query: Meta, mask: Meta | None, is_causal: bool) -> None:
    if mask is None:
        return
    if is_causal:
        raise ShapeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True",
            argument="attn_mask",
        )
    if mask.dtype not in (dtypes.bool_, query.dtype):
        raise ShapeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype.name} and  query.dtype: {query.dtype.name} instead.",
            argument="attn_mask",
            expected=f"bool or {query.dtype.name}",
            got=mask.dtype.name,
        )


def _shape(query: Meta, key: Meta, value: Meta, mask: Meta | None) -> tuple[int, ...]:
    scores = (*broadcast((query.shape[:-2], key.shape[:-2])), query.shape[-2], key.shape[-2])
    if mask is not None and broadcast((scores, mask.shape)) != scores:
        raise ShapeError(
            f"attn_mask {list(mask.shape)} does not broadcast to the scores' shape {list(scores)}",
            argument="attn_mask",
            expected=list(scores),
            got=list(mask.shape),
        )
    return (*broadcast((scores[:-2], value.shape[:-2])), query.shape[-2], value.shape[-1])


def _attended(query: Meta, key: Meta, value: Meta, mask: Meta | None, is_causal: bool, scale: float | None) -> Meta:
    _check(query, key, value)
    _check_mask(query, mask, is_causal)
    return like(query, shape=_shape(query, key, value, mask))


@op(_attended, on="", inner=True, autocast="low")
def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, is_causal: bool, scale: float
) -> Tensor:
    """`scaled_dot_product_attention` without dropout, with equally many heads."""


def _sdpa(
    query: Meta,
    key: Meta,
    value: Meta,
    mask: Meta | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
    generator: object,
) -> Meta:
    _check(query, key, value)
    _check_mask(query, mask, is_causal)
    if not 0 <= dropout_p <= 1:
        raise OpValueError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    if enable_gqa:
        key, value = (_repeated(query, x) for x in (key, value))
    return like(query, shape=_shape(query, key, value, mask))


def _repeated(query: Meta, shared: Meta) -> Meta:
    """Keys or values with as many heads as there are queries' heads."""
    fits = query.ndim >= 3 and shared.ndim == query.ndim and shared.shape[-3] > 0
    if not fits or query.shape[-3] % shared.shape[-3]:
        raise ShapeError("Number of heads in key and value must divide the number of heads in query")
    return like(shared, shape=(*shared.shape[:-3], query.shape[-3], *shared.shape[-2:]))


@op(_sdpa, on="functional", autocast="low")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: Checked = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """softmax(query @ keyᵀ * scale + mask) @ value.

    Query `(..., L, E)`, key `(..., S, E)`, value `(..., S, V)` give `(..., L, V)`. `attn_mask` broadcasts to
    `(..., L, S)`: True where a query attends, or numbers to add. With `is_causal`, query i attends to keys 0..i.
    `scale` is 1/√E by default; `enable_gqa` lets several heads of queries share a head of keys and values.
    """
