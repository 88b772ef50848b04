"""An executor in this process: no HTTP, no front, no second process."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np

from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.worker.executor import Executor
from telegrad_server.worker.link import SLOT_BYTES, SLOTS, Request, slot_of


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
        request = Request(kind, self.next(), fields)
        self.link.requests.append(request)
        while request.id not in self.link.answers:
            self.executor._take_in(0)
            self.executor._turn()
        answer = self.link.answers.pop(request.id)
        if isinstance(answer, Exception):
            raise answer
        return answer
