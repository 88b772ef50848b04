"""Convolution, transposed convolution, and their patches."""

from __future__ import annotations

import math
from typing import Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import need_shape
from telegrad_protocol.shapes import Meta, Shape, like
from telegrad_protocol.spec import Rule, Size, Tensor, op

from ._windows import check_frame, per_dim, window_counts


def _need_batch(input: Meta, dims: int, name: str) -> bool:
    """Whether `input` is a single image without a batch dimension; raises unless it is that or a batch."""
    if input.ndim not in (dims + 1, dims + 2):
        raise ShapeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}",
            argument="input",
            expected=f"{dims + 1} or {dims + 2} dimensions",
            got=list(input.shape),
        )
    return input.ndim == dims + 1


def _check_operands(input: Meta, weight: Meta, bias: Meta | None, dims: int, out_channels: int) -> None:
    if weight.ndim != dims + 2:
        raise ShapeError(
            f"expected a weight of {dims + 2} dimensions, got weight of size {list(weight.shape)}",
            argument="weight",
        )
    if bias is not None and bias.dtype is not input.dtype:
        own, other = dtypes.FULL_C_NAMES[input.dtype], dtypes.FULL_C_NAMES[bias.dtype]
        raise ShapeError(
            f"Input type ({own}) and bias type ({other}) should be the same",
            argument="bias",
            expected=input.dtype.name,
            got=bias.dtype.name,
        )
    if weight.dtype is not input.dtype:
        own, other = dtypes.TYPE_NAMES[input.dtype], dtypes.TYPE_NAMES[weight.dtype]
        raise ShapeError(
            f"expected scalar type {own} but found {other}",
            argument="weight",
            expected=input.dtype.name,
            got=weight.dtype.name,
        )
    if bias is not None and bias.shape != (out_channels,):
        raise ShapeError(
            f"Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {out_channels} "
            f"elements, but got bias of size {list(bias.shape)} instead",
            argument="bias",
            expected=[out_channels],
            got=list(bias.shape),
        )


def _check_channels(shape: Shape, weight: Meta, groups: int, transposed: bool) -> None:
    if groups < 1:
        raise ShapeError("non-positive groups is not supported", argument="groups", got=groups)
    if weight.shape[0] < groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{list(weight.shape)} instead",
            argument="weight",
        )
    if min(weight.shape[2:]) < 1:
        raise ShapeError(
            f"kernel size should be greater than zero, but got {list(weight.shape[2:])}",
            argument="weight",
            got=list(weight.shape),
        )
    if weight.shape[0] % groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{list(weight.shape)}] instead",
            argument="weight",
        )
    wanted = weight.shape[0] if transposed else weight.shape[1] * groups
    if shape[1] != wanted:
        given = "transposed=1" if transposed else f"groups={groups}"
        raise ShapeError(
            f"Given {given}, weight of size {list(weight.shape)}, expected input{list(shape)} to have {wanted} "
            f"channels, but got {shape[1]} channels instead",
            argument="input",
            expected=wanted,
            got=shape[1],
        )


def _check_steps(stride: Shape, padding: Shape, dilation: Shape) -> None:
    if min(stride) <= 0:
        raise ShapeError("non-positive stride is not supported", argument="stride", got=list(stride))
    if min(padding) < 0:
        raise ShapeError("negative padding is not supported", argument="padding", got=list(padding))
    if min(dilation) <= 0:
        raise ShapeError("dilation should be greater than zero", argument="dilation", got=list(dilation))


