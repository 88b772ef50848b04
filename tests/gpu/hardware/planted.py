"""Faults that a rehearsal plants to see that the report shows them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple


class Plant(NamedTuple):
    """A fault: `put` puts it into the step that should find it."""

    step: str
    put: Callable[[], None]


def plant(fault: str, step: str) -> None:
    """Put a fault in place, if this is the step for it."""
    found = PLANTS[fault]
    if found.step == step:
        found.put()


def _wrong_kernel() -> None:
    """A kernel that no compiler takes."""
    from telegrad_server.backend.cupy import device

    right = device.source

    def source(family: str) -> str:
        code = right(family)
        return f"{code}\n__global__ void planted() {{ undeclared = 1; }}\n" if family == "scan" else code

    device.source = source  # type: ignore[assignment]


def _wrong_result() -> None:
    """An op that is a little off on the device."""
    from telegrad_server.backend.cupy import CupyBackend

    CupyBackend.exp = lambda self, array: self.cp.exp(array) * 1.01  # type: ignore[attr-defined]


def _hang() -> None:
    """A step that never ends."""

    def hanging_for_good() -> None:
        while True:
            time.sleep(1)

    hanging_for_good()


PLANTS: Final = {
    "wrong-kernel": Plant("kernels", _wrong_kernel),
    "wrong-result": Plant("doctor", _wrong_result),
    "hang": Plant("throughput", _hang),
}
