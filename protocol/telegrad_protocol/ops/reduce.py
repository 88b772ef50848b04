"""Reductions over dimensions."""

from __future__ import annotations

from telegrad_protocol.dtypes import DType
from telegrad_protocol.rules import reduce_dims, reduction_dtype
from telegrad_protocol.shapes import Meta
from telegrad_protocol.spec import Dims, Tensor, op


def _sum(input: Meta, dim: Dims, keepdim: bool, dtype: DType | None) -> Meta:
    return reduce_dims(input, dim, keepdim, reduction_dtype(input, dtype))


@op(_sum)
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum over `dim`, or over everything."""
