"""Element by element: sums, products, quotients, powers, roots, rounding."""

from __future__ import annotations

from functools import partial
from typing import Final

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpError, OpValueError, ShapeError
from telegrad_protocol.rules import Elementwise, check_factor, elementwise, not_implemented
from telegrad_protocol.shapes import Meta, like
from telegrad_protocol.spec import Inferred, Number, Tensor, op

from ._unary import declare_unary

unary = partial(declare_unary, __name__)


def _negated(input: Meta) -> Meta:
    if input.dtype is dtypes.bool_:
        raise OpError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return like(input)


unary("neg", "Negates `input`.", _negated, second_names="negative")
unary("sqrt", "The square root of `input`.")
unary("rsqrt", "1 over the square root of `input`.", autocast="float32")
unary("square", "`input` times itself.", elementwise())
unary("reciprocal", "1 over `input`.", autocast="float32")
unary(
    "abs",
    "The absolute value of `input`.",
    elementwise(refuse=(dtypes.bool_,), kernel="abs_cpu"),
    second_names="absolute",
)
unary("floor", "The largest integer not above `input`.", elementwise())
unary("ceil", "The smallest integer not below `input`.", elementwise())
unary("trunc", "`input` without its fraction.", elementwise(), second_names="fix")
unary("sign", "-1, 0 or 1 by the sign of `input`.", elementwise())


_MOST_DECIMALS: Final = 400
"""More than any number has: beyond them PyTorch computes with infinities."""


def _rounded(input: Meta, decimals: int) -> Meta:
    if decimals and input.dtype.category != dtypes.FLOAT:
        raise not_implemented("round_cpu", input.dtype)
    if not -_MOST_DECIMALS <= decimals <= _MOST_DECIMALS:
        raise OpValueError(
            f"round: expected from {-_MOST_DECIMALS} to {_MOST_DECIMALS} decimals, got {decimals}", argument="decimals"
        )
    return like(input)


@op(_rounded, inplace=True)
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Rounds to the nearest number of that many decimals, halves to even."""


def _sum(input: Meta, other: Meta | Number, alpha: Number) -> Inferred:
    found = Elementwise()(input, other)
    check_factor(alpha, found.meta.dtype)
    return found


def _difference(input: Meta | Number, other: Meta | Number, alpha: Number) -> Inferred:
    bools = [isinstance(x, bool) or (isinstance(x, Meta) and x.dtype is dtypes.bool_) for x in (input, other)]
    if any(bools):
        which = "two bool tensors" if all(bools) else "a bool tensor"
        raise OpError(
            f"Subtraction, the `-` operator, with {which} is not supported. "
            + ("Use the `^` or `logical_xor()` operator instead." if all(bools) else "If you are trying to invert a ")
            + ("" if all(bools) else "mask, use the `~` or `logical_not()` operator instead.")
        )
    found = Elementwise()(input, other)
    check_factor(alpha, found.meta.dtype)
    return found


@op(_sum, inplace=True, elementwise=True)
def add(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Adds `other`, scaled by `alpha`, to `input`."""


@op(_difference, inplace=True, elementwise=True, second_names="subtract")
def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Subtracts `other`, scaled by `alpha`, from `input`."""


@op(elementwise(), inplace=True, second_names="multiply")
def mul(input: Tensor, other: Tensor | Number) -> Tensor:
    """Multiplies `input` by `other`."""


def _division(input: Meta | Number, other: Meta | Number, rounding_mode: str | None) -> Inferred:
    if rounding_mode not in (None, "trunc", "floor"):
        raise OpValueError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'",
            argument="rounding_mode",
            got=rounding_mode,
        )
    if rounding_mode is None:
        return Elementwise("float")(input, other)
    return Elementwise(refuse=(dtypes.bool_,), kernel=f"div_{rounding_mode}_cpu")(input, other)


@op(_division, inplace=True, elementwise=True, second_names="divide true_divide")
def div(input: Tensor | Number, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""


@op(elementwise(refuse=(dtypes.bool_,), kernel="div_floor_cpu"), inplace=True, differentiable=False)
def floor_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The quotient, rounded down."""


@op(elementwise(refuse=(dtypes.bool_,), kernel="remainder_cpu"), inplace=True)
def remainder(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The remainder of division rounded down; it has the sign of `other`."""


@op(elementwise(refuse=(dtypes.bool_,), kernel="fmod_cpu"), inplace=True)
def fmod(input: Tensor, other: Tensor | Number) -> Tensor:
    """The remainder of division rounded towards zero; it has the sign of `input`."""


def _power(input: Meta | Number, exponent: Meta | Number) -> Inferred:
    refused = (dtypes.bool_,) if isinstance(exponent, Meta) else ()
    return Elementwise(refuse=refused, kernel="pow")(input, exponent)


@op(_power, inplace=True, elementwise=True, autocast="float32")
def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """Raises `input` to the power of `exponent`."""


def _between(input: Meta, end: Meta, weight: Meta | Number) -> Inferred:
    if input.dtype.category != dtypes.FLOAT:
        raise not_implemented("lerp_kernel_scalar", input.dtype)
    for name, other in (("end", end), ("weight", weight)):
        if isinstance(other, Meta) and other.dtype is not input.dtype:
            raise ShapeError(
                f"expected dtype {dtypes.C_NAMES[input.dtype]} for `{name}` but got dtype {dtypes.C_NAMES[other.dtype]}",
                argument=name,
                expected=input.dtype.name,
                got=other.dtype.name,
            )
    return Elementwise()(input, end, weight)


@op(_between, inplace=True, elementwise=True)
def lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """Linear interpolation: input + weight * (end - input)."""


@op(elementwise(), inplace=True, autocast="widest")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""


def _quotients(input: Meta, tensor1: Meta, tensor2: Meta, value: Number) -> Inferred:
    if tensor1.dtype.category != dtypes.FLOAT and tensor2.dtype.category != dtypes.FLOAT:
        raise OpError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * "
            "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
            "tensor2) for float inputs."
        )
    return Elementwise("float")(input, tensor1, tensor2)


@op(_quotients, inplace=True, elementwise=True, autocast="widest")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
