"""The machine that a strict module runs on: what it counts, what it forbids, and what it does at random."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from .memory import MemoryPointer, MemoryPool, OutOfMemoryError, PinnedMemoryPointer, RegisteredMemory
from .rules import StrictError

if TYPE_CHECKING:
    from .streams import Event, Stream


class _Local(threading.local):
    """What CUDA and CuPy keep for each thread."""

    def __init__(self) -> None:
        self.device = 0
        self.stream: Stream | None = None
        self.allocator: Any = None


class Machine:
    """Some devices with memory, streams and counters. `seed` decides the layouts of results.

    `syncs` counts, by name, what waited for the device; inside `no_sync()` each of them raises.
    """

    def __init__(self, seed: int = 0, devices: int = 2) -> None:
        self.random = random.Random(seed)
        self.devices = devices
        self.syncs: Counter[str] = Counter()
        self.pinned: WeakValueDictionary[int, PinnedMemoryPointer] = WeakValueDictionary()
        self.registered: list[RegisteredMemory] = []
        self.pools = [MemoryPool() for _ in range(devices)]
        self.local = _Local()
        self.classes: dict[str, Any] = {}
        self.events: WeakValueDictionary[int, Event] = WeakValueDictionary()
        self.streams: WeakSet[Stream] = WeakSet()
        self.default_streams: dict[int, Stream] = {}
        self.complaints: list[str] = []
        self._quiet = 0
        self._allocations_left: int | None = None
        for pool in self.pools:
            pool.machine = self

    # Synchronisations -----------------------------------------------------------------------------------------

    def sync(self, what: str, times: int = 1) -> None:
        """Count an operation that makes the host wait."""
        if self._quiet:
            raise StrictError(f"{what} waits for the device")
        self.syncs[what] += times

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """A stretch in which nothing may wait for the device."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    # Memory ---------------------------------------------------------------------------------------------------

    def fail_allocation(self, number: int | None) -> None:
        """Let the allocation `number` from now on, counted from 1, find no memory; None: let all find some."""
        self._allocations_left = number

    def allocate(self, size: int) -> MemoryPointer:
        """Memory from this thread's allocator on its device."""
        allocator = self.local.allocator or self.pools[self.local.device].malloc
        found: MemoryPointer = allocator(size)
        return found

    def count_allocation(self, size: int, total: int, limit: int) -> None:
        if self._allocations_left is None:
            return
        self._allocations_left -= 1
        if self._allocations_left == 0:
            self._allocations_left = None
            raise OutOfMemoryError(size, total, limit)

    def register(self, ptr: int, size: int, flags: int) -> None:
        """Pin memory of the host, for good."""
        self.registered.append(RegisteredMemory(ptr, size))

    def unregister(self, ptr: int) -> None:
        """Undo `register`."""
        self.registered = [memory for memory in self.registered if memory.ptr != ptr]

    def pinned_at(self, address: int, size: int) -> PinnedMemoryPointer | RegisteredMemory | None:
        """The pinned memory that holds these bytes of the host."""
        for pointer in [*self.pinned.values(), *self.registered]:
            if pointer.ptr <= address and address + size <= pointer.ptr + len(pointer):
                return pointer
        return None

    # Layout ---------------------------------------------------------------------------------------------------

    def any_order(self, ndim: int) -> list[int]:
        """Axes from the outermost in memory to the innermost, C's order half of the time."""
        order = list(range(ndim))
        if ndim > 1 and self.random.random() < 0.5:
            self.random.shuffle(order)
        return order


def dense_strides(shape: tuple[int, ...], itemsize: int, order: list[int]) -> tuple[int, ...]:
    """The strides of an array without gaps whose axes lie in memory in this order."""
    strides, step = [0] * len(shape), itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return tuple(strides)


def poison(array: np.ndarray) -> None:
    """Fill integers nobody has written with a number outside of any array; other dtypes have their nan already."""
    if array.dtype.kind in "biu":
        array.view(f"u{array.itemsize}")[...] = int.from_bytes(b"\x7f" * array.itemsize)
