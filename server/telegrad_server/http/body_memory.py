"""The memory of bodies in the front: those that are coming in, and submissions until they are answered."""

from __future__ import annotations

from typing import Any, Final

from telegrad_protocol.errors import Unavailable

BODIES: Final = 256 << 20
"""Bytes of all bodies together, four of the largest. A request beyond them is told to come again."""


class Bodies:
    """The bytes that all bodies hold."""

    def __init__(self, limit: int = BODIES) -> None:
        self.limit = limit
        self.used = 0


class Held:
    """The bytes that the body of one request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._nbytes = 0
        self._kept = False

    def grow(self, nbytes: int) -> None:
        """Count bytes that have come. Raises `Unavailable` while bodies fill the memory set aside for them."""
        bodies = self._bodies
        if bodies.used + nbytes > bodies.limit:
            raise Unavailable(
                "the server holds as many bytes of requests as it may",
                expected=f"at most {bodies.limit} bytes",
                hint="come again in a second",
            )
        bodies.used += nbytes
        self._nbytes += nbytes

    def keep(self, reply: Any) -> None:
        """Go on holding it until a future is done."""
        self._kept = True
        reply.add_done_callback(lambda _: self._release())

    def end_request(self) -> None:
        """The request has been answered."""
        if not self._kept:
            self._release()

    def _release(self) -> None:
        self._bodies.used -= self._nbytes
        self._nbytes = 0
