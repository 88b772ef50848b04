"""Padding at the edges."""

from __future__ import annotations

from telegrad_protocol.errors import ShapeError, UnsupportedOp
from telegrad_protocol.shapes import Meta, like
from telegrad_protocol.spec import Number, Size, Tensor, Value, op


def padded_shape(shape: tuple[int, ...], pad: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after padding: `pad` has two numbers per dimension, from the last on backwards."""
    if len(pad) % 2:
        raise ShapeError("Padding length must be divisible by 2", argument="pad", got=list(pad))
    if len(pad) > 2 * len(shape):
        raise ShapeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {len(shape)}",
            argument="pad",
            got=list(pad),
        )
    sizes = list(shape)
    for pair in range(len(pad) // 2):
        axis, before, after = len(shape) - 1 - pair, pad[2 * pair], pad[2 * pair + 1]
        sizes[axis] += before + after
        if sizes[axis] < 0:
            raise ShapeError(
                f"The input size {shape[axis]}, plus negative padding {before} and {after} resulted in a negative "
                f"output size, which is invalid. Check dimension {axis} of your input.",
                argument="pad",
                got=list(pad),
            )
    return tuple(sizes)


@op(lambda input, pad, value: like(input, shape=padded_shape(input.shape, pad)), on="", inner=True)
def _pad_constant(input: Tensor, pad: Size, value: Number) -> Tensor:
    """Pads with a number; negative padding cuts off."""


def _pad(input: Meta, pad: tuple[int, ...], mode: str, value: Number | None) -> Meta:
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise UnsupportedOp(f"Unrecognised padding mode {mode}", argument="mode", got=mode)
    shape = padded_shape(input.shape, pad)
    if mode != "constant":
        _check_border(input.shape, pad, mode, value)
    return like(input, shape=shape)


def _check_border(shape: tuple[int, ...], pad: tuple[int, ...], mode: str, value: Number | None) -> None:
    if value:
        raise ShapeError(f'Padding mode "{mode}" doesn\'t take in value argument', argument="value", got=value)
    if not pad or len(shape) - len(pad) // 2 not in (1, 2) or len(pad) > 6:
        raise UnsupportedOp(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now", argument="pad"
        )
    for index, width in enumerate(pad):
        size = shape[len(shape) - 1 - index // 2]
        if mode == "reflect" and width >= size:
            both = 2 * (index // 2)
            raise ShapeError(
                f"Argument #{4 + both}: Padding size should be less than the corresponding input dimension, but got: "
                f"padding ({pad[both]}, {pad[both + 1]}) at dimension {len(shape) - 1 - index // 2} of input {list(shape)}",
                argument="pad",
            )
        if mode == "circular" and width > size:
            raise ShapeError("Padding value causes wrapping around more than once.", argument="pad", got=list(pad))


@op(_pad, on="functional")
def pad(input: Tensor, pad: Size, mode: str = "constant", value: Value | None = None) -> Tensor:
    """Adds `pad` elements (before, after) to the last dimension, to the one before it, and so on.

    `mode` chooses their values: `value`; "reflect": the inside mirrored at the edge; "replicate": the edge;
    "circular": the other end. Negative numbers cut off.
    """
