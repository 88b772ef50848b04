"""`torch.linalg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ._api import functions
from ._api.functions import FUNCTIONS

if TYPE_CHECKING:
    from telegrad_protocol.dtypes import DType

    from ._api.signatures import Sizes
    from ._tensor import Tensor

globals().update(functions.on("linalg"))


def norm(
    A: Tensor,
    ord: float | Literal["fro"] | None = None,
    dim: Sizes | None = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Sizes | None = None,
) -> Tensor:
    """The vector norm of all elements, or along `dim`."""
    dim = dim if axis is None else axis
    if isinstance(ord, str):
        if ord != "fro":
            raise NotImplementedError(f"linalg.norm: the order {ord!r} is not supported")
        ord = 2
    return FUNCTIONS["vector_norm"](A, 2.0 if ord is None else float(ord), dim, keepdim, dtype=dtype)


__all__ = sorted({*functions.on("linalg"), "norm"})
