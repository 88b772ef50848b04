"""Maxima and averages of windows."""

from __future__ import annotations

from typing import Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import need_floating, need_shape
from telegrad_protocol.shapes import Meta, Shape, check_size, like
from telegrad_protocol.spec import Inferred, OpenSize, Rule, Size, Tensor, op

from ._windows import check_frame, per_dim, window_counts


def _pooled(
    input: Meta,
    dims: int,
    kernel_size: Shape,
    stride: Shape | None,
    padding: Shape,
    dilation: Shape,
    ceil_mode: bool,
) -> Shape:
    """The shape after pooling the last `dims` dimensions."""
    need_floating(input)
    _need_planes(input, dims)
    kernel = per_dim(kernel_size, dims, "kernel_size")
    steps = per_dim(stride, dims, "stride", kernel)
    margin, apart = per_dim(padding, dims, "padding"), per_dim(dilation, dims, "dilation")
    if min(steps) <= 0 or min(kernel) <= 0 or min(apart) <= 0:
        name = "stride" if min(steps) <= 0 else "kernel size" if min(kernel) <= 0 else "dilation"
        raise ShapeError(f"{name} should not be zero" if name == "stride" else f"{name} should be greater than zero")
    for p, k, d in zip(margin, kernel, apart, strict=True):
        if p < 0 or p > (d * (k - 1) + 1) // 2:
            raise ShapeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}",
                argument="padding",
            )
    padded = tuple([n + 2 * p for n, p in zip(input.shape[-dims:], margin, strict=True)])
    check_frame(input.shape[:-dims], padded, kernel, apart)
    counts = window_counts(input.shape[-dims:], kernel, steps, margin, apart, ceil_mode)
    if min(counts) < 1:
        shown = "x".join(map(str, input.shape[-dims - 1 :]))
        result = "x".join(map(str, (input.shape[-dims - 1], *(max(0, n) for n in counts))))
        raise ShapeError(
            f"Given input size: ({shown}). Calculated output size: ({result}). Output size is too small",
            argument="input",
        )
    for axis in zip(input.shape[-dims:], steps, margin, apart, counts, strict=True):
        _check_covered(*axis)
    return (*input.shape[:-dims], *counts)


