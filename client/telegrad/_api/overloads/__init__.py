"""Functions and methods that are written here out of declared ops, by family: overloads, aliases, casts."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

from telegrad._api.functions import FUNCTIONS
from telegrad._tensor import Tensor

from . import comparison, conversion, gather, joining, layout, matmul, properties, reduction

ALIASES: Final = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "clip": "clamp",
    "divide": "div",
    "true_divide": "div",
    "fix": "trunc",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "moveaxis": "movedim",
    "multiply": "mul",
    "negative": "neg",
    "subtract": "sub",
    "swapdims": "transpose",
    "ger": "outer",
}
"""PyTorch's second names of declared ops."""

_WITH_METHODS: Final = (comparison, conversion, gather, joining, layout, properties, reduction)


def attach() -> None:
    """Give `Tensor` the methods that are written here."""
    for family in _WITH_METHODS:
        for name, function in family.METHODS.items():
            setattr(Tensor, name, function)
    for name, function in layout.PROPERTIES.items():
        setattr(Tensor, name, property(function))
    for alias, name in ALIASES.items():
        if name in FUNCTIONS and hasattr(Tensor, name):
            setattr(Tensor, alias, getattr(Tensor, name))
            if hasattr(Tensor, f"{name}_"):
                setattr(Tensor, f"{alias}_", getattr(Tensor, f"{name}_"))


TORCH: Final[dict[str, Any]] = {
    name: value
    for family in (comparison, gather, joining, layout, matmul, properties, reduction)
    for name, value in vars(family).items()
    if not name.startswith("_") and isinstance(value, FunctionType) and value.__module__ == family.__name__
}
"""The functions here that belong into the `torch` namespace."""