def edges(padding: Shape | str, kernel: Shape, stride: Shape, dilation: Shape) -> tuple[Shape, Shape]:
    """Padding before and after each dimension; "same" keeps the size, with the odd element after."""
    if not isinstance(padding, str):
        before = per_dim(padding, len(kernel), "padding")
        return before, before
    if padding == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if padding != "same":
        raise ShapeError(f"Invalid padding string: '{padding}'", argument="padding", expected="same or valid")
    if any(step != 1 for step in stride):
        raise ShapeError("padding='same' is not supported for strided convolutions", argument="padding")
    whole = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple([n // 2 for n in whole]), tuple([n - n // 2 for n in whole])


def _conv_rule(dims: int) -> Rule:
    def rule(
        input: Meta,
        weight: Meta,
        bias: Meta | None,
        stride: Shape,
        padding: Shape | str,
        dilation: Shape,
        groups: int,
    ) -> Meta:
        single = _need_batch(input, dims, f"conv{dims}d")
        whole = like(input, shape=(1, *input.shape)) if single else input
        _check_operands(input, weight, bias, dims, weight.shape[0] if weight.ndim else 0)
        steps, apart = per_dim(stride, dims, "stride"), per_dim(dilation, dims, "dilation")
        before, behind = edges(padding, weight.shape[2:], steps, apart)
        found = _convolved_shape(whole, weight, steps, before, behind, apart, groups)
        return like(input, shape=found[1:] if single else found)

    return rule


def _convolved_shape(
    input: Meta, weight: Meta, steps: Shape, before: Shape, behind: Shape, apart: Shape, groups: int
) -> Shape:
    """The shape of a convolution of a batch; raises for sizes that do not fit."""
    _check_channels(input.shape, weight, groups, False)
    _check_steps(steps, before, apart)
    kernel = weight.shape[2:]
    padded = tuple([n + a + b for n, a, b in zip(input.shape[2:], before, behind, strict=True)])
    check_frame(input.shape[:2], padded, kernel, apart)
    _check_fits(padded, kernel, apart)
    counts = window_counts(padded, kernel, steps, (0,) * len(kernel), apart)
    return (input.shape[0], weight.shape[0], *counts)


def _check_fits(padded: Shape, kernel: Shape, dilation: Shape) -> None:
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(size < needed for size, needed in zip(padded, reach, strict=True)):
        size, window = (" x ".join(map(str, numbers)) for numbers in (padded, reach))
        raise ShapeError(
            f"Calculated padded input size per channel: ({size}). Kernel size: ({window}). Kernel size can't be "
            "greater than actual input size",
            argument="weight",
        )


@op(_conv_rule(1), on="functional torch", autocast="low")
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of `input (N, C, L)`, or `(C, L)`, with `weight (O, C / groups, k)`, plus `bias (O,)`."""


@op(_conv_rule(2), on="functional torch", autocast="low")
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of `input (N, C, H, W)`, or `(C, H, W)`, with `weight (O, C / groups, kh, kw)`, plus `bias (O,)`.

    >>> import torch
    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 5, 5), torch.ones(2, 1, 3, 3), padding=1).shape
    torch.Size([1, 2, 5, 5])
    """


@op(_conv_rule(3), on="functional torch", autocast="low")
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of `input (N, C, D, H, W)`, or `(C, D, H, W)`, with `weight (O, C / groups, kd, kh, kw)`."""


def _transpose_rule(dims: int) -> Rule:
    def rule(
        input: Meta,
        weight: Meta,
        bias: Meta | None,
        stride: Shape,
        padding: Shape,
        output_padding: Shape,
        groups: int,
        dilation: Shape,
    ) -> Meta:
        single = _need_batch(input, dims, f"conv_transpose{dims}d")
        _check_operands(input, weight, bias, dims, weight.shape[1] * groups if weight.ndim > 1 else 0)
        shape = (1, *input.shape) if single else input.shape
        _check_channels(shape, weight, groups, True)
        steps, apart = per_dim(stride, dims, "stride"), per_dim(dilation, dims, "dilation")
        margin, extra = per_dim(padding, dims, "padding"), per_dim(output_padding, dims, "output_padding")
        _check_steps(steps, margin, apart)
        _check_extra(extra, steps, apart)
        size = transposed_size(shape[2:], weight.shape[2:], steps, margin, extra, apart)
        if min(size) < 1 or min(shape[2:]) < 1:
            raise ShapeError(f"Given input size per channel: {list(shape[2:])}. Output size is too small: {size}")
        full = tuple([n + 2 * m + e for n, m, e in zip(size, margin, extra, strict=True)])
        check_frame((shape[0], weight.shape[1] * groups), full, weight.shape[2:], apart)
        return like(input, shape=(*shape[: 0 if single else 1], weight.shape[1] * groups, *size))

    return rule


def _check_extra(extra: Shape, stride: Shape, dilation: Shape) -> None:
    if min(extra) < 0:
        raise ShapeError("negative output_padding is not supported", argument="output_padding", got=list(extra))
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ShapeError(
            "output padding must be smaller than either stride or dilation, but got output_padding: "
            f"{list(extra)} stride: {list(stride)} dilation: {list(dilation)}",
            argument="output_padding",
        )


def transposed_size(
    size: Shape, kernel: Shape, stride: Shape, padding: Shape, output_padding: Shape, dilation: Shape
) -> Shape:
    """The spatial size of a transposed convolution's result."""
    axes = zip(size, kernel, stride, padding, output_padding, dilation, strict=True)
    return tuple([(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, e, d in axes])


@op(_transpose_rule(1), on="functional torch", autocast="low")
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of `conv1d`: `input (N, C, L)`, weight `(C, O / groups, k)`, bias `(O,)`."""


@op(_transpose_rule(2), on="functional torch", autocast="low")
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of `conv2d`: `input (N, C, H, W)`, weight `(C, O / groups, kh, kw)`, bias `(O,)`."""


@op(_transpose_rule(3), on="functional torch", autocast="low")
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of `conv3d`: `input (N, C, D, H, W)`, weight `(C, O / groups, kd, kh, kw)`, bias `(O,)`."""


def _convolved(
    input: Meta,
    weight: Meta,
    bias: Meta | None,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Meta:
    dims = input.ndim - 2
    if not 1 <= dims <= 3:
        raise ShapeError(f"expected a batch of 3 to 5 dimensions, got {list(input.shape)}", argument="input")
    _check_operands(input, weight, bias, dims, weight.shape[0] if weight.ndim else 0)
    for name, sizes in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        if len(sizes) != dims:
            raise ShapeError(f"expected {dims} numbers for {name}, got {list(sizes)}", argument=name, got=list(sizes))
    return like(input, shape=_convolved_shape(input, weight, stride, padding, padding, dilation, groups))


@op(_convolved, on="", inner=True)
def _conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    dilation: Size,
    groups: int,
) -> Tensor:
    """Convolution in any number of dimensions; every size is given per dimension."""


def _input_gradient(grad: Meta, weight: Meta, size: Shape, *geometry: Any) -> Meta:
    input = like(grad, shape=size)
    need_shape(grad, _convolved(input, weight, None, *geometry).shape)
    return input


def _weight_gradient(grad: Meta, input: Meta, size: Shape, *geometry: Any) -> Meta:
    weight = like(grad, shape=size)
    need_shape(grad, _convolved(input, weight, None, *geometry).shape)
    return weight


@op(_input_gradient, on="", inner=True)
def _conv_input_grad(
    grad: Tensor, weight: Tensor, size: Size, stride: Size, padding: Size, dilation: Size, groups: int
) -> Tensor:
    """The gradient for the input of `_conv`, of shape `size`; also the transposed convolution."""


@op(_weight_gradient, on="", inner=True)
def _conv_weight_grad(
    grad: Tensor, input: Tensor, size: Size, stride: Size, padding: Size, dilation: Size, groups: int
) -> Tensor:
    """The gradient for the weight of `_conv`, of shape `size`."""


def _unfold(input: Meta, kernel_size: Shape, dilation: Shape, padding: Shape, stride: Shape) -> Meta:
    single = _need_batch(input, 2, "unfold")
    if 0 in input.shape[-3:]:
        raise ShapeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(input.shape)}",
            argument="input",
        )
    kernel, apart, margin, steps = patch_sizes(kernel_size, dilation, padding, stride)
    _check_patches(input.shape[:-2], input.shape[-2:], kernel, apart, margin)
    counts = window_counts(input.shape[-2:], kernel, steps, margin, apart)
    if min(counts) < 1:
        raise ShapeError(
            f"Given input with spatial size {list(input.shape[-2:])}, kernel_size={list(kernel)}, the array of "
            f"sliding blocks has shape {list(counts)}, but its components must be at least one.",
            argument="kernel_size",
        )
    shape = (input.shape[-3] * math.prod(kernel), math.prod(counts))
    return like(input, shape=shape if single else (input.shape[0], *shape))


def patch_sizes(*sizes: Shape) -> tuple[Shape, ...]:
    """Kernel, dilation, padding and stride of patches, two numbers each."""
    names = ("kernel_size", "dilation", "padding", "stride")
    found = tuple([per_dim(size, 2, name) for size, name in zip(sizes, names, strict=True)])
    for size, name in zip(found, names, strict=True):
        if name == "padding" and min(size) < 0:
            raise ShapeError(
                f"padding should be non-negative, but got pad_height: {size[0]} pad_width: {size[1]}",
                argument=name,
                got=list(size),
            )
        if name != "padding" and min(size) < 1:
            word = name.split("_")[0]
            raise ShapeError(
                f"{name.replace('_', ' ')} should be greater than zero, but got {word}_height: {size[0]} "
                f"{word}_width: {size[1]}",
                argument=name,
                got=list(size),
            )
    return found


def _check_patches(lead: Shape, size: Shape, kernel: Shape, dilation: Shape, padding: Shape) -> None:
    check_frame(lead, tuple([n + 2 * p for n, p in zip(size, padding, strict=True)]), kernel, dilation)


@op(_unfold, on="functional")
def unfold(input: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """The patches of `input (N, C, H, W)` as columns: `(N, C * kh * kw, patches)`."""


def _fold(input: Meta, output_size: Shape, kernel_size: Shape, dilation: Shape, padding: Shape, stride: Shape) -> Meta:
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise ShapeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions "
            f"for input, but got: {list(input.shape)}",
            argument="input",
        )
    size = per_dim(output_size, 2, "output_size")
    kernel, apart, margin, steps = patch_sizes(kernel_size, dilation, padding, stride)
    channels, rest = divmod(input.shape[-2], math.prod(kernel))
    if rest:
        raise ShapeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={input.shape[-2]} and kernel_size={kernel}.",
            argument="input",
        )
    if min(size) < 1:
        raise ShapeError(
            f"output size should be greater than zero, but got output_height: {size[0]} output_width: {size[1]}",
            argument="output_size",
            got=list(size),
        )
    _check_patches((*input.shape[:-2], channels), size, kernel, apart, margin)
    patches = math.prod(window_counts(size, kernel, steps, margin, apart))
    if patches != input.shape[-1]:
        raise ShapeError(
            f"Given output_size={size}, kernel_size={kernel}, expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {patches}, but got input.size(2)={input.shape[-1]}.",
            argument="input",
            expected=patches,
            got=input.shape[-1],
        )
    return like(input, shape=(*input.shape[:-2], channels, *size))


@op(_fold, on="functional")
def fold(
    input: Tensor,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Tensor:
    """Columns `(N, C * kh * kw, patches)` added up where their patches lie: `(N, C, *output_size)`."""
