"""Arithmetic on small integer tensors that are on the host, by NumPy."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from telegrad_protocol.dtypes import INT, int64
from telegrad_protocol.shapes import Meta, contiguous

from .proxy import TensorBase

ARITHMETIC: Final[dict[str, Callable[..., Any]]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
}
COMPARISONS: Final[dict[str, Callable[..., Any]]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
DIVISIONS: Final = frozenset(["floor_divide", "remainder"])
_EITHER: Final = {**ARITHMETIC, **COMPARISONS}
_INDEX: Final = contiguous((), int64)
_OF_INDEX: Final[dict[str, Callable[[int, int], int]]] = {"add": operator.add, "sub": operator.sub}


def with_number(name: str, meta: Meta, result: TensorBase, args: tuple[Any, ...]) -> bool:
    """Give the result of a host tensor and a Python integer its values; False leaves the call to the general path."""
    tensor, number = args[0], args[1]
    if number.__class__ is not int or tensor._id or (len(args) > 2 and args[2] != 1):
        return False
    dtype = tensor._meta.dtype
    if dtype.category != INT or not (meta.dtype is dtype or name in COMPARISONS):
        return False
    if not (0 <= number <= 127 or (dtype is int64 and -(1 << 63) <= number < 1 << 63)):
        return False
    if name in DIVISIONS and not divides(number):
        return False
    result._host = _computed(name, tensor._host, number, of_index=meta is _INDEX)
    return True


def _computed(name: str, array: np.ndarray, number: int, *, of_index: bool) -> np.ndarray:
    """An array and a number; sums of a single index are Python's, five times as fast, unless they need more than 64 bits."""
    if of_index and name in _OF_INDEX:
        found = _OF_INDEX[name](array.item(), number)
        if -(1 << 63) <= found < 1 << 63:
            return np.array(found)
    return np.asarray(_EITHER[name](array, number))


def divides(number: int) -> bool:
    """Whether division by a number neither fails nor overflows."""
    return number not in (0, -1)
