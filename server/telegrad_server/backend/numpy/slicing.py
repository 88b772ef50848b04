"""Views of parts of an array, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixin import NumpyMixin


class Slicing(NumpyMixin):
    """See `Primitives`."""

    tril = staticmethod(np.tril)

    triu = staticmethod(np.triu)

    def diagonal(self, array: Any, offset: int, axis1: int, axis2: int) -> Any:
        view = np.diagonal(array, offset, axis1, axis2)
        view.flags.writeable = array.flags.writeable
        return view

    def windows(self, array: Any, axis: int, size: int, step: int) -> Any:
        if not array.ndim:
            return array.reshape(1)[:size]
        views = np.lib.stride_tricks.sliding_window_view(array, size, axis, writeable=array.flags.writeable)
        return views[(slice(None),) * (axis % array.ndim) + (slice(None, None, step),)]
