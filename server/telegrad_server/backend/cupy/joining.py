"""Joining, repeating and padding arrays on a CUDA device."""

from __future__ import annotations

from typing import Any

from telegrad_server.backend.numpy.joining import repeated_index

from .mixin import CupyFunction, CupyMixin


class Joining(CupyMixin):
    """See `Primitives`."""

    concatenate = CupyFunction()
    stack = CupyFunction()
    tile = CupyFunction()

    def repeated_index(self, repeats: Any, count: int) -> Any:
        return self.cp.asarray(repeated_index(repeats.get(), count))
