"""Elementary functions that CuPy lacks, on a CUDA device."""

from __future__ import annotations

from typing import Any

from .mixin import CupyMixin


class Transcendental(CupyMixin):
    """See `Primitives`."""

    def erf(self, array: Any) -> Any:
        return self._map("transcendental", "error_function", array)
