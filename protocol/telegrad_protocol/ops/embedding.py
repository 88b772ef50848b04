"""Rows of a table, selected by indices."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpAssertion, ShapeError, UnsupportedOp
from telegrad_protocol.rules import need_floating, need_index, need_shape
from telegrad_protocol.shapes import Meta, like
from telegrad_protocol.spec import Size, Tensor, op


def _check_table(table: Meta, name: str, padding_idx: int | None) -> None:
    if table.ndim != 2:
        raise ShapeError(f"'{name}' must be 2-D", argument=name, got=list(table.shape))
    if padding_idx is not None and not -table.shape[0] <= padding_idx < table.shape[0]:
        raise OpAssertion("Padding_idx must be within num_embeddings", argument="padding_idx", got=padding_idx)


def _embedding(
    input: Meta,
    weight: Meta,
    padding_idx: int | None,
    max_norm: float | None,
    norm_type: float,
    scale_grad_by_freq: bool,
    sparse: bool,
) -> Meta:
    if input.dtype not in (dtypes.int64, dtypes.int32):
        raise ShapeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but "
            f"got {input.dtype.name} instead (while checking arguments for embedding)",
            argument="input",
            expected="int64 or int32",
            got=input.dtype.name,
        )
    _check_table(weight, "weight", padding_idx)
    for name, asked in (("max_norm", max_norm is not None), ("sparse", sparse)):
        if asked:
            raise UnsupportedOp(f"embedding: {name} is not supported", argument=name)
    return like(weight, shape=(*input.shape, weight.shape[1]))


@op(_embedding, on="functional")
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight (n, d)` at the indices `input`: `(*input.shape, d)`.

    Row `padding_idx` gets no gradient; `scale_grad_by_freq` divides a row's gradient by how often it is used.
    `max_norm` and `sparse` are refused. An index out of range raises IndexError.
    """


def _table(grad: Meta, input: Meta, size: tuple[int, ...], padding_idx: int | None, scale_grad_by_freq: bool) -> Meta:
    table = like(grad, shape=size)
    need_floating(grad, "grad")
    need_index(input, "input")
    _check_table(table, "size", padding_idx)
    need_shape(grad, (*input.shape, size[1]))
    return table


@op(_table, on="", inner=True)
def _embedding_backward(
    grad: Tensor, input: Tensor, size: Size, padding_idx: int | None, scale_grad_by_freq: bool
) -> Tensor:
    """The gradient of a table of shape `size`, from the gradient of the rows at `input`."""


def _rows(grad: Meta, input: Meta, padding_idx: int | None, scale_grad_by_freq: bool) -> Meta:
    need_floating(grad, "grad")
    need_index(input, "input")
    _check_table(grad, "grad", padding_idx)
    return like(grad, shape=(*input.shape, grad.shape[1]))


@op(_rows, on="", inner=True)
def _embedding_rows(grad: Tensor, input: Tensor, padding_idx: int | None, scale_grad_by_freq: bool) -> Tensor:
    """The rows of `grad (n, d)` at `input`, scaled as in `_embedding_backward`, whose transpose this is."""
