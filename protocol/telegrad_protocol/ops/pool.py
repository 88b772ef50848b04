"""Pooling: maxima and averages of windows; and resizing."""

from __future__ import annotations

from typing import Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError, UnsupportedOp
from telegrad_protocol.rules import need_floating
from telegrad_protocol.shapes import Meta, Shape, like
from telegrad_protocol.spec import Inferred, OpenSize, Rule, Size, Tensor, op

from ._windows import per_dim, window_counts


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
    counts = window_counts(input.shape[-dims:], kernel, steps, margin, apart, ceil_mode)
    if min(counts) < 1:
        shown = "x".join(map(str, input.shape[-dims - 1 :]))
        result = "x".join(map(str, (input.shape[-dims - 1], *(max(0, n) for n in counts))))
        raise ShapeError(
            f"Given input size: ({shown}). Calculated output size: ({result}). Output size is too small",
            argument="input",
        )
    return (*input.shape[:-dims], *counts)


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


@op(_indexed_rule(1), on="", returns=("out", "indices"))
def _max_pool1d_with_indices(
    input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> Tensor:
    """`max_pool1d`, and where in its row each maximum lies."""


@op(_indexed_rule(2), on="", form_of="max_pool2d", returns=("out", "indices"))
def _max_pool2d_with_indices(
    input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> Tensor:
    """`max_pool2d`, and where in its plane, row by row, each maximum lies."""


@op(_indexed_rule(3), on="", returns=("out", "indices"))
def _max_pool3d_with_indices(
    input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> Tensor:
    """`max_pool3d`, and where in its volume each maximum lies."""


def _sized(grad: Meta, *rest: Any) -> Meta:
    return like(grad, shape=next(value for value in rest if isinstance(value, tuple)))


@op(_sized, on="")
def _max_pool2d_backward(grad: Tensor, indices: Tensor, size: Size) -> Tensor:
    """The gradient for the input, of shape `size`, of a pool that took the elements at `indices`."""


def _taken(input: Meta, indices: Meta) -> Meta:
    return like(input, shape=indices.shape)


@op(_taken, on="")
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
    """The average of each window of `input (N, C, H, W)` or `(C, H, W)`; padding counts unless told otherwise."""


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


@op(_sized, on="")
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
    """The sizes of an adaptive pool's planes: where None is given, those of the input of that `shape`.

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


@op(_sized, on="")
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


_RANKS = {"nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "linear": (3,), "bilinear": (4,), "trilinear": (5,)}


def _resized(input: Meta, size: Shape, scales: tuple[float, ...] | None, mode: str, align_corners: bool) -> Meta:
    if mode in ("bicubic", "area", "lanczos"):
        raise UnsupportedOp(f"interpolate: mode '{mode}' is not supported", expected=sorted(_RANKS), argument="mode")
    if mode not in _RANKS or input.ndim not in (3, 4, 5):
        raise UnsupportedOp(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest | linear "
            f"| bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})",
            expected=sorted(_RANKS),
            argument="mode",
        )
    need_floating(input)
    if input.ndim not in _RANKS[mode]:
        ranks = " or ".join(f"{rank}D" for rank in _RANKS[mode])
        raise UnsupportedOp(f"Got {input.ndim}D input, but {mode} mode needs {ranks} input", argument="input")
    return like(input, shape=(*input.shape[:2], *per_dim(size, input.ndim - 2, "size")))


@op(_resized, on="")
def _interpolate(input: Tensor, size: Size, scales: list[float] | None, mode: str, align_corners: bool) -> Tensor:
    """Resizes the spatial dimensions of `input (N, C, ...)` to `size`; `scales` are the factors, if they differ
    from the ratio of the sizes. Modes: nearest, nearest-exact, linear, bilinear, trilinear.
    """
