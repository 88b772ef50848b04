"""New arrays on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_server.backend.dtypes import TO_NUMPY

from .mixin import NumpyMixin


class Creation(NumpyMixin):
    """See `Primitives`."""

    def zeros(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return np.zeros(shape, TO_NUMPY[dtype])

    def ones(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return np.ones(shape, TO_NUMPY[dtype])

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType) -> np.ndarray:
        return np.full(shape, value, TO_NUMPY[dtype])

    def eye(self, n: int, m: int, dtype: DType) -> np.ndarray:
        return np.eye(n, m, dtype=TO_NUMPY[dtype])

    def arange(self, start: Any, step: Any, count: int, dtype: DType) -> np.ndarray:
        exact = np.arange(count, dtype=np.int64 if type(start) is type(step) is int else np.float64)
        return (exact * step + start).astype(TO_NUMPY[dtype])

    def linspace(self, start: Any, end: Any, count: int, dtype: DType) -> np.ndarray:
        return np.linspace(start, end, count).astype(TO_NUMPY[dtype])

    def full_like(self, like: Any, value: Any) -> Any:
        return np.full(np.shape(like), value, like.dtype)

    def broadcast_copy(self, source: Any, like: Any) -> Any:
        out = np.empty(np.shape(like), like.dtype)
        np.copyto(out, source, casting="unsafe")
        return out
