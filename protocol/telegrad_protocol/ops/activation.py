"""Activation functions."""

from __future__ import annotations

from functools import partial

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpError, OpValueError, ShapeError
from telegrad_protocol.rules import elementwise, floating, need_dtype, need_floating, need_shape
from telegrad_protocol.shapes import Meta, like, wrap_dim
from telegrad_protocol.spec import Checked, Number, Tensor, op

from ._unary import declare_unary

unary = partial(declare_unary, __name__)

_F = "functional"


unary("sigmoid", "1 / (1 + exp(-input)).")


def _rectified(input: Meta) -> Meta:
    if input.dtype is dtypes.bool_:
        raise OpError("Boolean inputs not supported for relu")
    return like(input)


unary("relu", "The positive part of `input`: max(0, input).", _rectified, on="torch tensor functional")


@op(elementwise(), on="", inner=True)
def _relu_backward(grad: Tensor, out: Tensor) -> Tensor:
    """`grad` where `out` is positive."""


def _gelu(input: Meta, approximate: str) -> Meta:
    if approximate not in ("none", "tanh"):
        raise ShapeError("approximate argument must be either none or tanh.", argument="approximate", got=approximate)
    return floating("GeluKernelImpl")(input)


@op(_gelu, on=_F)
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """x Φ(x), with the normal distribution's Φ, or its approximation by tanh (Hendrycks and Gimpel, 2016)."""


def _gelu_gradient(grad: Meta, input: Meta, approximate: str) -> Meta:
    need_shape(grad, input.shape)
    need_dtype(grad, input)
    return _gelu(input, approximate)


@op(_gelu_gradient, on="", inner=True)
def _gelu_backward(grad: Tensor, input: Tensor, approximate: str = "none") -> Tensor:
    """The gradient of `gelu`."""


unary("silu", "x sigmoid(x).", floating("silu_cpu"), on=_F)
unary("mish", "x tanh(softplus(x)) (Misra, 2019).", floating("mish_cpu"), on=_F)


@op(floating("softplus_cpu"), on=_F, autocast="float32")
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""


unary("logsigmoid", "log(sigmoid(x)), without underflow.", floating("log_sigmoid_cpu"), inplace=False, on=_F)
unary("softsign", "x / (1 + |x|).", floating("softsign_cpu"), inplace=False, on=_F)
unary("tanhshrink", "x - tanh(x).", floating("tanhshrink_cpu"), inplace=False, on=_F)
unary("relu6", "min(max(0, x), 6).", elementwise(), on=_F)


@op(floating("leaky_relu_cpu"), on=_F, inplace=True)
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where it is positive, a small multiple of it elsewhere."""


@op(floating("elu_cpu"), on=_F, inplace=True)
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where it is positive, alpha (exp(x) - 1) elsewhere (Clevert et al., 2015)."""


unary(
    "selu",
    "`elu`, scaled so that activations normalise themselves (Klambauer et al., 2017).",
    floating("elu_cpu"),
    on="torch functional",
)


def _celu(input: Meta, alpha: float) -> Meta:
    if not alpha:
        raise OpError("ZeroDivisionError: alpha cannot be 0 for CELU", argument="alpha")
    return floating("elu_cpu")(input)


@op(_celu, on="torch functional", inplace=True)
def celu(input: Tensor, alpha: Checked = 1.0) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""


def _between(input: Meta, min_val: float, max_val: float) -> Meta:
    if input.dtype is dtypes.bool_:
        raise ShapeError("Bool inputs not supported for hardtanh", argument="input")
    if min_val > max_val:
        raise OpValueError("min_val cannot be greater than max_val", argument="min_val", got=min_val)
    return like(input)


@op(_between, on=_F, inplace=True)
def hardtanh(input: Tensor, min_val: Checked = -1.0, max_val: Checked = 1.0) -> Tensor:
    """x limited to [min_val, max_val]; no gradient at the limits."""


unary("hardswish", "x relu6(x + 3) / 6.", floating("hardswish_cpu"), on=_F)
unary("hardsigmoid", "relu6(x + 3) / 6.", floating("hardsigmoid_cpu"), on=_F)


@op(floating("softshrink_cpu"), on=_F)
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x drawn towards 0 by lambd, and 0 within it."""


@op(floating("hardshrink_cpu"), on=_F)
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, but 0 within [-lambd, lambd]."""


@op(elementwise(), on=_F, inplace=True)
def threshold(input: Tensor, threshold: Number, value: Number) -> Tensor:
    """x where it is above the threshold, else the value."""


def _glu(input: Meta, dim: int) -> Meta:
    floating("glu_cpu")(input)
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim or input.shape[axis] % 2:
        size = input.shape[axis] if input.ndim else 0
        raise ShapeError(f"Halving dimension must be even, but dimension {axis} is size {size}", argument="dim")
    return like(input, shape=(*input.shape[:axis], input.shape[axis] // 2, *input.shape[axis + 1 :]))


@op(_glu, on=_F)
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b) for the halves a and b of a dimension."""


def _prelu(input: Meta, weight: Meta) -> Meta:
    if weight.numel != 1 and (input.ndim < 2 or weight.numel != input.shape[1]):
        raise ShapeError(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel}",
            argument="weight",
        )
    if weight.dtype is not input.dtype:
        own, other = dtypes.TYPE_NAMES[input.dtype], dtypes.TYPE_NAMES[weight.dtype]
        raise ShapeError(f"prelu: Type promoting not supported. Got {own} and {other}", argument="weight")
    need_floating(input)
    return like(input)


@op(_prelu, on="torch functional", autocast="low")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, a learned multiple of it elsewhere, per channel."""
