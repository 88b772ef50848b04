"""Views of parts of an array, on a CUDA device."""

from __future__ import annotations

from typing import Any

from telegrad_server.backend.dtypes import BFLOAT16

from .mixin import SHADOW, CupyMixin


class Slicing(CupyMixin):
    """See `Primitives`."""

    def tril(self, array: Any, k: int = 0) -> Any:
        return self.cp.tril(array.view(SHADOW), k).view(BFLOAT16) if array.dtype == BFLOAT16 else self.cp.tril(array, k)

    def triu(self, array: Any, k: int = 0) -> Any:
        return self.cp.triu(array.view(SHADOW), k).view(BFLOAT16) if array.dtype == BFLOAT16 else self.cp.triu(array, k)

    def diagonal(self, array: Any, offset: int, axis1: int, axis2: int) -> Any:
        return self.cp.diagonal(array, offset, axis1, axis2)

    def windows(self, array: Any, axis: int, size: int, step: int) -> Any:
        if not array.ndim:
            return array.reshape(1)[:size]
        views = self.cp.lib.stride_tricks.sliding_window_view(array, size, axis)
        return views[(slice(None),) * (axis % array.ndim) + (slice(None, None, step),)]
