"""Which devices can be used here, found out by using each: `python -m telegrad_server.backend.probe` prints JSON.

In a process of its own, so that no other process of the server loads CUDA or dies of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np

PATIENCE = 120.0
"""Seconds that all the devices may take: the first kernels are compiled."""


class Found(NamedTuple):
    """A device: whether it works, why not, its name, and its bytes of memory."""

    device: str
    usable: bool
    reason: str
    name: str = ""
    memory: int = 0


def probe() -> list[Found]:
    """Every CUDA device, in this process; one entry without a number if there is none to ask about."""
    try:
        from .cupy import count_devices

        count = count_devices()
    except ImportError:
        return [Found("cuda", False, "CuPy is not installed: pip install 'telegrad[cuda13]', or cuda12")]
    except Exception as error:  # whatever a driver that is missing, old or broken says
        return [Found("cuda", False, f"{type(error).__name__}: {error}")]
    if not count:
        return [Found("cuda", False, "there is no CUDA device")]
    return [_probe_one(index) for index in range(count)]


def _probe_one(index: int) -> Found:
    from .cupy import describe_device, open_device

    device = f"cuda:{index}"
    try:
        name, memory = describe_device(index)
        xp = open_device(index)
        with xp.active():
            _use(xp)
    except Exception as error:  # any failure means that it cannot be used, and is the reason
        return Found(device, False, f"{type(error).__name__}: {error}")
    return Found(device, True, "", name, memory)


def _use(xp: Any) -> None:
    """Allocate, compile, multiply and sort, and compare with what NumPy gives."""
    numbers = np.arange(64, dtype=np.float32)[::-1].reshape(8, 8).copy()
    there = xp.cp.asarray(numbers)
    for what, got, expected in (
        ("a sum", xp.to_host(xp.sum(xp.multiply(there, 2), (0, 1))), numbers.sum() * 2),
        ("a product of matrices", xp.to_host(xp.matmul(there, there)), numbers @ numbers),
        ("a sort", xp.to_host(xp.argsort(there, False)), np.argsort(numbers, -1, kind="stable")),
        ("a kernel of ours", xp.to_host(xp.softmax(there, 1, False)).sum(1), np.ones(8)),
    ):
        if not np.allclose(got, expected, rtol=1e-5):
            raise ArithmeticError(f"{what} gives wrong values")


def found_devices() -> list[Found]:
    """What `probe` finds, in a process of its own."""
    command = [sys.executable, "-m", "telegrad_server.backend.probe"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return [Found("cuda", False, f"trying the devices took longer than {PATIENCE:.0f} s")]
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return [Found("cuda", False, f"trying the devices ended the process: {last[0]}")]
    return [Found(*fields) for fields in json.loads(done.stdout)]


if __name__ == "__main__":
    print(json.dumps(probe()))
