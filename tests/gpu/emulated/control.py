"""What a test may ask of the emulated devices, and set."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

_runtime: ModuleType | None = None


class Counters(NamedTuple):
    """What has happened since CuPy was loaded; take the difference of two."""

    launches: int
    to_device: int
    to_host: int
    on_device: int
    synchronizations: int
    allocations: int

    def __sub__(self, earlier: Counters) -> Counters:
        return Counters(*(now - then for now, then in zip(self, earlier, strict=True)))


def attach(runtime: ModuleType) -> None:
    global _runtime
    _runtime = runtime


def emulated_runtime() -> ModuleType:
    if _runtime is None:
        raise RuntimeError("no emulated device: call load_cupy() first")
    return _runtime


def counters() -> Counters:
    """Launches, copies, waits and allocations of device memory (a pool's, not each array's) so far."""
    return Counters(*emulated_runtime().counters())


def set_limit(size: int, device: int = 0) -> None:
    """How many bytes a device has; an allocation beyond them fails as on a full one."""
    emulated_runtime().set_limit(device, size)


def break_device() -> None:
    """Let every call fail from now on, as after an illegal address in a kernel; there is no way back."""
    emulated_runtime().break_device()


def check_fences() -> None:
    """Raise if a kernel wrote just outside an allocation. Waiting for the device looks too; each is told once."""
    emulated_runtime().check_fences()
