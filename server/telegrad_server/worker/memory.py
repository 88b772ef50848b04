"""Memory admission: the memory that a kernel takes is asked for before it runs."""

from __future__ import annotations

import sys
from typing import Any, Final

from telegrad_protocol.errors import OutOfMemory

SLACK: Final = 32 << 20
"""Bytes beyond the limit that kernels may take for intermediate values; the process's own memory counts there too."""

# Measured bytes of the Python objects for an id and its tensor, a failed id, a storage, a node, and a generator.
ID_BYTES: Final = 450
FAILED_BYTES: Final = 110
STORAGE_BYTES: Final = 150
NODE_BYTES: Final = 750
GENERATOR_BYTES: Final = 6000


class Budget:
    """Counts bytes in use against a limit, per storage. One per worker, with a child per session.

    `objects` is the memory of the Python objects for tensors, ids and nodes, as last counted; `room` is the limit less
    that.

    >>> budget = Budget(100)
    >>> budget.take(60); budget.used
    60
    """

    __slots__ = ("limit", "objects", "parent", "peak", "room", "used")

    def __init__(self, limit: int, parent: Budget | None = None) -> None:
        self.limit = limit
        self.parent = parent
        self.objects = 0
        self.room = limit
        self.used = 0
        self.peak = 0

    def check(self, nbytes: int, op: str) -> None:
        """Raise `OutOfMemory` if `nbytes` more do not fit here or in the parent. Takes nothing."""
        if self.used + nbytes > self.room:
            raise self._refusal(nbytes, op)
        if self.parent is not None:
            self.parent.check(nbytes, op)

    def _refusal(self, nbytes: int, op: str) -> OutOfMemory:
        in_use = readable(self.used + self.objects)
        return OutOfMemory(
            f"{op} needs {readable(nbytes)} more; {in_use} of {readable(self.limit)} are in use",
            op=op,
            expected=f"at most {max(self.room - self.used, 0)} bytes",
            got=f"{nbytes} bytes",
            hint="free tensors, use a smaller batch, or start the server with a larger --memory",
        )

    def exhausted(self, op: str) -> OutOfMemory:
        """The error for an allocation that the allocator refused while a kernel ran."""
        in_use, limit = readable(self.used + self.objects), readable(self.limit)
        return OutOfMemory(
            f"{op} needs more memory on its way than is left: {in_use} of {limit} are in use",
            op=op,
            hint="free tensors, use a smaller batch, or start the server with a larger --memory",
        )

    def take(self, nbytes: int) -> None:
        """Count bytes that are in use from now on. Raises `OutOfMemory`, and counts nothing, if they do not fit."""
        parent = self.parent
        if parent is not None:
            parent.take(nbytes)
        used = self.used + nbytes
        if used > self.room:
            if parent is not None:
                parent.give(nbytes)
            raise self._refusal(nbytes, "a small tensor")
        self.used = used
        if used > self.peak:
            self.peak = used

    def give(self, nbytes: int) -> None:
        """Count bytes that are free again."""
        self.used -= nbytes
        if self.parent is not None:
            self.parent.used -= nbytes

    def count_objects(self, nbytes: int) -> None:
        """Leave so much less room. Refuses nothing; what is made next may be refused."""
        if self.parent is not None:
            self.parent.count_objects(self.parent.objects + nbytes - self.objects)
        self.objects = nbytes
        self.room = self.limit - nbytes


class Tally:
    """Counts the objects that refer to it. Making and dropping them costs nothing more."""

    def __len__(self) -> int:
        return sys.getrefcount(self) - _OWN_REFERENCES


_OWN_REFERENCES: Final = 3
"""The references of `len`, of `getrefcount` and of the tally's owner."""


def readable(nbytes: float) -> str:
    """Bytes for people.

    >>> readable(3 << 20)
    '3.0 MiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} TiB"


def largest(tensors: dict[int, Any], count: int = 5) -> str:
    """The tensors that hold most memory, for the message of an `OutOfMemory`."""
    sized = sorted(tensors.items(), key=lambda item: -item[1].storage.nbytes)[:count]
    return ", ".join(f"t{tensor_id} {tensor._meta!r} {readable(tensor.storage.nbytes)}" for tensor_id, tensor in sized)
