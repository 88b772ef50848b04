"""Samples of linear algebra: inverses, determinants, systems of equations, factors, distances."""

from __future__ import annotations

from .base import T, sample

A = T(values=[[3.0, 0.5, -1.0], [0.2, 2.0, 0.3], [-0.7, 0.4, 4.0]])
POSITIVE = T(values=[[[3.0, 0.5], [0.5, 2.0]], [[1.5, -0.2], [-0.2, 4.0]]])

for name in ("inv", "det", "slogdet"):
    sample(name, A)
    sample(name, POSITIVE)
sample("solve", A, T(3, 2))
sample("solve", A, T(3))
sample("solve", POSITIVE, T(2, 3))
sample("solve", POSITIVE, T(2, 2))
sample("cholesky", POSITIVE, smooth=False)
sample("cholesky", POSITIVE, upper=True, smooth=False)
# Finite differences would have to keep the matrix symmetric; an eigenvector's sign is the library's choice.
sample("eigh", POSITIVE, smooth=False, oracle=False)
sample("cdist", T(3, 4), T(5, 4), second=False)
sample("cdist", T(2, 3, 4), T(5, 4), p=1.0, second=False)
sample("cdist", T(3, 4), T(5, 4), p=3.0, second=False)
sample("cdist", T(3, 4), T(5, 4), p=float("inf"), second=False)
sample("pairwise_distance", T(3, 4), T(3, 4))
sample("pairwise_distance", T(3, 4), T(4), p=1.0, keepdim=True)
sample("cosine_similarity", T(3, 4), T(3, 4))
sample("cosine_similarity", T(3, 4), T(1, 4), dim=-1)
sample("trace", T(3, 4))
sample("trace", T(3, 3, dtype="int32", low=-5, high=5))
sample("cross", T(2, 3), T(2, 3))
sample("cross", T(3, 4), T(3, 4), dim=0)
