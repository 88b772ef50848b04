"""A session whose submissions go to an executor in this process: no HTTP, no front, no second process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.local_engine import LocalEngine

from telegrad._http.session import Session
from telegrad._tracing.record import ON_HOST
from telegrad_protocol.messages import SessionOpened


class LocalSession(Session):
    """Stands in for the HTTP session of a client's stream."""

    def __init__(self, engine: LocalEngine | None = None) -> None:
        super().__init__()
        self.engine = engine or LocalEngine()
        self.turn = threading.Lock()

    def open(self) -> SessionOpened:
        if self.opened is None:
            self.engine.ask("open_session", "local")
            self.opened = SessionOpened("local", 0, 1, 3600.0, "local", "0", ("cpu",))
        return self.opened

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        sent()
        while True:  # submissions are executed in order, as the front sees to it
            with self.turn:
                if number == getattr(self, "expected", 0):
                    self.expected = number + 1
                    reply, *_ = self.engine.ask("submit", "local", 0, epoch, body)
                    return reply

    def upload(self, upload: int, data: memoryview, device: str) -> None:
        # Not in turn: a submission that waits for these bytes has it.
        self.engine.arrive(upload, data)

    def download(self, read: int, device: str, into: memoryview) -> None:
        with self.turn:
            found = self.engine.executor.sessions["local"].reads[read]
            into[:] = self.engine.executor.xp.to_bytes(found.data)

    def drop_read(self, read: int, device: str) -> None:
        with self.turn:
            self.engine.executor.sessions["local"].reads.pop(read).release()

    def stop(self, epoch: int) -> None:
        # Not in turn: it ends the submission that has it.
        self.engine.ask("stop_stream", "local", 0, epoch)

    def close(self, within: float | None = None) -> None:
        self.opened = None


@contextmanager
def all_on_server() -> Iterator[None]:
    """A block in which small draws, factories and host tensors' ops are recorded like any other."""
    kept = dict(ON_HOST)
    ON_HOST.clear()
    try:
        yield
    finally:
        ON_HOST.update(kept)
