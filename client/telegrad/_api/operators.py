"""Python's operators on tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from telegrad._tensor import Tensor
from telegrad._tracing.arguments import may_stand
from telegrad._tracing.binders import binder, record_inplace
from telegrad._tracing.frames import hide_frames
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.record import record
from telegrad_protocol.errors import OpTypeError
from telegrad_protocol.spec import OPS, OpSpec

from . import host_tensors
from .deferred_numbers import DeferredNumber
from .functions import FUNCTIONS

BINARY: Final = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
COMPARE: Final = ("eq", "ne", "lt", "le", "gt", "ge")
UNARY: Final = {"neg": "neg", "abs": "abs"}


def attach() -> None:
    """Give `Tensor` Python's operators."""
    for dunder, name in BINARY.items():
        if name not in FUNCTIONS:
            continue
        function = binder(OPS[name], general=record_operator, operator=True)
        setattr(Tensor, f"__{dunder}__", function)
        setattr(Tensor, f"__r{dunder}__", _reflected(FUNCTIONS[name], name))
        if OPS[name].inplace:
            setattr(Tensor, f"__i{dunder}__", operator(record_inplace(OPS[name])))
    for name in COMPARE:
        if name in FUNCTIONS:
            setattr(Tensor, f"__{name}__", binder(OPS[name], general=record_operator, operator=True))
    setattr(Tensor, "__invert__", _invert)  # noqa: B010  # type checkers have it from the stub
    for dunder, name in UNARY.items():
        if name in FUNCTIONS:
            setattr(Tensor, f"__{dunder}__", FUNCTIONS[name])


def _invert(self: Tensor) -> Tensor:
    """The bits flipped; for booleans, not."""
    try:
        if self._meta.dtype.is_floating_point:
            raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
        return FUNCTIONS["bitwise_not"](self)  # type: ignore[no-any-return]
    except BaseException as problem:
        hide_frames(problem)
        raise


def _reflected(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    if name in ("add", "mul", "bitwise_and", "bitwise_or", "bitwise_xor"):
        return operator(function, arrays=True)  # the same either way, and a tensor comes first

    def apply(self: Any, other: Any) -> Any:
        self, other = host_tensors.beside(self, other)
        if isinstance(other, Tensor):
            return function(other, self)
        if not isinstance(other, bool | int | float):
            return NotImplemented
        try:
            return function(_as_operand(self, other, name), self)
        except BaseException as problem:
            hide_frames(problem)
            raise

    return apply


def _as_operand(self: Any, number: bool | int | float, name: str) -> Any:
    """A number on the left of an operator whose declaration has a tensor first."""
    if OPS[name].params[0].kind.takes_numbers:
        return number
    return FUNCTIONS["full"]((), number, dtype=None)


def record_operator(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """As `record`, for an operator: operands of a foreign type are left to the other side, but for NumPy's."""
    if isinstance(args[1], np.ndarray):
        args = (*host_tensors.beside(args[0], args[1]), *args[2:])
    try:
        return record(spec, args)
    except OpTypeError:
        if may_stand(spec, args):
            raise
        return NotImplemented


def operator(function: Callable[..., Any], *, arrays: bool = False) -> Callable[..., Any]:
    """A binary function as an operator: operands that it does not take are left to the other side.

    Deferred numbers and NumPy's are taken, and, if said, its arrays.
    """

    def apply(self: Any, other: Any) -> Any:
        try:
            if isinstance(other, np.generic | DeferredNumber) or (arrays and isinstance(other, np.ndarray)):
                self, other = host_tensors.beside(self, other)
            return function(self, other) if isinstance(other, TensorBase | bool | int | float) else NotImplemented
        except BaseException as problem:
            hide_frames(problem)
            raise

    return apply
