"""Choosing between elements on a CUDA device."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from telegrad_server.backend.dtypes import BFLOAT16

from .mixin import SHADOW, CupyMixin


class Comparison(CupyMixin):
    """See `Primitives`."""

    def nan_to_num(self, array: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
        if array.dtype.kind not in "fV":
            return array.copy()
        limit = float(ml_dtypes.finfo(array.dtype).max)
        high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
        out = self.where(self.cp.isnan(array), 0.0 if nan is None else float(nan), array)
        out = self.where(self.cp.equal(array, math.inf), float(high), out)
        return self.where(self.cp.equal(array, -math.inf), float(low), out)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        cp = self.cp
        if not (hasattr(a, "dtype") or hasattr(b, "dtype")):
            kind = np.result_type(np.asarray(a), np.asarray(b))
            kind = np.dtype(np.float32) if kind == np.float64 else kind
            return cp.where(condition, cp.asarray(a, kind), cp.asarray(b, kind))
        if not (_is_bfloat16(a) or _is_bfloat16(b)):
            return cp.where(condition, a, b)
        return cp.where(condition, self._shadow(a), self._shadow(b)).view(BFLOAT16)

    def _shadow(self, value: Any) -> Any:
        """The bits of a bfloat16 array, or of a number as such."""
        if not hasattr(value, "dtype"):
            return int(np.asarray(value, BFLOAT16).view(SHADOW))
        return value.astype(BFLOAT16, copy=False).view(SHADOW)


def _is_bfloat16(value: Any) -> bool:
    return getattr(value, "dtype", None) == BFLOAT16
