"""Images and volumes in another size."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.ops._windows import per_dim

from .registry import decomposition


@decomposition
def _interpolate(f, input, size, scales, mode, align_corners):
    out = input
    size = per_dim(size, input.ndim - 2, "size")
    factors = (None,) * len(size) if scales is None else tuple(scales)
    for axis, (count, factor) in enumerate(zip(size, factors, strict=True), 2):
        if mode.startswith("nearest"):
            out = _nearest(f, out, axis, count, factor, mode)
        else:
            out = _linear(f, out, axis, count, factor, align_corners)
    return out


def _ratio(length, count, factor):
    return length / count if factor is None else 1 / factor


def _nearest(f, x, axis, count, factor, mode):
    half = 0.5 if mode == "nearest-exact" else 0.0
    ratio = _ratio(x.shape[axis], count, factor)
    at = f.floor(f.mul(f.add(f.arange(0, count, dtype=dtypes.float64), half), ratio))
    places = f._to_dtype(f.clamp(at, 0, x.shape[axis] - 1), dtypes.int64)
    return f.index_select(x, axis, places)


def _linear(f, x, axis, count, factor, align_corners):
    """Linear interpolation between the two neighbours of each new element."""
    length = x.shape[axis]
    steps = f.arange(0, count, dtype=dtypes.float64)
    if align_corners:
        at = f.mul(steps, (length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        ratio = _ratio(length, count, factor)
        at = f.clamp(f.sub(f.mul(f.add(steps, 0.5), ratio), 0.5), 0.0)
    low = f.clamp(f.floor(at), 0, length - 1)
    high = f.clamp(f.add(low, 1.0), 0, length - 1)
    share = f.reshape(f.clamp(f.sub(at, low), 0.0, 1.0), (count, *(1,) * (x.ndim - axis - 1)))
    share = f._to_dtype(share, x.dtype)
    below, above = (f.index_select(x, axis, f._to_dtype(end, dtypes.int64)) for end in (low, high))
    return f.add(below, f.mul(f.sub(above, below), share))
