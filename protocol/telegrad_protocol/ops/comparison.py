"""Element by element: comparison, logic, bits, limits, and `where`."""

from __future__ import annotations

from functools import partial

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import Elementwise, common_dtype, elementwise
from telegrad_protocol.shapes import Meta, broadcast, like
from telegrad_protocol.spec import Inferred, Number, Tensor, op

from ._unary import declare_unary

unary = partial(declare_unary, __name__)


@op(elementwise())
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two; `nan` if either is."""


@op(elementwise())
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two; `nan` if either is."""


def _clamp(input: Meta, min: Meta | Number | None, max: Meta | Number | None) -> Inferred:
    bounds = [bound for bound in (min, max) if bound is not None]
    if not bounds:
        raise ShapeError("torch.clamp: At least one of 'min' or 'max' must not be None", argument="min")
    return Elementwise()(input, *bounds)


@op(_clamp, inplace=True, elementwise=True, second_names="clip")
def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """Limits `input` to the range from `min` to `max`; either may be open."""


@op(elementwise(), inplace=True)
def clamp_min(input: Tensor, min: Tensor | Number) -> Tensor:
    """Limits `input` from below."""


@op(elementwise(), inplace=True)
def clamp_max(input: Tensor, max: Tensor | Number) -> Tensor:
    """Limits `input` from above."""


def _where(condition: Meta, input: Meta | Number, other: Meta | Number) -> Inferred:
    if condition.dtype not in (dtypes.bool_, dtypes.uint8):
        raise ShapeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{dtypes.TYPE_NAMES[condition.dtype]}",
            argument="condition",
            expected="bool",
            got=condition.dtype.name,
        )
    metas = [value for value in (condition, input, other) if isinstance(value, Meta)]
    shape = broadcast(meta.shape for meta in metas)
    dtype = common_dtype((input, other))
    cast = None if all(value.dtype is dtype for value in (input, other) if isinstance(value, Meta)) else dtype
    return Inferred((like(condition, shape=shape, dtype=dtype),), cast)


@op(_where, on="torch")
def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """`input` where the condition holds, `other` elsewhere."""


@op(elementwise("bool"), differentiable=False)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """True where |input - other| <= atol + rtol * |other|."""


@op(lambda input, *_: like(input), inplace=True)
def nan_to_num(
    input: Tensor, nan: Number | None = None, posinf: Number | None = None, neginf: Number | None = None
) -> Tensor:
    """`input` with `nan` and infinities replaced."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def eq(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` equals `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False, second_names="not_equal")
def ne(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` differs from `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False, second_names="less")
def lt(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is less than `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False, second_names="less_equal")
def le(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is at most `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False, second_names="greater")
def gt(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is greater than `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False, second_names="greater_equal")
def ge(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is at least `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """True where both are nonzero."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """True where either is nonzero."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """True where exactly one is nonzero."""


unary("logical_not", "True where `input` is zero.", elementwise("bool"), differentiable=False)


@op(elementwise(refuse=dtypes.FLOATS, kernel="bitwise_and_cpu"), inplace=True, differentiable=False)
def bitwise_and(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """And of the bits."""


@op(elementwise(refuse=dtypes.FLOATS, kernel="bitwise_or_cpu"), inplace=True, differentiable=False)
def bitwise_or(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Or of the bits."""


@op(elementwise(refuse=dtypes.FLOATS, kernel="bitwise_xor_cpu"), inplace=True, differentiable=False)
def bitwise_xor(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Exclusive or of the bits."""


@op(elementwise(refuse=dtypes.FLOATS, kernel="lshift_cpu"), inplace=True, differentiable=False)
def bitwise_left_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Shifts the bits of `input` left."""


@op(elementwise(refuse=dtypes.FLOATS, kernel="rshift_cpu"), inplace=True, differentiable=False)
def bitwise_right_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Shifts the bits of `input` right."""


unary(
    "bitwise_not",
    "Flips the bits; for booleans, not.",
    elementwise(refuse=dtypes.FLOATS, kernel="bitwise_not_cpu"),
    differentiable=False,
)
unary("isnan", "True where `input` is not a number.", elementwise("bool"), inplace=False, differentiable=False)
unary("isinf", "True where `input` is infinite.", elementwise("bool"), inplace=False, differentiable=False)
unary(
    "isfinite",
    "True where `input` is neither infinite nor `nan`.",
    elementwise("bool"),
    inplace=False,
    differentiable=False,
)
