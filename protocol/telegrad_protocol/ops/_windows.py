"""Windows of convolution and pooling: one number per spatial dimension, and how many windows fit."""

from __future__ import annotations

from telegrad_protocol.errors import ShapeError
from telegrad_protocol.shapes import Shape, check_size


def per_dim(value: Shape | int | None, count: int, name: str, default: Shape = ()) -> Shape:
    """`value` with one number for each of `count` dimensions; `default` for None or an empty one.

    >>> per_dim((3,), 2, "stride")
    (3, 3)
    """
    if isinstance(value, int):
        return (value,) * count
    if not value and default:
        return default
    if value is not None and len(value) == 1:
        return value * count
    if value is None or len(value) != count:
        given = None if value is None else list(value)
        raise ShapeError(
            f"expected {name} to be a single integer value or a list of {count} values to match the convolution "
            f"dimensions, but got {name}={given}",
            argument=name,
            expected=count,
            got=given,
        )
    return value


def check_frame(lead: Shape, padded: Shape, kernel: Shape, dilation: Shape) -> None:
    """Raise where images with their padding, or a window, have more elements than a tensor may.

    Offsets into them then fit 64 bits.
    """
    check_size((*lead, *padded))
    check_size(tuple([d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]))


def window_counts(
    size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool = False
) -> Shape:
    """The number of windows along each dimension; with `ceil_mode` the last may reach beyond the padding."""
    counts = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        reach = n + 2 * p - d * (k - 1) - 1
        count = (-(-reach // s) if ceil_mode else reach // s) + 1
        # The last window has to begin inside the input or its left padding.
        counts.append(count - 1 if ceil_mode and (count - 1) * s >= n + p else count)
    return tuple(counts)
