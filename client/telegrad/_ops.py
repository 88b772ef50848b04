"""Every declared op as a function, and as a method and operator of `Tensor` where PyTorch has it as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from telegrad_protocol.kinds import Role
from telegrad_protocol.spec import OPS, OpSpec

from . import _host
from ._frames import hide_frames
from ._record import binder, operator, record_inplace
from ._tensor import Tensor

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {name: binder(spec) for name, spec in OPS.items() if not spec.control}
"""The declared ops by name; overloads and composites are in `functional` and `_composites`."""


def on(place: str) -> dict[str, Callable[..., Any]]:
    """The functions that PyTorch has in a namespace: "torch", "functional", "linalg", ..."""
    return {name: FUNCTIONS[name] for name, spec in OPS.items() if place in spec.on}


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose sizes may be given one by one: `x.view(2, 3)` as `x.view((2, 3))`."""

    def method(self: Any, *sizes: Any, **keywords: Any) -> Any:
        try:
            if not sizes:
                return function(self, **keywords)
            return function(self, sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes, **keywords)
        except BaseException as problem:
            hide_frames(problem)
            raise

    method.__name__ = function.__name__
    method.__doc__ = function.__doc__
    return method


def takes_sizes(spec: OpSpec) -> bool:
    """Whether the method takes its sizes one by one too."""
    kind = spec.params[-1].kind
    return len(spec.params) == 2 and kind.role is Role.SIZE and not kind.optional


def _method(spec: OpSpec) -> Callable[..., Any]:
    return _spread(FUNCTIONS[spec.name]) if takes_sizes(spec) else FUNCTIONS[spec.name]


def attach_methods() -> None:
    """Give `Tensor` its methods."""
    for name, spec in OPS.items():
        if "tensor" in spec.on:
            if not hasattr(Tensor, name) or name in ("detach",):
                setattr(Tensor, name, _method(spec))
            if spec.inplace:
                setattr(Tensor, f"{name}_", record_inplace(spec))


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


def attach_operators() -> None:
    """Give `Tensor` Python's operators."""
    for dunder, name in BINARY.items():
        if name not in FUNCTIONS:
            continue
        function = binder(OPS[name], operator=True)
        setattr(Tensor, f"__{dunder}__", function)
        setattr(Tensor, f"__r{dunder}__", _reflected(FUNCTIONS[name], name))
        if OPS[name].inplace:
            setattr(Tensor, f"__i{dunder}__", operator(record_inplace(OPS[name])))
    for name in COMPARE:
        if name in FUNCTIONS:
            setattr(Tensor, f"__{name}__", binder(OPS[name], operator=True))
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
        self, other = _host.beside(self, other)
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


attach_methods()
attach_operators()
