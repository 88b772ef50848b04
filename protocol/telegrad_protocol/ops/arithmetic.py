"""Element by element: arithmetic, comparison, logic, exponentials, trigonometry, rounding."""

from __future__ import annotations

from typing import Final

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpError, OpValueError, ShapeError
from telegrad_protocol.rules import Elementwise, check_factor, check_shape, common_dtype, elementwise, not_implemented
from telegrad_protocol.shapes import Meta, broadcast, like
from telegrad_protocol.spec import Inferred, Number, Tensor, op

_FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


def _negated(input: Meta) -> Meta:
    if input.dtype is dtypes.bool_:
        raise OpError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return like(input)


@op(_negated, inplace=True)
def neg(input: Tensor) -> Tensor:
    """Negates `input`."""


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
def sqrt(input: Tensor) -> Tensor:
    """The square root of `input`."""


@op(elementwise("float"), inplace=True)
def rsqrt(input: Tensor) -> Tensor:
    """1 over the square root of `input`."""


@op(elementwise(), inplace=True)
def square(input: Tensor) -> Tensor:
    """`input` times itself."""


@op(elementwise("float"), inplace=True)
def reciprocal(input: Tensor) -> Tensor:
    """1 over `input`."""


@op(elementwise(refuse=(dtypes.bool_,), kernel="abs_cpu"), inplace=True)
def abs(input: Tensor) -> Tensor:
    """The absolute value of `input`."""


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


@op(elementwise(), inplace=True)
def floor(input: Tensor) -> Tensor:
    """The largest integer not above `input`."""


@op(elementwise(), inplace=True)
def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below `input`."""


@op(elementwise(), inplace=True)
def trunc(input: Tensor) -> Tensor:
    """`input` without its fraction."""


@op(elementwise(), inplace=True)
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign of `input`."""


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


@op(elementwise("float"), inplace=True)
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""


@op(elementwise("float"), inplace=True)
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input))."""


@op(elementwise("float"), inplace=True)
def erf(input: Tensor) -> Tensor:
    """The error function."""


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


@op(_difference, inplace=True, elementwise=True)
def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Subtracts `other`, scaled by `alpha`, from `input`."""


@op(elementwise(), inplace=True)
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


@op(_division, inplace=True, elementwise=True)
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


@op(_power, inplace=True, elementwise=True)
def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """Raises `input` to the power of `exponent`."""


@op(elementwise())
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two; `nan` if either is."""


@op(elementwise())
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two; `nan` if either is."""


@op(lambda input, like_: like(input, dtype=like_.dtype), on="", inner=True, differentiable=False)
def _cast_like(input: Tensor, like: Tensor) -> Tensor:
    """`input` in the dtype of `like`."""


def _clamp(input: Meta, min: Meta | Number | None, max: Meta | Number | None) -> Inferred:
    bounds = [bound for bound in (min, max) if bound is not None]
    if not bounds:
        raise ShapeError("torch.clamp: At least one of 'min' or 'max' must not be None", argument="min")
    return Elementwise()(input, *bounds)


@op(_clamp, inplace=True, elementwise=True)
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
    cast = None if all(meta.dtype is dtype for meta in metas if meta is not condition) else dtype
    return Inferred((like(condition, shape=shape, dtype=dtype),), cast)


@op(_where, on="torch")
def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """`input` where the condition holds, `other` elsewhere."""


def _masked_fill(input: Meta, mask: Meta, value: Meta | Number) -> Inferred:
    if mask.dtype is not dtypes.bool_:
        raise ShapeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {dtypes.FULL_C_NAMES[mask.dtype]}",
            argument="mask",
            expected="bool",
            got=mask.dtype.name,
        )
    if isinstance(value, Meta) and value.ndim:
        raise ShapeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).",
            argument="value",
        )
    return Elementwise()(input, mask)._replace(compute=None)


@op(
    _masked_fill,
    inplace=True,
    idempotent=True,
    elementwise=True,
)
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with `value` where the mask holds."""


def _fill(input: Meta, value: Meta | Number) -> Meta:
    if isinstance(value, Meta) and value.ndim:
        raise ShapeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.",
            argument="value",
        )
    return like(input)


@op(_fill, inplace=True, idempotent=True)
def fill(input: Tensor, value: Tensor | Number) -> Tensor:
    """A tensor like `input`, filled with one value."""


def _overwritten(input: Meta, src: Meta) -> Meta:
    check_shape("copy", broadcast((input.shape, src.shape)), input.shape)
    return like(input)


@op(_overwritten, on="", inplace=True, elementwise=True)
def copy(input: Tensor, src: Tensor) -> Tensor:
    """The values of `src` in the shape and dtype of `input`."""


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


@op(elementwise(), inplace=True)
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


@op(_quotients, inplace=True, elementwise=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""


@op(elementwise("bool"), differentiable=False)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """True where |input - other| <= atol + rtol * |other|."""


@op(lambda input, *_: like(input), inplace=True)
def nan_to_num(
    input: Tensor, nan: Number | None = None, posinf: Number | None = None, neginf: Number | None = None
) -> Tensor:
    """`input` with `nan` and infinities replaced."""


def _rectified(input: Meta) -> Meta:
    if input.dtype is dtypes.bool_:
        raise OpError("Boolean inputs not supported for relu")
    return like(input)


@op(_rectified, on="torch tensor functional", inplace=True)
def relu(input: Tensor) -> Tensor:
    """The positive part of `input`: max(0, input)."""


@op(elementwise(), on="", inner=True)
def _relu_backward(grad: Tensor, out: Tensor) -> Tensor:
    """`grad` where `out` is positive."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def eq(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` equals `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def ne(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` differs from `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def lt(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is less than `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def le(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is at most `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False)
def gt(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is greater than `other`."""


@op(elementwise("bool"), inplace=True, differentiable=False)
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


@op(elementwise("bool"), inplace=True, differentiable=False)
def logical_not(input: Tensor) -> Tensor:
    """True where `input` is zero."""


@op(elementwise(refuse=_FLOATS, kernel="bitwise_and_cpu"), inplace=True, differentiable=False)
def bitwise_and(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """And of the bits."""


@op(elementwise(refuse=_FLOATS, kernel="bitwise_or_cpu"), inplace=True, differentiable=False)
def bitwise_or(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Or of the bits."""


@op(elementwise(refuse=_FLOATS, kernel="bitwise_xor_cpu"), inplace=True, differentiable=False)
def bitwise_xor(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Exclusive or of the bits."""


@op(elementwise(refuse=_FLOATS, kernel="lshift_cpu"), inplace=True, differentiable=False)
def bitwise_left_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Shifts the bits of `input` left."""


@op(elementwise(refuse=_FLOATS, kernel="rshift_cpu"), inplace=True, differentiable=False)
def bitwise_right_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Shifts the bits of `input` right."""


@op(elementwise(refuse=_FLOATS, kernel="bitwise_not_cpu"), inplace=True, differentiable=False)
def bitwise_not(input: Tensor) -> Tensor:
    """Flips the bits; for booleans, not."""


@op(elementwise("bool"), differentiable=False)
def isnan(input: Tensor) -> Tensor:
    """True where `input` is not a number."""


@op(elementwise("bool"), differentiable=False)
def isinf(input: Tensor) -> Tensor:
    """True where `input` is infinite."""


@op(elementwise("bool"), differentiable=False)
def isfinite(input: Tensor) -> Tensor:
    """True where `input` is neither infinite nor `nan`."""


@op(elementwise("float"), inplace=True)
def xlogy(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input log(other), and 0 where `input` is 0."""


@op(elementwise("float"))
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow."""
