"""Products of matrices on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit.matmul import for_blas, product, products
from .mixin import NumpyMixin, is_half, rows_of

Array = np.ndarray


class Matmul(NumpyMixin):
    """See `Primitives`."""

    def matmul(self, a: Array, b: Array) -> Any:
        if is_half(a):
            return np.asarray(self.matmul(a.astype(np.float32), b.astype(np.float32))).astype(a.dtype)
        if b.ndim == 2 and a.ndim > 1 and a.dtype.kind == "f":
            # One product over all rows instead of one per matrix.
            flat = product(rows_of(a), b)
            return flat.reshape(*a.shape[:-1], b.shape[-1])
        if a.ndim > 2 and a.shape[:-2] == b.shape[:-2] and a.dtype.kind == "f":
            return products(a, b)
        return np.matmul(for_blas(a), for_blas(b))

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Any:
        plain = x.ndim > 1 and weight.ndim == 2 and x.dtype.kind == "f" and not is_half(x)
        if plain and (bias is None or bias.shape == weight.shape[:1]):
            return product(rows_of(x), weight.T, bias).reshape(*x.shape[:-1], len(weight))
        out = self.matmul(x, weight.T)
        return out if bias is None else out + bias
