"""Device memory: blocks, pointers into them, pools with a limit, and pinned memory of the host."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .rules import StrictError

if TYPE_CHECKING:
    from .machine import Machine
    from .streams import Stream

UNIT: Final = 512
POISON: Final = 0xFF


class OutOfMemoryError(MemoryError):
    """As CuPy's: its arguments are bytes."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes, limit set to: {limit:,} bytes)."
        )


class Block:
    """An allocation. Its bytes are poison before the first write, and again when the last array is gone."""

    def __init__(self, machine: Machine, size: int, pool: MemoryPool) -> None:
        self.machine = machine
        self.size = size
        self.pool = pool
        self.device_id: int = machine.local.device
        self.buffer = np.full(size, POISON, np.uint8)
        self.ptr: int = self.buffer.ctypes.data
        self.stream: Stream | None = None
        self.position = 0
        self._read_by: list[tuple[Stream, int]] = []

    def touch(self, stream: Stream) -> None:
        """Use the block on a stream: a block of another device, or work of another stream, must not be in the way."""
        self._check(stream)
        self.stream, self.position = stream, stream.advance()

    def read(self, stream: Stream) -> None:
        """Copy from the block on a stream. Others may use it meanwhile: arrays do not say whether they only read."""
        self._check(stream)
        self._read_by.append((stream, stream.advance()))

    def _check(self, stream: Stream) -> None:
        if self.device_id != stream.device_id:
            raise ValueError(
                f"Array device must be same as the current device: array device = {self.device_id} while current = "
                f"{stream.device_id}"
            )
        if self.stream is not None and self.stream is not stream and not stream.knows(self.stream, self.position):
            raise StrictError("memory used on a stream that has not waited for the stream that wrote it")

    def __del__(self) -> None:
        if any(position > stream.completed for stream, position in self._read_by if stream is not self.stream):
            self.machine.complaints.append("memory was freed while a copy on another stream was reading it")
        self.buffer.fill(POISON)
        self.pool.take_back(self.size)


class MemoryPointer:
    """An address in a block."""

    def __init__(self, mem: Block, offset: int) -> None:
        self.mem = mem
        self._offset = offset

    @property
    def ptr(self) -> int:
        return self.mem.ptr + self._offset

    @property
    def device_id(self) -> int:
        return self.mem.device_id

    def __add__(self, offset: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self._offset + offset)

    def _bytes(self, size: int) -> np.ndarray:
        if self._offset + size > self.mem.size:
            raise StrictError("a copy reaches beyond its block")
        return self.mem.buffer[self._offset : self._offset + size]

    def memset(self, value: int, size: int) -> None:
        self.memset_async(value, size)

    def memset_async(self, value: int, size: int, stream: Stream | None = None) -> None:
        self.mem.touch(stream or _current(self))
        self._bytes(size)[:] = value

    def copy_from_host(self, mem: Any, size: int) -> None:
        self.mem.machine.sync("MemoryPointer.copy_from_host")
        self.mem.touch(_current(self))
        self._bytes(size)[:] = host_bytes(mem, size)

    def copy_from_host_async(self, mem: Any, size: int, stream: Stream | None = None) -> None:
        """The device sees the bytes in the stream's order; the host must leave them alone until the copy has ended."""
        stream = stream or _current(self)
        self.mem.touch(stream)
        source = host_bytes(mem, size)
        self._bytes(size)[:] = source
        stream.watch(source)

    def copy_to_host(self, mem: Any, size: int) -> None:
        stream = _current(self)
        self.mem.machine.sync("MemoryPointer.copy_to_host")
        self.mem.touch(stream)
        host_bytes(mem, size)[:] = self._bytes(size)
        stream.complete()

    def copy_to_host_async(self, mem: Any, size: int, stream: Stream | None = None) -> None:
        """The host finds poison until the copy is known to have ended."""
        stream = stream or _current(self)
        self.mem.read(stream)
        stream.deliver(self._bytes(size).copy(), host_bytes(mem, size))

    def copy_from_device(self, src: MemoryPointer, size: int) -> None:
        self.copy_from_device_async(src, size)

    def copy_from_device_async(self, src: MemoryPointer, size: int, stream: Stream | None = None) -> None:
        stream = stream or _current(self)
        self.mem.touch(stream)
        src.mem.touch(stream)
        self._bytes(size)[:] = src._bytes(size)


def _current(pointer: MemoryPointer) -> Stream:
    from .streams import current_stream

    return current_stream(pointer.mem.machine)


def host_bytes(mem: Any, size: int) -> np.ndarray:
    """The bytes at an address of the host, an integer or a `c_void_p`."""
    address = mem.value if isinstance(mem, ctypes.c_void_p) else int(mem)
    return np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(address)) if size else np.empty(0, np.uint8)


class MemoryPool:
    """Memory that is handed out in units of 512 bytes, up to a limit."""

    machine: Machine

    def __init__(self) -> None:
        self._used = self._free = self._limit = 0

    def malloc(self, size: int) -> MemoryPointer:
        rounded = -(-size // UNIT) * UNIT
        self.machine.count_allocation(rounded, self.total_bytes(), self._limit)
        if self._limit and self._used + rounded > self._limit:
            raise OutOfMemoryError(rounded, self.total_bytes(), self._limit)
        reused = min(self._free, rounded)
        self._used, self._free = self._used + rounded, self._free - reused
        if self._limit and self.total_bytes() > self._limit:
            self._free = 0
        return MemoryPointer(Block(self.machine, rounded, self), 0)

    def take_back(self, size: int) -> None:
        self._used, self._free = self._used - size, self._free + size

    def free_all_blocks(self, stream: Stream | None = None) -> None:
        self._free = 0

    def used_bytes(self) -> int:
        return self._used

    def free_bytes(self) -> int:
        return self._free

    def total_bytes(self) -> int:
        return self._used + self._free

    def get_limit(self) -> int:
        return self._limit

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        if (size is None) == (fraction is None):
            raise ValueError("set_limit takes a size or a fraction")
        self._limit = int(DEVICE_BYTES * fraction) if size is None else size  # type: ignore[operator]


DEVICE_BYTES: Final = 8 << 30


class PinnedMemoryPointer(bytearray):
    """Memory of the host that the device reads and writes by itself; a buffer, as CuPy's, in whole units."""

    def __init__(self, machine: Machine, size: int) -> None:
        super().__init__(bytes([POISON]) * max(-(-size // UNIT) * UNIT, UNIT))
        self.ptr: int = np.frombuffer(self, np.uint8).ctypes.data
        machine.pinned[self.ptr] = self

    def size(self) -> int:
        return len(self)


class RegisteredMemory:
    """Memory of the host that its owner had pinned."""

    def __init__(self, ptr: int, size: int) -> None:
        self.ptr, self._size = ptr, size

    def __len__(self) -> int:
        return self._size


class PinnedMemoryPool:
    """Hands out pinned memory."""

    machine: Machine

    def malloc(self, size: int) -> PinnedMemoryPointer:
        return PinnedMemoryPointer(self.machine, size)

    def free_all_blocks(self) -> None:
        """Nothing is kept here that could be given back."""
