"""Element by element: arithmetic, comparison, logic, exponentials, trigonometry, rounding."""

from __future__ import annotations

from telegrad_protocol.rules import elementwise
from telegrad_protocol.spec import Number, Tensor, op


@op(elementwise(), inplace=True)
def add(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Adds `other`, scaled by `alpha`, to `input`."""


@op(elementwise(), inplace=True)
def sub(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Subtracts `other`, scaled by `alpha`, from `input`."""


@op(elementwise(), inplace=True)
def mul(input: Tensor, other: Tensor | Number) -> Tensor:
    """Multiplies `input` by `other`."""


@op(elementwise(), inplace=True)
def neg(input: Tensor) -> Tensor:
    """Negates `input`."""


@op(elementwise("float"), inplace=True)
def exp(input: Tensor) -> Tensor:
    """Raises e to the power of `input`."""


@op(elementwise("float"), inplace=True)
def log(input: Tensor) -> Tensor:
    """The natural logarithm of `input`; `-inf` at 0, `nan` below."""


@op(elementwise(), on="torch tensor functional", inplace=True)
def relu(input: Tensor) -> Tensor:
    """The positive part of `input`: max(0, input)."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def eq(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` equals `other`."""