def _check_covered(size: int, stride: int, padding: int, dilation: int, count: int) -> None:
    """Raise where a window covers padding alone, which has no maximum."""
    if not padding or dilation <= size:
        return
    in_padding = min(count, -(-padding // stride))  # windows that begin there
    if in_padding > _MOST_CHECKED or any((n * stride - padding) % dilation >= size for n in range(in_padding)):
        raise ShapeError(
            f"a window sees nothing but padding: padding={padding} and dilation={dilation} for an input of {size}",
            argument="dilation",
        )


_MOST_CHECKED = 4096


def _need_planes(input: Meta, dims: int) -> None:
    if input.ndim not in (dims + 1, dims + 2):
        raise ShapeError(
            f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for input",
            argument="input",
            expected=f"{dims + 1} or {dims + 2} dimensions",
            got=list(input.shape),
        )


def _max_rule(dims: int) -> Rule:
    def rule(input: Meta, *windows: Any) -> Meta:
        return like(input, shape=_pooled(input, dims, *windows))

    return rule


def _indexed_rule(dims: int) -> Rule:
    def rule(input: Meta, *windows: Any) -> Inferred:
        out = like(input, shape=_pooled(input, dims, *windows))
        return Inferred((out, like(out, dtype=dtypes.int64)))

    return rule


@op(_max_rule(1), on="functional")
def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of `input (N, C, L)` or `(C, L)`."""


@op(_max_rule(2), on="functional")
def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of `input (N, C, H, W)` or `(C, H, W)`; `stride` is `kernel_size` by default."""


@op(_max_rule(3), on="functional")
def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of `input (N, C, D, H, W)` or `(C, D, H, W)`."""


@op(_indexed_rule(1), on="", inner=True, returns=("out", "indices"))
def _max_pool1d_with_indices(
    input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> Tensor:
    """`max_pool1d`, and where in its row each maximum lies."""


@op(_indexed_rule(2), on="", form_of="max_pool2d", returns=("out", "indices"))
def _max_pool2d_with_indices(
    input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> Tensor:
    """`max_pool2d`, and where in its plane, row by row, each maximum lies."""


@op(_indexed_rule(3), on="", inner=True, returns=("out", "indices"))
def _max_pool3d_with_indices(
    input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> Tensor:
    """`max_pool3d`, and where in its volume each maximum lies."""


def _need_places(indices: Meta, planes: Shape, seen: Shape) -> None:
    """Raise unless indices into planes of one shape fit planes of another."""
    if indices.dtype is not dtypes.int64:
        raise ShapeError(f"expected int64 indices, got {indices.dtype.name}", argument="indices", expected="int64")
    if len(planes) < 2 or planes[:-2] != seen[:-2] or len(planes) != len(seen):
        raise ShapeError(
            f"indices of shape {list(seen)} do not belong to planes of shape {list(planes)}", argument="indices"
        )


def _max_gradient(grad: Meta, indices: Meta, size: Shape) -> Meta:
    need_floating(grad, "grad")
    need_shape(indices, grad.shape, "indices")
    _need_places(indices, size, grad.shape)
    return like(grad, shape=size)


@op(_max_gradient, on="", inner=True)
def _max_pool2d_backward(grad: Tensor, indices: Tensor, size: Size) -> Tensor:
    """The gradient for the input, of shape `size`, of a pool that selected the elements at `indices`."""


def _taken(input: Meta, indices: Meta) -> Meta:
    _need_places(indices, input.shape, indices.shape)
    return like(input, shape=indices.shape)


@op(_taken, on="", inner=True)
def _take_from_planes(input: Tensor, indices: Tensor) -> Tensor:
    """The elements of each plane `(H, W)` of `input` at `indices`, counted row by row."""


def _avg_rule(dims: int) -> Rule:
    def rule(
        input: Meta,
        kernel_size: Shape,
        stride: Shape | None,
        padding: Shape,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None = None,
    ) -> Meta:
        if divisor_override == 0:
            raise ShapeError("divisor must be not zero", argument="divisor_override")
        return like(input, shape=_pooled(input, dims, kernel_size, stride, padding, (1,), ceil_mode))

    return rule


@op(_avg_rule(1), on="functional torch")
def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The average of each window of `input (N, C, L)` or `(C, L)`."""


@op(_avg_rule(2), on="functional")
def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The average of each window of `input (N, C, H, W)` or `(C, H, W)`; padding counts by default."""


@op(_avg_rule(3), on="functional")
def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The average of each window of `input (N, C, D, H, W)` or `(C, D, H, W)`."""


def _avg_gradient(grad: Meta, size: Shape, *windows: Any) -> Meta:
    input = like(grad, shape=size)
    need_shape(grad, _avg_rule(2)(input, *windows).shape)
    return input


@op(_avg_gradient, on="", inner=True)
def _avg_pool2d_backward(
    grad: Tensor,
    size: Size,
    kernel_size: Size,
    stride: Size,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """The gradient for the input, of shape `size`, of `avg_pool2d`."""


def adaptive_sizes(shape: Shape, output_size: int | tuple[int | None, ...], dims: int) -> Shape:
    """The sizes of an adaptive pool's planes: None keeps the input's size.

    >>> adaptive_sizes((1, 3, 4), (2, None), 2)
    (2, 4)
    """
    wanted = (output_size,) * dims if isinstance(output_size, int) else output_size
    if len(wanted) != dims:
        raise ShapeError(
            f"adaptive_avg_pool{dims}d: output_size must be {dims}", argument="output_size", got=list(wanted)
        )
    return tuple([own if size is None else size for size, own in zip(wanted, shape[-dims:], strict=True)])


def _adaptive_rule(dims: int) -> Rule:
    def rule(input: Meta, output_size: int | tuple[int | None, ...]) -> Meta:
        need_floating(input)
        _need_planes(input, dims)
        sizes = adaptive_sizes(input.shape, output_size, dims)
        if min(sizes) < 0:
            raise ShapeError("elements of output_size must be greater than or equal to 0", argument="output_size")
        for axis, (size, count) in enumerate(zip(input.shape[-dims:], sizes, strict=True), input.ndim - dims):
            if not size:
                raise ShapeError(
                    f"adaptive pooling: Expected input to have non-zero size for non-batch dimensions, but input has "
                    f"sizes {list(input.shape)} with dimension {axis} being empty",
                    argument="input",
                )
            check_size((size, count))  # products of both must fit
        return like(input, shape=(*input.shape[:-dims], *sizes))

    return rule


@op(_adaptive_rule(1), on="functional torch")
def adaptive_avg_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """The averages of `output_size` windows that cover the last dimension evenly."""


@op(_adaptive_rule(2), on="functional")
def adaptive_avg_pool2d(input: Tensor, output_size: OpenSize) -> Tensor:
    """The averages of `output_size` windows that cover the last two dimensions evenly; None keeps a size."""


@op(_adaptive_rule(3), on="functional")
def adaptive_avg_pool3d(input: Tensor, output_size: OpenSize) -> Tensor:
    """The averages of `output_size` windows that cover the last three dimensions evenly; None keeps a size."""


def _adaptive_gradient(grad: Meta, size: Shape) -> Meta:
    input = like(grad, shape=size)
    need_shape(grad, _adaptive_rule(2)(input, grad.shape[-2:]).shape)
    return input


@op(_adaptive_gradient, on="", inner=True)
def _adaptive_avg_pool2d_backward(grad: Tensor, size: Size) -> Tensor:
    """The gradient for the input, of shape `size`, of `adaptive_avg_pool2d`."""


@op(_adaptive_rule(1), on="functional")
def adaptive_max_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """The maxima of `output_size` windows that cover the last dimension evenly."""


@op(_adaptive_rule(2), on="functional")
def adaptive_max_pool2d(input: Tensor, output_size: OpenSize) -> Tensor:
    """The maxima of `output_size` windows that cover the last two dimensions evenly; None keeps a size."""


def _adaptive_indexed(input: Meta, output_size: int | tuple[int | None, ...]) -> Inferred:
    out: Meta = _adaptive_rule(2)(input, output_size)
    return Inferred((out, like(out, dtype=dtypes.int64)))


@op(_adaptive_indexed, on="", form_of="adaptive_max_pool2d", returns=("out", "indices"))
def _adaptive_max_pool2d_with_indices(input: Tensor, output_size: OpenSize) -> Tensor:
    """`adaptive_max_pool2d`, and where in its plane, row by row, each maximum lies."""
