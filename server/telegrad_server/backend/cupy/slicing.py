"""Views of parts of an array, on a CUDA device."""

from __future__ import annotations

from typing import Any

from .mixin import CupyMixin


class Slicing(CupyMixin):
    """See `Primitives`."""

    def diagonal(self, array: Any, offset: int, axis1: int, axis2: int) -> Any:
        return self.cp.diagonal(array, offset, axis1, axis2)

    def windows(self, array: Any, axis: int, size: int, step: int) -> Any:
        if not array.ndim:
            return array.reshape(1)[:size]
        views = self.cp.lib.stride_tricks.sliding_window_view(array, size, axis)
        return views[(slice(None),) * (axis % array.ndim) + (slice(None, None, step),)]
