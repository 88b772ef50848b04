"""Order: sorting, the largest, running sums and products."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import reduction_dtype
from telegrad_protocol.shapes import Meta, like, wrap_dim
from telegrad_protocol.spec import Inferred, Tensor, op


def _ordered(input: Meta, *rest: object) -> Inferred:
    dim = next(value for value in rest if type(value) is int)
    wrap_dim(dim, input.ndim)
    return Inferred((like(input), like(input, dtype=dtypes.int64)))


@op(lambda input, dim, descending, stable: _ordered(input, dim), returns=("values", "indices"))
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> None:
    """The elements in order along a dimension, and where they were; equal ones keep their order."""


@op(lambda input, dim, descending, stable: _ordered(input, dim).metas[1], differentiable=False)
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """Where the elements in order along a dimension were."""


def _topk(input: Meta, k: int, dim: int, largest: bool, sorted: bool) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    size = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise ShapeError("selected index k out of range", argument="k", expected=f"[0, {size}]", got=k)
    shape = (*input.shape[:axis], k, *input.shape[axis + 1 :]) if input.ndim else ()
    return Inferred((like(input, shape=shape), like(input, shape=shape, dtype=dtypes.int64)))


@op(_topk, returns=("values", "indices"))
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> None:
    """The k largest (or smallest) elements along a dimension, in order, and where they were."""


def _running(input: Meta, dim: int, dtype: DType | None) -> Meta:
    wrap_dim(dim, input.ndim)
    return like(input, dtype=reduction_dtype(input, dtype))


@op(_running, inplace=True)
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running sums along a dimension."""


@op(_running, inplace=True)
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running products along a dimension."""
