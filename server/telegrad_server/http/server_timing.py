"""`Server-Timing`: the standard response header that says what a request's time at the server went into.

`kernel` is the time that its rows ran in the worker, `queue` all other time from the moment that its body was there: in
the front, behind earlier submissions, in other sessions' turns. Milliseconds, as the standard has it.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import perf_counter


class ServerTiming:
    """The time of the request that is being answered; `begin` when its body is there."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._ran = 0.0

    def begin(self) -> None:
        """The request's body is there. Of several beginnings the first counts."""
        self._begun = self._begun or perf_counter()

    def add_ran(self, seconds: float) -> None:
        """Rows of the request have run for so long."""
        self._ran += seconds

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The header, where the request has come as far as `begin`."""
        if not self._begun:
            return []
        queue = max(perf_counter() - self._begun - self._ran, 0.0)
        return [(b"server-timing", b"queue;dur=%.3f, kernel;dur=%.3f" % (queue * 1e3, self._ran * 1e3))]


_current: ContextVar[ServerTiming] = ContextVar("server_timing")


def new_timing() -> ServerTiming:
    """The timing of a request that begins; `timing` finds it wherever the request is handled."""
    made = ServerTiming()
    _current.set(made)
    return made


def timing() -> ServerTiming:
    """The timing of the present request; one that nobody asks for outside of requests."""
    return _current.get(None) or ServerTiming()
