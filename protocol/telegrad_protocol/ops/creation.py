"""Tensors from nothing: zeros, ones, ranges."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import Meta, contiguous
from telegrad_protocol.spec import Size, Tensor, op


def _filled(size: tuple[int, ...], dtype: DType | None) -> Meta:
    return contiguous(size, dtype or dtypes.float32)


@op(_filled, on="torch", differentiable=False)
def zeros(size: Size, *, dtype: DType | None = None) -> Tensor:
    """A tensor of zeros."""


@op(_filled, on="torch", differentiable=False)
def ones(size: Size, *, dtype: DType | None = None) -> Tensor:
    """A tensor of ones."""
