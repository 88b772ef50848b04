"""Softmax and normalization."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import common_dtype, floating, need_dtype, need_floating, need_shape, not_implemented
from telegrad_protocol.shapes import Meta, contiguous, like, wrap_dim
from telegrad_protocol.spec import Inferred, Rule, Size, Tensor, op


def _softmax(name: str) -> Rule:
    def rule(input: Meta, dim: int, dtype: DType | None) -> Meta:
        last = wrap_dim(dim, input.ndim) == max(input.ndim - 1, 0)
        wanted = dtype or input.dtype
        if wanted.category != dtypes.FLOAT:
            raise not_implemented(f"{name}_lastdim_kernel_impl" if last else f"{name}_kernel_impl", wanted)
        return like(input, dtype=wanted)

    return rule


@op(_softmax("softmax"), on="torch tensor functional", autocast="float32")
def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """Exponentials along `dim`, scaled to add up to 1; `dtype` casts the input first.

    >>> import torch
    >>> torch.softmax(torch.zeros(2), 0)
    tensor([0.5000, 0.5000])
    """


@op(_softmax("log_softmax"), on="torch tensor functional", autocast="float32")
def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """The logarithm of `softmax`, computed without leaving the range of the dtype."""


@op(_softmax("softmax"), on="functional", autocast="float32")
def softmin(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """`softmax` of `-input`."""


def _softmax_gradient(grad: Meta, out: Meta, dim: int, log: bool) -> Meta:
    need_floating(out, "out")
    need_shape(grad, out.shape)
    need_dtype(grad, out)
    wrap_dim(dim, out.ndim)
    return like(out)


@op(_softmax_gradient, on="", inner=True)
def _softmax_backward(grad: Tensor, out: Tensor, dim: int, log: bool) -> Tensor:
    """The gradient for the input of `softmax`, or of `log_softmax`, from its result."""


def _check_affine(input: Meta, shape: tuple[int, ...], **parameters: Meta | None) -> None:
    for name, parameter in parameters.items():
        if parameter is None:
            continue
        if parameter.shape != shape:
            raise ShapeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(parameter.shape)} and normalized_shape = {list(shape)}",
                argument=name,
                expected=list(shape),
                got=list(parameter.shape),
            )
        _check_parameter_dtype(input, name, parameter)


def _check_parameter_dtype(input: Meta, name: str, parameter: Meta) -> None:
    if parameter.dtype is not input.dtype:
        words = "all inputs must share same datatype."
        if input.dtype.itemsize == 2 and input.dtype.category == dtypes.FLOAT:
            words = "expect parameter to have scalar type of Float"
        raise ShapeError(
            f"mixed dtype (CPU): {words}",
            argument=name,
            expected=input.dtype.name,
            got=parameter.dtype.name,
        )


def _check_normalized(input: Meta, shape: tuple[int, ...]) -> None:
    if not shape or input.shape[-len(shape) :] != shape:
        inner = ", ".join(map(str, shape))
        raise ShapeError(
            f"Given normalized_shape=[{inner}], expected input with shape [*, {inner}], but got input of "
            f"size{list(input.shape)}",
            argument="normalized_shape",
            expected=list(shape),
            got=list(input.shape),
        )


def _layer_norm(
    input: Meta, normalized_shape: tuple[int, ...], weight: Meta | None, bias: Meta | None, eps: float
) -> Meta:
    _check_normalized(input, normalized_shape)
    _check_affine(input, normalized_shape, weight=weight, bias=bias)
    return floating("LayerNormKernelImpl")(input)


@op(_layer_norm, on="functional torch", autocast="float32")
def layer_norm(
    input: Tensor,
    normalized_shape: Size,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Shifts and scales the last dimensions to mean 0 and variance 1, then applies `weight` and `bias`."""


def _rms_norm(input: Meta, normalized_shape: tuple[int, ...], weight: Meta | None, eps: float | None) -> Meta:
    _check_normalized(input, normalized_shape)
    _check_affine(input, normalized_shape, weight=weight)
    return floating("rms_norm")(input)


@op(_rms_norm, on="functional torch", autocast="float32")
def rms_norm(input: Tensor, normalized_shape: Size, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divides by the root of the mean square over the last dimensions; `eps` None is the dtype's own."""


def _check_channels(input: Meta, **parameters: Meta | None) -> None:
    need_floating(input)
    if input.ndim < 2:
        raise ShapeError(f"expected at least 2D input (got {input.ndim}D input)", argument="input")
    for name, parameter in parameters.items():
        if parameter is None:
            continue
        if parameter.shape != (input.shape[1],):
            raise ShapeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} "
                f"of shape {list(parameter.shape)} and input of shape {list(input.shape)}",
                argument=name,
                expected=[input.shape[1]],
                got=list(parameter.shape),
            )
        _check_parameter_dtype(input, name, parameter)


def _group_norm(input: Meta, num_groups: int, weight: Meta | None, bias: Meta | None, eps: float) -> Meta:
    _check_channels(input)
    if num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}",
            argument="num_groups",
        )
    _check_channels(input, weight=weight, bias=bias)
    return like(input)


@op(_group_norm, on="functional torch", autocast="float32")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Layer norm of each group of channels of `input (N, C, ...)`; weight and bias `(C,)`."""


def _check_each_channel(input: Meta, **given: Meta | None) -> None:
    """As `_check_channels`, with batch norm's message, which PyTorch raises first."""
    _check_channels(input)
    for name, each in given.items():
        if each is not None and each.shape != (input.shape[1],):
            raise ShapeError(
                f"{name} should contain {input.shape[1]} elements not {each.numel}",
                argument=name,
                expected=[input.shape[1]],
                got=list(each.shape),
            )
    _check_channels(input, weight=given["weight"], bias=given["bias"])


def _batch_norm(input: Meta, weight: Meta | None, bias: Meta | None, eps: float) -> Inferred:
    _check_each_channel(input, weight=weight, bias=bias)
    if input.numel == input.shape[1]:
        raise ShapeError(
            f"Expected more than 1 value per channel when training, got input size {list(input.shape)}",
            argument="input",
        )
    statistics = contiguous((input.shape[1],), input.dtype, input.device)
    return Inferred((like(input), statistics, statistics))


@op(_batch_norm, on="", form_of="batch_norm", returns=("out", "mean", "var"), autocast="float32")
def _batch_norm_train(input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Batch norm of `input (N, C, ...)` with its own statistics, and those: means and biased variances, `(C,)`."""


def _batch_norm_given(input: Meta, mean: Meta, var: Meta, weight: Meta | None, bias: Meta | None, eps: float) -> Meta:
    _check_each_channel(input, running_mean=mean, running_var=var, weight=weight, bias=bias)
    return like(input)


@op(_batch_norm_given, on="", form_of="batch_norm", autocast="float32")
def _batch_norm_eval(
    input: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Batch norm of `input (N, C, ...)` with given statistics, `(C,)`."""


def _normalize(input: Meta, p: float, dim: int, eps: float) -> Meta:
    need_floating(input, words="linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}")
    wrap_dim(dim, input.ndim)
    return like(input)


@op(_normalize, on="functional", autocast="float32")
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divides vectors along `dim` by their p-norm, or by `eps` where that is larger."""


def _response(input: Meta, size: int, alpha: float, beta: float, k: float) -> Meta:
    need_floating(input)
    if input.ndim < 3:
        raise ShapeError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    return like(input, dtype=common_dtype((input,)))


@op(_response, on="functional", autocast="float32")
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divides by `(k + alpha * mean)**beta`, the mean being that of squares over `size` neighbouring channels."""
