"""Histograms, distinct values, membership, positions in a sorted sequence."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, ShapeError

from .registry import decomposition, kernel

LARGEST = 1 << 62


def _not_countable(outside):
    return ShapeError("bincount only supports 1-d non-negative integral inputs.", argument="input", got=outside)


@kernel
def bincount(xp, input, weights, minlength):
    xp.check_index(input, 0, LARGEST, _not_countable)
    counts = xp.bincount(input, weights, minlength)
    narrow = weights is not None and xp.meta_of(weights).dtype is dtypes.float32
    return xp.cast(counts, dtypes.float32) if narrow else counts


@kernel
def histc(xp, input, bins, min, max):
    return xp.cast(xp.histogram(input, bins, float(min), float(max)), xp.meta_of(input).dtype)


@kernel
def searchsorted(xp, sorted_sequence, input, out_int32, right, side, sorter):
    if sorter is not None:
        sorter = xp.check_index(sorter, 0, sorter.shape[-1], _not_sorted)
        sorted_sequence = xp.take_along_axis(sorted_sequence, sorter, -1)
    found = xp.searchsorted(sorted_sequence, input, right or side == "right")
    return xp.cast(found, dtypes.int32 if out_int32 else dtypes.int64)


def _not_sorted(outside):
    return OpIndexError("torch.searchsorted(): sorter index out of range", argument="sorter", got=outside)


@decomposition
def bucketize(f, input, boundaries, out_int32, right):
    return f.searchsorted(boundaries, input, out_int32=out_int32, right=right)


@kernel
def isin(xp, elements, test_elements, assume_unique, invert):
    return xp.isin(elements, test_elements, invert)


@kernel
def _one_hot_classes(xp, tensor, num_classes):
    xp.check_index(tensor, 0, num_classes, _no_class)
    return xp.one_hot(tensor, num_classes)


@kernel
def _one_hot_inferred(xp, tensor):
    xp.check_index(tensor, 0, LARGEST, _no_class)
    return xp.one_hot(tensor, xp.largest(tensor) + 1)


def _no_class(outside):
    expected = "non-negative" if outside < 0 else "smaller than num_classes"
    return ShapeError(f"Class values must be {expected}.", argument="tensor", got=outside)


@kernel
def _unique(xp, input, sorted, return_inverse, return_counts, dim):
    return xp.unique(input, dim)


@kernel
def _unique_consecutive(xp, input, return_inverse, return_counts, dim):
    return xp.unique_consecutive(input, dim)
