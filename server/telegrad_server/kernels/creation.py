"""Tensors from nothing."""

from __future__ import annotations

from telegrad_protocol import dtypes

from .registry import kernel


@kernel
def zeros(xp, size, dtype):
    return xp.zeros(size, dtype or dtypes.float32)


@kernel
def ones(xp, size, dtype):
    return xp.ones(size, dtype or dtypes.float32)
