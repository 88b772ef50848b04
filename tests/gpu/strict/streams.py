"""Devices, streams and events. A copy that runs beside the host has ended only once somebody waited for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from .memory import DEVICE_BYTES, POISON, PinnedMemoryPointer, RegisteredMemory, host_bytes
from .rules import StrictError

if TYPE_CHECKING:
    from .machine import Machine

# The references of a copy itself and of the question: who has more keeps the memory alive.
HELD_BY_COPY = 2


class Copy(NamedTuple):
    """A copy under way: bytes for the host, or bytes of the host that must not change meanwhile."""

    position: int
    data: np.ndarray
    host: np.ndarray
    pinned: PinnedMemoryPointer | RegisteredMemory
    to_host: bool

    def end(self) -> None:
        if sys.getrefcount(self.pinned) <= HELD_BY_COPY:
            raise StrictError("pinned memory was freed before its copy ended")
        if self.to_host:
            self.host[:] = self.data
        elif not np.array_equal(self.host, self.data):
            raise StrictError("pinned memory was overwritten before its copy ended")


class Stream:
    """A queue of work. `position` counts what was put in, `completed` what the host knows to have ended."""

    machine: Machine

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        self.device_id: int = self.machine.local.device
        self.position = self.completed = 0
        self._copies: list[Copy] = []
        self._waited: WeakKeyDictionary[Stream, int] = WeakKeyDictionary()
        self._before: list[Stream | None] = []
        self._polled = -1
        self.machine.streams.add(self)

    # Work -----------------------------------------------------------------------------------------------------

    def advance(self) -> int:
        self.position += 1
        return self.position

    def deliver(self, data: np.ndarray, host: np.ndarray) -> None:
        """Put bytes into pinned memory, at the end of the work so far."""
        host, pinned = self._pinned(host)
        host[:] = POISON
        self._copies.append(Copy(self.position, data, host, pinned, True))

    def watch(self, host: np.ndarray) -> None:
        """See that bytes of pinned memory stay as they are until the work so far has ended."""
        host, pinned = self._pinned(host)
        self._copies.append(Copy(self.position, host.copy(), host, pinned, False))

    def _pinned(self, host: np.ndarray) -> tuple[np.ndarray, PinnedMemoryPointer | RegisteredMemory]:
        """Bytes of the host by their address alone, and the pinned memory that they are in."""
        found = self.machine.pinned_at(host.ctypes.data, host.size)
        if found is None:
            raise StrictError("an asynchronous copy of memory that is not pinned waits for the device")
        return host_bytes(host.ctypes.data, host.size), found

    def complete(self, position: int | None = None) -> None:
        """Bring the work up to a position to its end."""
        if self.machine.complaints:
            raise StrictError(self.machine.complaints.pop())
        position = self.position if position is None else position
        ended = [copy for copy in self._copies if copy.position <= position]
        self._copies = [copy for copy in self._copies if copy.position > position]
        self.completed = max(self.completed, position)
        while ended:
            ended.pop(0).end()

    def knows(self, other: Stream, position: int) -> bool:
        """Whether work of another stream has ended before what comes now on this one."""
        return position <= other.completed or position <= self._waited.get(other, 0)

    # CuPy's face ----------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """False at first, as on a device that has not got there yet."""
        if self.completed < self.position and self._polled != self.position:
            self._polled = self.position
            return False
        self.complete()
        return True

    def synchronize(self) -> None:
        self.machine.sync("Stream.synchronize")
        self.complete()

    def record(self, event: Event | None = None) -> Event:
        event = event or self.machine.classes["Event"]()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        if event.stream is not None:
            self._waited[event.stream] = max(event.position, self._waited.get(event.stream, 0))

    def use(self) -> Stream:
        self.machine.local.stream = self
        return self

    def __enter__(self) -> Stream:
        self._before.append(self.machine.local.stream)
        return self.use()

    def __exit__(self, *_: Any) -> None:
        self.machine.local.stream = self._before.pop()


class Event:
    """A place in a stream."""

    machine: Machine

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.stream: Stream | None = None
        self.position = 0
        self._polled = False
        self.machine.events[self.ptr] = self

    @property
    def ptr(self) -> int:
        return id(self)

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or current_stream(self.machine)
        self.position = self.stream.position
        self._polled = False

    @property
    def done(self) -> bool:
        """False at the first look after `record`, unless the host has waited."""
        if self.stream is None or self.position <= self.stream.completed:
            return True
        if not self._polled:
            self._polled = True
            return False
        self.stream.complete(self.position)
        return True

    def synchronize(self) -> None:
        self.machine.sync("Event.synchronize")
        if self.stream is not None:
            self.stream.complete(self.position)


class Device:
    """One of the machine's devices."""

    machine: Machine

    def __init__(self, device: int | Device | None = None) -> None:
        self.id: int = self.machine.local.device if device is None else int(device)
        self._before: list[tuple[int, Stream | None]] = []
        if not 0 <= self.id < self.machine.devices:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id

    @property
    def compute_capability(self) -> str:
        return "90"

    @property
    def mem_info(self) -> tuple[int, int]:
        return DEVICE_BYTES - self.machine.pools[self.id].total_bytes(), DEVICE_BYTES

    def synchronize(self) -> None:
        self.machine.sync("Device.synchronize")
        for stream in list(self.machine.streams):
            if stream.device_id == self.id:
                stream.complete()

    def use(self) -> Device:
        self.machine.local.device = self.id
        return self

    def __enter__(self) -> Device:
        self._before.append((self.machine.local.device, self.machine.local.stream))
        self.machine.local.stream = None
        return self.use()

    def __exit__(self, *_: Any) -> None:
        self.machine.local.device, self.machine.local.stream = self._before.pop()


def current_stream(machine: Machine) -> Stream:
    """The stream that this thread's work goes to: the one in use, or the device's default."""
    stream = machine.local.stream
    if stream is not None:
        return stream
    found = machine.default_streams.get(machine.local.device)
    if found is None:
        found = machine.default_streams[machine.local.device] = machine.classes["Stream"](null=True)
    return found


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds between two events that have happened; no time passes here."""
    if not all(event.stream and event.position <= event.stream.completed for event in (start_event, end_event)):
        raise RuntimeError("cudaErrorNotReady: device not ready")
    return 0.0
