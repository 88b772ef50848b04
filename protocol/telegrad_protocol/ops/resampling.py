"""Images and volumes in another size."""

from __future__ import annotations

import math

from telegrad_protocol.errors import ShapeError, UnsupportedOp
from telegrad_protocol.rules import need_floating
from telegrad_protocol.shapes import Meta, Shape, like
from telegrad_protocol.spec import Size, Tensor, op

from ._windows import per_dim

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
    sizes = per_dim(size, input.ndim - 2, "size")
    if min(sizes) < 1 or min(input.shape[1:]) < 1:
        raise ShapeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape)} and output "
            f"{list(sizes)}",
            argument="size",
        )
    _check_scales(scales, len(sizes))
    return like(input, shape=(*input.shape[:2], *sizes))


def _check_scales(scales: tuple[float, ...] | None, dims: int) -> None:
    if scales is None:
        return
    if len(scales) != dims or not all(_LEAST_SCALE < scale < math.inf for scale in scales):
        raise ShapeError(
            f"expected {dims} positive scale factors, got {list(map(str, scales))}", argument="scales", expected=dims
        )


_LEAST_SCALE = 1e-300
"""The reciprocal of a scale factor is a number."""


@op(_resized, on="", autocast="float32")
def _interpolate(input: Tensor, size: Size, scales: list[float] | None, mode: str, align_corners: bool) -> Tensor:
    """Resizes the spatial dimensions of `input (N, C, ...)` to `size`; `scales` are the factors, if they differ
    from the ratio of the sizes. Modes: nearest, nearest-exact, linear, bilinear, trilinear.
    """
