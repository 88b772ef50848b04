"""Linear algebra on the CPU. LAPACK works on copies of one matrix at a time, which NumPy allocates uncounted."""

from __future__ import annotations

import math

import numpy as np

from .mixin import NumpyMixin

Array = np.ndarray


class Linalg(NumpyMixin):
    """See `Primitives`."""

    def inv(self, a: Array) -> Array:
        with self._beside(2 * _matrix_bytes(a)):
            return np.linalg.inv(a)

    def det(self, a: Array) -> Array:
        with self._beside(_matrix_bytes(a)):
            return np.linalg.det(a)

    def solve(self, a: Array, b: Array) -> Array:
        with self._beside(_matrix_bytes(a) + (_matrix_bytes(b) if b.ndim > 1 else b.nbytes)):
            return np.linalg.solve(a, b)

    def cholesky(self, a: Array) -> Array:
        with self._beside(_matrix_bytes(a)):
            return np.linalg.cholesky(a)

    def slogdet(self, a: Array) -> tuple[Array, Array]:
        with self._beside(_matrix_bytes(a)):
            sign, logarithm = np.linalg.slogdet(a)
        return sign, logarithm

    def eigh(self, a: Array, triangle: str) -> tuple[Array, Array]:
        with self._beside(4 * _matrix_bytes(a)):
            values, vectors = np.linalg.eigh(a, triangle)
        return values, vectors


def _matrix_bytes(a: Array) -> int:
    """Of one matrix of a batch."""
    return math.prod(a.shape[-2:]) * a.itemsize
