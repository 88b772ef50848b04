"""The CuPy backend on the strict module: our own kernels run, all else is NumPy under CuPy's rules."""

from __future__ import annotations

from typing import NamedTuple

from gpu.strict import Machine, StrictBlas, make_module

from telegrad_server.backend.cupy import CupyBackend
from telegrad_server.backend.cupy.device import DeviceSession


class Strict(NamedTuple):
    """A backend, and the machine that counts what it waits for."""

    xp: CupyBackend
    machine: Machine


def strict_backend(seed: int = 0) -> Strict:
    """A fresh backend; the seed decides the layouts of results."""
    machine = Machine(seed=seed)
    return Strict(CupyBackend(DeviceSession(make_module(machine), StrictBlas())), machine)
