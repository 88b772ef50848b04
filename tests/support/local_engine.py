"""An executor in this process: no HTTP, no front, no second process."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from typing import Any

import numpy as np

from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.channel.arena import SLOT_BYTES, SLOTS, slot_of
from telegrad_server.channel.requests import REQUESTS, Request
from telegrad_server.worker.executor import Executor
from telegrad_server.worker.transfers import Upload


class LocalLink:
    """The executor's side of a channel that is a queue."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.answers: dict[int, Any] = {}
        self.arena = memoryview(bytearray(SLOTS * SLOT_BYTES))

    def poll(self, timeout: float | None) -> list[Request]:
        found = list(self.requests)
        self.requests.clear()
        return found

    def slot(self, number: int, size: int) -> memoryview:
        return slot_of(self.arena, number, size)

    def runs(self, session: str) -> None:
        pass

    def reply(self, request: Request, payload: Any) -> None:
        self.answers[request.id] = payload

    def fail(self, request: Request, error: Exception) -> None:
        self.answers[request.id] = error


class LocalEngine:
    """An executor that is asked directly: `ask(kind, *fields)` runs until the answer is there."""

    def __init__(self, memory: int = 4 << 30, backend: Any = None) -> None:
        self.link = LocalLink()
        self.executor = Executor(backend or NumpyBackend(), memory, self.link)
        self.lock = threading.Lock()
        self.next = itertools.count().__next__

    def arrive(self, name: int, data: bytes | memoryview, session: str = "local") -> None:
        """An upload that has come in whole; from any thread, also while a submission waits for it."""
        owner = self.executor.sessions[session]
        with self.lock:
            upload = Upload(owner.xp, len(data), owner.budget)
            with owner.xp.active():
                end = upload.fetch(owner.xp, 0, memoryview(data))
            while not end.done:
                pass
            upload.done = True
            owner.uploads[name] = upload

    def ask(self, kind: str, *fields: Any) -> Any:
        request = Request(kind, self.next(), tuple(REQUESTS[kind](*fields)))
        self.link.requests.append(request)
        while request.id not in self.link.answers:
            with self.lock, np.errstate(all="ignore"):  # as in a worker; each thread has its own
                self.executor._take_in(0)
                self.executor._turn()
        answer = self.link.answers.pop(request.id)
        if isinstance(answer, Exception):
            raise answer
        return answer
