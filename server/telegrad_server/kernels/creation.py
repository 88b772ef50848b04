"""New tensors: constants, ranges, identity matrices."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.spec import OPS

from ._shared import zero_gradient
from .registry import direct_kernel, kernel


@kernel
def zeros(xp, size, dtype, device):
    return xp.zeros(size, dtype or dtypes.float32)


@kernel
def ones(xp, size, dtype, device):
    return xp.ones(size, dtype or dtypes.float32)


@kernel
def empty(xp, size, dtype, device):
    return xp.zeros(size, dtype or dtypes.float32)


@kernel
def full(xp, size, fill_value, dtype, device):
    return xp.full(size, fill_value, OPS["full"].infer((size, fill_value, dtype, device)).meta.dtype)


@kernel
def eye(xp, n, m, dtype, device):
    return xp.eye(n, n if m is None else m, dtype or dtypes.float32)


@kernel
def arange(xp, start, end, step, dtype, device):
    meta = OPS["arange"].infer((start, end, step, dtype, device)).meta
    return xp.arange(start, step, meta.shape[0], meta.dtype)


@kernel
def linspace(xp, start, end, steps, dtype, device):
    return xp.linspace(start, end, steps, dtype or dtypes.float32)


@kernel
def logspace(xp, start, end, steps, base, dtype, device):
    exponents = xp.linspace(start, end, steps, dtypes.float64)
    return xp.cast(xp.power(float(base), exponents), dtype or dtypes.float32)


direct_kernel("fill", "full_like", input=zero_gradient, value=lambda f, g: f.sum(g))
