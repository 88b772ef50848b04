"""Functions and methods that are written here out of declared ops, by family: overloads, aliases, casts."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

from telegrad._tensor import Tensor
from telegrad_protocol.spec import OPS

from . import comparison, conversion, gather, joining, layout, matmul, properties, reduction

ALIASES: Final = {alias: name for name, spec in OPS.items() for alias in spec.second_names}
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
        if hasattr(Tensor, name):
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
