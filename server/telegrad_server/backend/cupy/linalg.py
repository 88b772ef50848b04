"""Linear algebra on a CUDA device, by cuSOLVER. Its own check for singular matrices would wait for the device:
a singular matrix gives infinities and nan instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .mixin import CupyMixin

Array = Any


class Linalg(CupyMixin):
    """See `Primitives`."""

    def inv(self, a: Array) -> Array:
        return self.cp.linalg.inv(a)

    def det(self, a: Array) -> Array:
        return self.cp.linalg.det(a)

    def solve(self, a: Array, b: Array) -> Array:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (self.cp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
        return self.cp.linalg.solve(a, b)

    def cholesky(self, a: Array) -> Array:
        return self.cp.linalg.cholesky(a)

    def slogdet(self, a: Array) -> tuple[Array, Array]:
        sign, logarithm = self.cp.linalg.slogdet(a)
        return sign, logarithm

    def eigh(self, a: Array, triangle: str) -> tuple[Array, Array]:
        values, vectors = self.cp.linalg.eigh(a, triangle)
        return values, vectors
