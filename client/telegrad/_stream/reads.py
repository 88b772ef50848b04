"""Values on their way from the server: the future of each, and which id answers which."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from .waiting import Flag


class Waits(Protocol):
    """The part of a stream that a future needs."""

    def wait_for(self, arrived: Flag, timeout: float | None) -> None: ...
    def surface(self, error: BaseException | None) -> None: ...


class Future:
    """A value that is on its way. `result()` waits for it; an error that it met is raised there."""

    def __init__(self, stream: Waits, finish: Callable[[Any], Any]) -> None:
        self._stream = stream
        self._finish = finish
        self._arrived = Flag()
        self._value: Any = None
        self._error: BaseException | None = None
        self._finished: list[Any] = []

    def done(self) -> bool:
        """Whether `result()` would return, or raise, at once."""
        return self._arrived.is_set()

    def failed(self) -> bool:
        """Whether `result()` would raise at once."""
        return self._error is not None

    def result(self, timeout: float | None = None) -> Any:
        """The value. Raises TimeoutError after `timeout` seconds, and the stream's error if the value never came."""
        if not self._arrived.is_set():
            self._stream.wait_for(self._arrived, timeout)
        if self._error is not None:
            self._stream.surface(self._error)
        value = self._value  # before the test: another thread may finish meanwhile
        if not self._finished:
            self._finished.append(self._finish(value))
            self._value = None
        return self._finished[0]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The error that it met, which `result()` raises; None if the value came. Waits until it is known."""
        if not self._arrived.is_set():
            self._stream.wait_for(self._arrived, timeout)
        return self._error

    def set_result(self, value: Any, error: BaseException | None = None) -> None:
        """Give the threads that wait a value, or an error."""
        self._value, self._error = value, error
        self._arrived.set()


class Reads:
    """The reads of a session that have no answer yet, by the id of their answer. A dropped future waits no more."""

    def __init__(self) -> None:
        self._waiting: dict[int, weakref.ref[Future]] = {}

    def add(self, answer_id: int, future: Future) -> None:
        """Let a future wait for an answer."""
        self._waiting[answer_id] = weakref.ref(future)

    def __contains__(self, answer_id: object) -> bool:
        return answer_id in self._waiting

    def __iter__(self) -> Iterator[Future]:
        """The futures that the program still holds."""
        return iter([future for reference in self._waiting.values() if (future := reference()) is not None])

    def take(self, answer_id: int) -> Future | None:
        """The future of a read that has an answer now; None if the program holds it no more."""
        reference = self._waiting.pop(answer_id, None)
        return None if reference is None else reference()

    def take_all(self) -> list[Future]:
        """Remove and return every future that waits."""
        waiting, self._waiting = self._waiting, {}
        return [future for reference in waiting.values() if (future := reference()) is not None]
