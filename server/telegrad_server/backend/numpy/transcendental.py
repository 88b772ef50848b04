"""Elementary functions on the CPU that NumPy lacks, or computes slowly."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import transcendental as jit
from .mixin import NumpyMixin, is_fast, wide


class Transcendental(NumpyMixin):
    """See `Primitives`."""

    def tanh(self, array: Any) -> Any:
        return jit.tanh_forward(array) if is_fast(array) else np.tanh(array)

    def erf(self, array: Any) -> Any:
        return jit.erf_forward(wide(array)).astype(array.dtype, copy=False)
