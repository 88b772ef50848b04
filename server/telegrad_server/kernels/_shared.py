"""Helpers that kernels of several families share."""

from __future__ import annotations

from telegrad_protocol.dtypes import FLOAT


def dtype_of(f, x):
    """The dtype of an array or a tensor."""
    return (getattr(x, "_meta", None) and x._meta.dtype) or f.xp.meta_of(x).dtype


def zero_gradient(f, g):
    """The gradient where the result does not depend on the input: zeros."""
    return f.detach(f.fill(g, 0))


def number_like(f, input, number):
    """The number as an element of `input`'s dtype: without its fraction for integers."""
    return number if dtype_of(f, input).category == FLOAT else int(number)


def at_least(f, x, bound):
    """`x` raised to `bound` where it is less, with the gradient of `x`: safe to divide by."""
    return f.add(x, f.detach(f.clamp_min(f.sub(bound, x), 0.0)))
