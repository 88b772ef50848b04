"""Sums of products."""

from __future__ import annotations

from collections.abc import Sequence

from telegrad._api.functions import FUNCTIONS as F
from telegrad._tensor import Tensor


def einsum(equation: str, *operands: Tensor | Sequence[Tensor]) -> Tensor:
    """Sums of products by Einstein's convention."""
    listed = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    return F["einsum"](equation, listed)


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """Sums products over the last `dims` dimensions of a and the first of b, or over dimensions given in pairs."""
    if isinstance(dims, int):
        return F["_tensordot"](a, b, tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims)))
    first, second = dims
    return F["_tensordot"](a, b, tuple(first), tuple(second))
