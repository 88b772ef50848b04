"""Choosing between elements on the CPU."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from .jit import comparison as jit
from .mixin import FAST, NumpyMixin

# From so many elements on, choosing one by one costs more than the call of a compiled kernel.
MANY = 1 << 12


class Comparison(NumpyMixin):
    """See `Primitives`."""

    def nan_to_num(self, array: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
        if array.dtype.kind == "V":  # NumPy leaves what an extension dtype holds
            limit = float(ml_dtypes.finfo(array.dtype).max)
            high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
            return self.nan_to_num(array.astype(np.float32), nan, high, low).astype(array.dtype)
        return np.nan_to_num(array, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        chosen = _chosen(condition, a, b)
        numbers = not hasattr(a, "dtype") and not hasattr(b, "dtype")
        return chosen.astype(np.float32) if numbers and chosen.dtype == np.float64 else chosen


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    """As NumPy's `where`, which jumps for each element, by a kernel of ours where there are many."""
    if np.size(condition) < MANY or condition.dtype != np.bool_:
        return np.where(condition, a, b)
    arrays = [x for x in (a, b) if hasattr(x, "dtype")]
    if not arrays or arrays[0].dtype not in FAST or arrays[-1].dtype != arrays[0].dtype:
        return np.where(condition, a, b)
    values = [condition, a, b]
    if not all(x.shape == condition.shape and x.flags.c_contiguous for x in (condition, *arrays)):
        shape = np.broadcast_shapes(condition.shape, *[x.shape for x in arrays])
        values = [np.ascontiguousarray(np.broadcast_to(x, shape)) if hasattr(x, "dtype") else x for x in values]
    return jit.chosen(*values)
