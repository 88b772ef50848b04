"""A session whose submissions go to an executor in this process: no HTTP, no front, no second process."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np
from telegrad._session import Session
from telegrad_protocol import wire
from telegrad_protocol.messages import SessionOpened
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.worker.executor import Executor
from telegrad_server.worker.link import Request


class LocalLink:
    """The executor's side of a channel that is a queue."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.answers: dict[int, Any] = {}
        self.arena = memoryview(bytearray(1))

    def poll(self, timeout: float | None) -> list[Request]:
        found = list(self.requests)
        self.requests.clear()
        return found

    def reply(self, request: Request, payload: Any) -> None:
        self.answers[request.id] = payload

    def fail(self, request: Request, error: Exception) -> None:
        self.answers[request.id] = error


class LocalEngine:
    """An executor that is asked directly: `ask(kind, *fields)` runs until the answer is there."""

    def __init__(self, memory: int = 4 << 30) -> None:
        np.seterr(all="ignore")
        self.link = LocalLink()
        self.executor = Executor(NumpyBackend(), memory, self.link)
        self.next = itertools.count().__next__

    def ask(self, kind: str, *fields: Any) -> Any:
        request = Request(kind, self.next(), fields, None)
        self.link.requests.append(request)
        while request.id not in self.link.answers:
            self.executor._take_in(0)
            self.executor._turn()
        answer = self.link.answers.pop(request.id)
        if isinstance(answer, Exception):
            raise answer
        return answer


class LocalSession(Session):
    """Stands in for the HTTP session of a client's stream."""

    def __init__(self, engine: LocalEngine | None = None) -> None:
        super().__init__()
        import threading

        self.engine = engine or LocalEngine()
        self.turn = threading.Lock()

    def open(self) -> SessionOpened:
        if self.opened is None:
            self.engine.ask("open_session", "local")
            self.opened = SessionOpened("local", 0, 1, 3600.0, "local", "0", ("cpu",))
        return self.opened

    def submit(self, number: int, epoch: int, acknowledged: int, body: bytes) -> bytes:
        while True:  # submissions are executed in order, as the front sees to it
            with self.turn:
                if number == getattr(self, "expected", 0):
                    self.expected = number + 1
                    return self.engine.ask("submit", "local", 0, epoch, body)

    def upload(self, upload: int, data: memoryview) -> None:
        with self.turn:
            self.engine.ask("admit_upload", "local", upload, data.nbytes)
            found = self.engine.executor.sessions["local"].uploads[upload]
            found.buffer, found.done = bytearray(data), True

    def download(self, read: int, into: memoryview) -> None:
        with self.turn:
            found = self.engine.executor.sessions["local"].reads.pop(read)
            into[:] = self.engine.executor.xp.byte_view(found.data)

    def close(self) -> None:
        self.opened = None
