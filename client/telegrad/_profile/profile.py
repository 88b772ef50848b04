"""`tg.profile()`: the block, and what it shows."""

from __future__ import annotations

import json
import os
import threading
from time import perf_counter

from telegrad._runtime.process import stream
from telegrad._stream.watching import WATCHERS

from .chrome_trace import trace_events
from .observations import ROWS_KEPT, Observations
from .report import Report, report
from .sampling import Sampler
from .table import table


class profile:
    """Measures where the time of a block goes: `print(prof)` shows it as tables.

    The wall time of the block, of the thread that runs it, in parts: your own Python, telegrad's recording of calls, and
    waiting, for serialisation, the network, the server's queue and its kernels. Waits by line, with what to write
    instead; the server's time by op and line. At its end the block waits for what it recorded, unless it raised.

    >>> import telegrad as tg
    >>> with tg.profile() as prof:
    ...     total = sum((tg.ones(3) * k).sum().item() for k in range(4))
    >>> "Where the time went" in prof.table()
    True
    """

    def __init__(self) -> None:
        self._seen = Observations()
        self._begun = self._ended = 0.0
        self._thread = 0
        self._process = 0
        self._sampler = Sampler(0)
        self._interrupted = ""

    def __enter__(self) -> profile:
        if self._begun:
            raise RuntimeError("this profile has been used: each block takes a new one, `with tg.profile() as prof:`")
        self._thread, self._process = threading.get_ident(), os.getpid()
        try:
            self._sampler = Sampler(self._thread)
            self._sampler.start()
            WATCHERS.append(self._seen)
            self._begun = perf_counter()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the measurement, after the work that the block recorded. What fails is raised by the next call, as ever."""
        try:
            if kind in (None, SystemExit) and self._process == os.getpid():
                if stream.sender.threads and stream.sender.is_busy:
                    stream.sender.finish()
            elif kind not in (None, SystemExit):
                self._interrupted = kind.__name__
        except BaseException as interrupt:
            self._interrupted = type(interrupt).__name__
            raise
        finally:
            self._ended = perf_counter()
            self._stop()

    def _stop(self) -> None:
        self._sampler.stop()
        if self._seen in WATCHERS:
            WATCHERS.remove(self._seen)

    # What it shows ----------------------------------------------------------------------------------------

    def table(self) -> str:
        """The tables as text; of a block that still runs, so far.

        >>> import telegrad as tg
        >>> with tg.profile() as prof:
        ...     x = tg.ones(2) + 1
        >>> prof.table().splitlines()[0].startswith("telegrad profile: ")
        True
        """
        return table(self._report())

    def __str__(self) -> str:
        return (
            self.table()
            if self._begun
            else "telegrad profile: not begun; `with tg.profile() as prof:` measures a block"
        )

    def __repr__(self) -> str:
        state = "ended" if self._ended else "running" if self._begun else "not begun"
        return f"<telegrad profile, {state}>"

    def to_json(self) -> str:
        """All figures as JSON, times in seconds: `wall`, `parts` of it, `waits`, `kernels`, `notes`.

        >>> import json
        >>> import telegrad as tg
        >>> with tg.profile() as prof:
        ...     x = tg.ones(2) + 1
        >>> sorted(json.loads(prof.to_json())["parts"])
        ['kernels', 'network', 'opening', 'own_python', 'queue', 'recording', 'serialisation']
        """
        return json.dumps(self._report().to_dict(), indent=1)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a trace that https://ui.perfetto.dev and chrome://tracing open: waits, submissions, kernels, in time.

        >>> import tempfile
        >>> import telegrad as tg
        >>> with tg.profile() as prof:
        ...     x = (tg.ones(2) + 1).sum().item()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prof.export_chrome_trace(f"{folder}/trace.json")
        """
        self._check_begun()
        events = trace_events(self._seen, self._thread, self._begun, self._ended or perf_counter())
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)

    def _check_begun(self) -> None:
        if not self._begun:
            raise RuntimeError("this profile has measured nothing yet: `with tg.profile() as prof:` measures a block")

    def _report(self) -> Report:
        self._check_begun()
        ended = self._ended or perf_counter()
        return report(self._seen, self._thread, self._begun, ended, self._sampler.share(), self._notes())

    def _notes(self) -> list[str]:
        """What a reader of the figures has to know."""
        seen, notes = self._seen, []
        if not self._ended:
            notes.append("the block still runs: these are its figures so far")
        if not seen.did_anything:
            notes.append("the block gave the server nothing to do that was answered in it")
        if self._interrupted:
            notes.append(f"the block ended with {self._interrupted}: work that was not answered by then is not counted")
        if any(trip.server is None for trip in seen.trips):
            notes.append(
                "answers came without Server-Timing, which a proxy may remove: queueing at the server counts as network"
            )
        if seen.untimed:
            notes.append("the server sends no times of rows; is it older than this client?")
        if seen.rows > ROWS_KEPT:
            notes.append(f"the trace shows the first {ROWS_KEPT:,} rows one by one, later ones by submission")
        if any(trip.device_index for trip in seen.trips):
            notes.append("times of ops on cuda are the device's own, from one event to the next")
        others = {seen.names[wait.thread] for wait in seen.waits if wait.thread != self._thread}
        if others:
            notes.append(
                f"waits of other threads are listed, but are no part of the wall time: {', '.join(sorted(others))}"
            )
        return notes
