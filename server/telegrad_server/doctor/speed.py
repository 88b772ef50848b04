"""How fast a device is: matrix products, and bytes between it and the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from telegrad_protocol import dtypes

from .report import Part

REPEATS = 5

SIZES = {"cpu": (512, 1024), "cuda": (2048, 4096)}
"""Rows of the square matrices that are multiplied, quick and not, by the kind of device."""

BYTES = (32 << 20, 256 << 20)
"""What is copied, quick and not."""


def measure(xp: Any, quick: bool) -> Part:
    """The best of a few tries of each: what the device can do, not what it does on average."""
    return {**_bandwidths(xp, BYTES[not quick]), "matmul_gflops": _products(xp, quick)}


def _bandwidths(xp: Any, nbytes: int) -> dict[str, float]:
    """As the server does them: through memory of the host that the device reaches directly."""
    host, there = np.ones(nbytes, np.uint8).data, xp.upload_buffer(nbytes)
    xp.pin(host)
    now = xp.record_event()
    into = nbytes / _best(xp, lambda: xp.copy_in(there, 0, host, now)) / 1e9
    out = nbytes / _best(xp, lambda: xp.copy_out(there, 0, host, now)) / 1e9
    xp.unpin(host)
    if xp.name == "cpu":  # no other memory to carry bytes to
        return {"copy_gb_per_s": into}
    return {"host_to_device_gb_per_s": into, "device_to_host_gb_per_s": out}


def _products(xp: Any, quick: bool) -> dict[str, float]:
    on_cpu = xp.name == "cpu"
    size = SIZES["cpu" if on_cpu else "cuda"][not quick]
    # NumPy has no fast products of halves.
    kinds = (
        (dtypes.float32, dtypes.float64)
        if on_cpu
        else (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)
    )
    rates = {}
    for dtype in kinds:
        a = xp.full((size, size), 0.5, dtype)
        rates[dtype.name] = 2 * size**3 / _best(xp, partial(xp.matmul, a, a)) / 1e9
    return rates


def _best(xp: Any, work: Callable[[], Any]) -> float:
    """Seconds that `work` takes, after a first time that prepares."""
    taken = []
    for _ in range(1 + REPEATS):
        xp.synchronize()
        begin = time.perf_counter()
        work()
        xp.synchronize()
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])
