"""`torch.linalg`."""

from __future__ import annotations

from typing import Any

from . import _ops
from ._ops import FUNCTIONS

globals().update(_ops.on("linalg"))


def norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None
) -> Any:
    """The vector norm of all elements, or along `dim`."""
    dim = dim if axis is None else axis
    if isinstance(ord, str):
        if ord != "fro":
            raise NotImplementedError(f"linalg.norm: the order {ord!r} is not supported")
        ord = 2
    return FUNCTIONS["vector_norm"](A, 2.0 if ord is None else float(ord), dim, keepdim, dtype=dtype)


__all__ = sorted({*_ops.on("linalg"), "norm"})
