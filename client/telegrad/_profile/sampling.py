"""What a thread does while it does not wait: telegrad's own code, or the user's Python.

A look at the thread's frames every millisecond or two decides it. Taking the time of each call would double the time of
recording one, and would measure itself.
"""

from __future__ import annotations

import sys
import threading
from random import uniform
from types import FrameType
from typing import Final

from telegrad._stream.watching import WAITING
from telegrad._tracing.frames import is_library, is_telegrads

EVERY: Final = (0.0005, 0.0015)
"""Seconds between looks, at least and at most: steps that take as long every time must not be met at the same place."""

SWITCH: Final = 5e-5
"""Seconds after which Python lets the looking thread in. By default 5 ms: work between two waits is often shorter."""

_running: list[Sampler] = []
_switch_before = 0.0


class Sampler:
    """Looks at one thread until it is stopped. `recording` and `own` count what it saw."""

    def __init__(self, thread: int) -> None:
        self.recording = 0
        self.own = 0
        self._thread = thread
        self._stop = threading.Event()
        self._kinds: dict[str, bool | None] = {}

    def start(self) -> None:
        """Begin to look."""
        global _switch_before
        if not _running:
            _switch_before = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH, _switch_before))
        _running.append(self)
        threading.Thread(target=self._run, name="telegrad-profile", daemon=True).start()

    def stop(self) -> None:
        """Look no more. May be called again."""
        self._stop.set()
        if self in _running:
            _running.remove(self)
            if not _running:
                sys.setswitchinterval(_switch_before)

    def share(self) -> float:
        """Telegrad's share of the thread's time, as far as it did not wait; 1 if the thread was never seen at work."""
        seen = self.recording + self.own
        return self.recording / seen if seen else 1.0

    def _run(self) -> None:
        while not self._stop.wait(uniform(*EVERY)):
            if self._thread in WAITING:
                continue
            frame = sys._current_frames().get(self._thread)
            if frame is None:  # the thread has ended
                return
            if self._is_recording(frame):
                self.recording += 1
            else:
                self.own += 1

    def _is_recording(self, frame: FrameType | None) -> bool:
        """Whether the innermost code that is no library's is telegrad's."""
        while frame is not None:
            kind = self._kind_of(frame.f_code.co_filename)
            if kind is not None:
                return kind
            frame = frame.f_back
        return False

    def _kind_of(self, file: str) -> bool | None:
        """Whether a file is telegrad's; None for a library's, which works for its caller."""
        if file not in self._kinds:
            self._kinds[file] = is_telegrads(file) or (None if is_library(file) else False)
        return self._kinds[file]
