"""Comparison of whole tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from telegrad._api.functions import FUNCTIONS as F
from telegrad._tensor import Tensor


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are the same."""
    return input.shape == other.shape and bool(F["all"](F["eq"](input, other)))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close: |input - other| <= atol + rtol * |other|."""
    return bool(F["all"](F["isclose"](input, other, rtol, atol, equal_nan)))


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "equal": equal,
    "allclose": allclose,
}
