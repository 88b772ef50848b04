"""Exponentials, logarithms, trigonometry, the error function."""

from __future__ import annotations

from telegrad_protocol.rules import elementwise
from telegrad_protocol.spec import Number, Tensor, op


@op(elementwise("float"), inplace=True)
def exp(input: Tensor) -> Tensor:
    """e to the power of `input`."""


@op(elementwise("float"), inplace=True)
def exp2(input: Tensor) -> Tensor:
    """2 to the power of `input`."""


@op(elementwise("float"), inplace=True)
def expm1(input: Tensor) -> Tensor:
    """e to the power of `input`, minus 1, exact near 0."""


@op(elementwise("float"), inplace=True)
def log(input: Tensor) -> Tensor:
    """The natural logarithm of `input`; `-inf` at 0, `nan` below."""


@op(elementwise("float"), inplace=True)
def log2(input: Tensor) -> Tensor:
    """The base-2 logarithm of `input`."""


@op(elementwise("float"), inplace=True)
def log10(input: Tensor) -> Tensor:
    """The base-10 logarithm of `input`."""


@op(elementwise("float"), inplace=True)
def log1p(input: Tensor) -> Tensor:
    """The natural logarithm of 1 + `input`, exact near 0."""


@op(elementwise("float"), inplace=True)
def sin(input: Tensor) -> Tensor:
    """The sine of `input`, in radians."""


@op(elementwise("float"), inplace=True)
def cos(input: Tensor) -> Tensor:
    """The cosine of `input`, in radians."""


@op(elementwise("float"), inplace=True)
def tan(input: Tensor) -> Tensor:
    """The tangent of `input`, in radians."""


@op(elementwise("float"), inplace=True)
def asin(input: Tensor) -> Tensor:
    """The inverse sine."""


@op(elementwise("float"), inplace=True)
def acos(input: Tensor) -> Tensor:
    """The inverse cosine."""


@op(elementwise("float"), inplace=True)
def atan(input: Tensor) -> Tensor:
    """The inverse tangent."""


@op(elementwise("float"), inplace=True)
def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine."""


@op(elementwise("float"), inplace=True)
def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine."""


@op(elementwise("float"), inplace=True)
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""


@op(elementwise("float"), inplace=True)
def erf(input: Tensor) -> Tensor:
    """The error function."""


@op(elementwise("float"), inplace=True)
def xlogy(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input log(other), and 0 where `input` is 0."""


@op(elementwise("float"))
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow."""
