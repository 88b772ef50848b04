"""A GPU's random numbers, held to the reference of its generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol import dtypes
from telegrad_server.backend.random import philox

from .report import Part

SHAPE, COUNT, SEED = (7, 29), 203, 2**63 + 5


def try_draws(xp: Any) -> Part:
    """Units and integers must be the very same; normals go through logarithms and cosines of another library."""
    start = philox.Counter(np.uint64(SEED), np.uint64(0))
    double = xp.dtype(dtypes.float64)

    def drawn(name: str, *arguments: Any) -> np.ndarray:
        values: np.ndarray = xp.to_host(getattr(xp, name)(philox.PhiloxGenerator(SEED), *arguments))
        return values.reshape(-1)

    units = drawn("rand", SHAPE, dtypes.float64)
    integers = drawn("randint", -7, 90, SHAPE, dtypes.int64)
    normals = drawn("randn", SHAPE, dtypes.float64)
    agreed = {
        "units": np.array_equal(units, philox.units(start, COUNT, double)),
        "integers": np.array_equal(integers, philox.integers(start, COUNT, -7, 97)),
        "normals": np.allclose(normals, philox.normals(start, COUNT, double), rtol=1e-12, atol=1e-14),
    }
    return {"ok": all(agreed.values()), **agreed}
