"""Reductions whose overloads differ in what they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from telegrad._api.functions import FUNCTIONS as F
from telegrad._api.signatures import Extremum, Middle, Number, Sizes, Spread
from telegrad._tensor import Tensor
from telegrad._tracing.proxy import TensorBase
from telegrad_protocol.dtypes import DType
from telegrad_protocol.spec import OPS

from .arguments import either


def _extremum(name: str) -> Extremum:
    full, pair, along = F[f"a{name}"], F[f"{name}imum"], F[f"_{name}_dim"]

    def function(
        input: Tensor,
        dim: Any = None,
        keepdim: bool = False,
        *,
        other: Any = None,
        axis: Any = None,
        keepdims: Any = None,
    ) -> Any:
        dim, keepdim = either(dim, axis), either(keepdim, keepdims)
        if isinstance(dim, TensorBase) or other is not None:
            return pair(input, dim if other is None else other)
        if dim is not None:
            return along(input, dim, keepdim)
        if isinstance(input, TensorBase) and not input._meta.numel:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
                "the 'dim' argument."
            )
        return full(input)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"`{name}(input)`: the {name}imum of all elements. `{name}(input, dim)`: values and indices along a dimension. "
        f"`{name}(input, other)`: the {name}imum, element by element."
    )
    return function  # type: ignore[return-value]  # one function for all its forms


max = _extremum("max")


min = _extremum("min")


def _spread_of(name: str) -> Spread:
    function = F[name]

    def measure(
        input: Tensor,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: bool = False,
        *,
        correction: Any = None,
        axis: Any = None,
        keepdims: Any = None,
    ) -> Any:
        dim, keepdim = either(dim, axis), either(keepdim, keepdims)
        if isinstance(dim, bool):  # the overload std(unbiased)
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        return function(input, dim, correction=correction, keepdim=keepdim)

    measure.__name__ = measure.__qualname__ = name
    measure.__doc__ = OPS[name].doc
    return measure  # type: ignore[return-value]  # one function for both its forms


std = _spread_of("std")


var = _spread_of("var")


def std_mean(
    input: Tensor,
    dim: Sizes | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean."""
    return std(input, dim, unbiased, keepdim, correction=correction), F["mean"](input, dim, keepdim)


def var_mean(
    input: Tensor,
    dim: Sizes | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean."""
    return var(input, dim, unbiased, keepdim, correction=correction), F["mean"](input, dim, keepdim)


def norm(
    input: Tensor,
    p: float | Literal["fro"] | None = "fro",
    dim: Sizes | None = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Tensor:
    """The vector norm of all elements, or along `dim`; "fro" is the 2-norm."""
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
    order = 2.0 if p in ("fro", None) else float(p)
    return F["vector_norm"](input, order, dim, keepdim, dtype=dtype)


class AMinMax(NamedTuple):
    """The smallest and the largest value."""

    min: Tensor
    max: Tensor


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> AMinMax:
    """The smallest and the largest value."""
    if dim is None and not input.numel():
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    return AMinMax(F["amin"](input, dim, keepdim), F["amax"](input, dim, keepdim))


def _median(name: str) -> Middle:
    full, along = F[name], F[f"_{name}_dim"]

    def function(
        input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None
    ) -> Any:
        dim, keepdim = either(dim, axis), either(keepdim, keepdims)
        return full(input) if dim is None else along(input, dim, keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The middle value, the lower of two; along a dimension, values and indices."
    return function


median = _median("median")


nanmedian = _median("nanmedian")


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "median": median,
    "nanmedian": nanmedian,
    "max": max,
    "min": min,
    "std": std,
    "var": var,
    "norm": norm,
    "aminmax": aminmax,
}
