"""Counting and searching."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError

from .registry import composite, kernel


@kernel
def bincount(xp, input, weights, minlength):
    if xp.first_outside(input, 0, 1 << 62) is not None:
        raise ShapeError("bincount only supports 1-d non-negative integral inputs.", argument="input")
    counts = xp.bincount(input, weights, minlength)
    narrow = weights is not None and xp.meta_of(weights).dtype is dtypes.float32
    return xp.cast(counts, dtypes.float32) if narrow else counts


@kernel
def histc(xp, input, bins, min, max):
    return xp.cast(xp.histogram(input, bins, float(min), float(max)), xp.meta_of(input).dtype)


@kernel
def searchsorted(xp, sorted_sequence, input, out_int32, right, side, sorter):
    if sorter is not None:
        sorted_sequence = xp.take_along_axis(sorted_sequence, sorter, -1)
    found = xp.searchsorted(sorted_sequence, input, right or side == "right")
    return xp.cast(found, dtypes.int32 if out_int32 else dtypes.int64)


@composite
def bucketize(f, input, boundaries, out_int32, right):
    return f.searchsorted(boundaries, input, out_int32=out_int32, right=right)


@kernel
def isin(xp, elements, test_elements, assume_unique, invert):
    return xp.isin(elements, test_elements, invert)


@kernel
def _one_hot_classes(xp, tensor, num_classes):
    outside = xp.first_outside(tensor, 0, num_classes)
    if outside is not None:
        expected = "smaller than num_classes" if outside >= num_classes else "non-negative"
        raise ShapeError(f"Class values must be {expected}.", argument="tensor", got=outside)
    return xp.one_hot(tensor, num_classes)


@kernel
def _one_hot_inferred(xp, tensor):
    outside = xp.first_outside(tensor, 0, 1 << 62)
    if outside is not None:
        raise ShapeError("Class values must be non-negative.", argument="tensor", got=outside)
    return xp.one_hot(tensor, xp.largest(tensor) + 1)


@kernel
def _unique(xp, input, sorted, return_inverse, return_counts, dim):
    return xp.unique(input, dim)


@kernel
def _unique_consecutive(xp, input, return_inverse, return_counts, dim):
    return xp.unique_consecutive(input, dim)
