"""The rows of some training steps, recorded once, and carried out by an executor in this process as often as asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from support.inprocess import LocalSession
from support.local_engine import LocalEngine

from telegrad._runtime.process import stream

WARM = 5
"""Steps before those that count."""


class _RecordingSession(LocalSession):
    """Keeps what goes to the server, in order, on its way to an executor in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0
        self.bodies: list[bytes] = []
        self.uploads: dict[int, bytes] = {}

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        self.bodies.append(body)
        self.epoch = epoch
        return super().submit(number, epoch, place, acknowledged, body, sent)

    def upload(self, upload: int, data: memoryview, device: str) -> None:
        self.uploads[upload] = bytes(data)
        self.engine.arrive(upload, data)


class Recording:
    """`count` steps of a model with their rows as the client submits them; values are deferred."""

    def __init__(self, step_of: Callable[[Any, str], Any], torch: Any, name: str, count: int) -> None:
        stream.restart()
        stream.session = session = _RecordingSession()
        step = step_of(torch, name)
        for i in range(WARM):
            step(i)
        torch.synchronize()
        self._before = len(session.bodies)
        for i in range(count):
            loss = step(i)
        loss.item()
        torch.synchronize()
        self._bodies, self._uploads, self._count = session.bodies, session.uploads, count
        self._epoch = session.epoch

    def replay(self) -> float:
        """Seconds per step."""
        engine = LocalEngine()
        engine.ask("open_session", "local")
        for name, data in self._uploads.items():
            engine.arrive(name, data)
        for body in self._bodies[: self._before]:
            engine.ask("submit", "local", 0, self._epoch, body)
        begun = time.perf_counter()
        for body in self._bodies[self._before :]:
            engine.ask("submit", "local", 0, self._epoch, body)
        return (time.perf_counter() - begun) / self._count
