"""New arrays on a CUDA device."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_server.backend.dtypes import TO_NUMPY

from .mixin import CupyMixin


class Creation(CupyMixin):
    """See `Primitives`."""

    def zeros(self, shape: tuple[int, ...], dtype: DType) -> Any:
        return self.cp.zeros(shape, TO_NUMPY[dtype])

    def ones(self, shape: tuple[int, ...], dtype: DType) -> Any:
        return self.cp.ones(shape, TO_NUMPY[dtype])

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType) -> Any:
        return self.cp.full(shape, value, TO_NUMPY[dtype])

    def eye(self, n: int, m: int, dtype: DType) -> Any:
        return self.cp.eye(n, m, dtype=TO_NUMPY[dtype])

    def arange(self, start: Any, step: Any, count: int, dtype: DType) -> Any:
        exact = self.cp.arange(count, dtype=np.int64 if type(start) is type(step) is int else np.float64)
        return (exact * step + start).astype(TO_NUMPY[dtype])

    def linspace(self, start: Any, end: Any, count: int, dtype: DType) -> Any:
        return self.cp.linspace(start, end, count).astype(TO_NUMPY[dtype])

    def full_like(self, like: Any, value: Any) -> Any:
        return self.cp.full(like.shape, value, like.dtype)

    def broadcast_copy(self, source: Any, like: Any) -> Any:
        out = self.cp.empty(like.shape, like.dtype)
        out[...] = source
        return out
