"""Memory admission: what a kernel will take is asked for before it runs."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.errors import OutOfMemory


class Budget:
    """Counts bytes in use against a limit, per storage. One per worker, with a child per session.

    >>> budget = Budget(100)
    >>> budget.take(60); budget.used
    60
    """

    __slots__ = ("limit", "parent", "peak", "used")

    def __init__(self, limit: int, parent: Budget | None = None) -> None:
        self.limit = limit
        self.parent = parent
        self.used = 0
        self.peak = 0

    def check(self, nbytes: int, op: str) -> None:
        """Raise `OutOfMemory` if `nbytes` more do not fit here or in the parent; takes nothing."""
        if self.used + nbytes > self.limit:
            raise self._refusal(nbytes, op)
        if self.parent is not None:
            self.parent.check(nbytes, op)

    def _refusal(self, nbytes: int, op: str) -> OutOfMemory:
        return OutOfMemory(
            f"{op} needs {readable(nbytes)} more; {readable(self.used)} of {readable(self.limit)} are in use",
            op=op,
            expected=f"at most {max(self.limit - self.used, 0)} bytes",
            got=f"{nbytes} bytes",
            hint="free tensors, use a smaller batch, or start the server with a larger --memory",
        )

    def exhausted(self, op: str) -> OutOfMemory:
        """The error for an allocation that the machine itself refused."""
        return OutOfMemory(f"{op}: the machine has no memory left", op=op, hint="free tensors or use a smaller batch")

    def take(self, nbytes: int) -> None:
        """Count bytes that are in use from now on. Raises `OutOfMemory`, and counts nothing, if they do not fit."""
        parent = self.parent
        if parent is not None:
            parent.take(nbytes)
        used = self.used + nbytes
        if used > self.limit:
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
    return ", ".join(f"t{name} {tensor._meta!r} {readable(tensor.storage.nbytes)}" for name, tensor in sized)
