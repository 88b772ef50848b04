"""Choosing between elements, without the jumps of NumPy's `where`; of C-contiguous arrays in float32 or float64."""

from __future__ import annotations

import numpy as np

from ._jit import kernel, share_elements


@kernel
def _either(condition, a, b, out):
    for i in range(out.size):
        left, right = a[i], b[i]
        out[i] = left if condition[i] else right


@kernel
def _unless(condition, a, out, number):
    for i in range(out.size):
        value = a[i]
        out[i] = number if condition[i] else value


@kernel
def _if(condition, a, out, number):
    for i in range(out.size):
        value = a[i]
        out[i] = value if condition[i] else number


def chosen(condition: np.ndarray, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """`a` where the condition holds, else `b`, of which one may be a number."""
    like = a if isinstance(a, np.ndarray) else b
    assert isinstance(like, np.ndarray)
    out, real = np.empty_like(like), like.dtype.type
    if not isinstance(a, np.ndarray):
        share_elements(_unless, (condition, like, out), real(a))
    elif not isinstance(b, np.ndarray):
        share_elements(_if, (condition, like, out), real(b))
    else:
        share_elements(_either, (condition, a, b, out))
    return out
