"""Element by element: exponentials, logarithms, trigonometry, the error function."""

from __future__ import annotations

from functools import partial

from telegrad_protocol.rules import elementwise
from telegrad_protocol.spec import Number, Tensor, op

from ._unary import declare_unary

unary = partial(declare_unary, __name__)


unary("exp", "e to the power of `input`.", autocast="float32")
unary("exp2", "2 to the power of `input`.")
unary("expm1", "e to the power of `input`, minus 1, exact near 0.", autocast="float32")
unary("log", "The natural logarithm of `input`; `-inf` at 0, `nan` below.", autocast="float32")
unary("log2", "The base-2 logarithm of `input`.", autocast="float32")
unary("log10", "The base-10 logarithm of `input`.", autocast="float32")
unary("log1p", "The natural logarithm of 1 + `input`, exact near 0.", autocast="float32")
unary("sin", "The sine of `input`, in radians.")
unary("cos", "The cosine of `input`, in radians.")
unary("tan", "The tangent of `input`, in radians.", autocast="float32")
unary("asin", "The inverse sine.", autocast="float32", second_names="arcsin")
unary("acos", "The inverse cosine.", autocast="float32", second_names="arccos")
unary("atan", "The inverse tangent.", second_names="arctan")
unary("sinh", "The hyperbolic sine.", autocast="float32")
unary("cosh", "The hyperbolic cosine.", autocast="float32")
unary("tanh", "The hyperbolic tangent.")
unary("erf", "The error function.")


@op(elementwise("float"), inplace=True)
def xlogy(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input log(other), and 0 where `input` is 0."""


@op(elementwise("float"))
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow."""
