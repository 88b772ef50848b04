"""A profile in the Trace Event Format, which Perfetto and chrome://tracing open."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Final

from telegrad._stream.watching import Trip
from telegrad_protocol.devices import device_at

from .lines import line_at
from .observations import FREE, Observations
from .phases import KERNELS, QUEUE, phases_of, way_back
from .report import op_name

CLIENT: Final = 1
SERVER: Final = 2
"""The processes of the trace."""


class Trace:
    """The events so far, in microseconds from the beginning of the block.

    Events of one thread stand inside each other or apart; what overlaps otherwise is asynchronous.
    """

    def __init__(self, begun: float) -> None:
        self.events: list[dict[str, Any]] = []
        self._begun = begun
        self._threads: dict[tuple[int, str], int] = {}
        self._asynchronous = 0
        for process, name in ((CLIENT, "client"), (SERVER, "server")):
            self._describe("process_name", process, 0, name)

    def _describe(self, kind: str, process: int, thread: int, name: str) -> None:
        self.events.append({"name": kind, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}})

    def _thread(self, process: int, name: str) -> int:
        found = self._threads.get((process, name))
        if found is None:
            found = self._threads[process, name] = len(self._threads) + 1
            self._describe("thread_name", process, found, name)
        return found

    def _at(self, moment: float) -> float:
        return round(max(moment - self._begun, 0.0) * 1e6, 3)

    def add(self, process: int, thread: str, name: str, begun: float, ended: float, **args: Any) -> None:
        """What a thread did."""
        start, stop = self._at(begun), self._at(ended)
        where = {"pid": process, "tid": self._thread(process, thread)}
        duration = round(max(stop - start, 0.0), 3)
        self.events.append(
            {"name": name, "cat": thread, "ph": "X", **where, "ts": start, "dur": duration, "args": args}
        )

    def add_asynchronous(self, process: int, thread: str, name: str, begun: float, ended: float, **args: Any) -> None:
        """What may overlap with others of its kind."""
        self._asynchronous += 1
        where = {"pid": process, "tid": self._thread(process, thread), "id": self._asynchronous, "cat": thread}
        start = self._at(begun)
        self.events.append({"name": name, "ph": "b", **where, "ts": start, "args": args})
        self.events.append({"name": name, "ph": "e", **where, "ts": max(self._at(ended), start), "args": {}})


def trace_events(seen: Observations, thread: int, begun: float, ended: float) -> list[dict[str, Any]]:
    """All events of a profile."""
    trace = Trace(begun)
    main = f"{seen.names.get(thread, 'thread')} (the block)"
    trace.add(CLIENT, main, "the block", begun, ended)
    for wait in sorted(seen.waits, key=lambda wait: wait.begun):
        line = line_at(wait.site)
        name = f"wait: {wait.function.rpartition('.')[2] or wait.kind}"
        where = main if wait.thread == thread else seen.names[wait.thread]
        trace.add(
            CLIENT, where, name, max(wait.begun, begun), wait.ended, line=str(line), text=line.text, kind=wait.kind
        )
    trips = sorted(seen.trips, key=lambda trip: trip.answered)
    back, free = way_back(trips), dict.fromkeys((trip.device_index for trip in trips), begun)
    for trip in trips:
        _add_client(trace, trip)
        free[trip.device_index] = _add_server(trace, trip, back, free[trip.device_index])
    for transfer in seen.transfers:
        trace.add_asynchronous(
            CLIENT, "large values", transfer.kind, transfer.begun, transfer.ended, bytes=transfer.nbytes
        )
    return trace.events


def _add_client(trace: Trace, trip: Trip) -> None:
    """A submission as a sender's thread saw it."""
    name = f"submission {trip.number}"
    trace.add(
        CLIENT, trip.thread, name, trip.begun, trip.unpacked, rows=len(trip.rows), server_timing=trip.server or ""
    )
    trace.add(CLIENT, trip.thread, "pack", trip.begun, trip.packed)
    trace.add(CLIENT, trip.thread, "request", trip.sent, trip.answered)
    trace.add(CLIENT, trip.thread, "unpack", trip.answered, trip.unpacked)


def _add_server(trace: Trace, trip: Trip, back: float, free: float) -> float:
    """A submission's queueing, and its rows one after another, on a device that is `free` from then on. Returns its end.

    Where on this clock the server worked is an estimate; its rows never overlap with those of the submission before.
    """
    device, name = device_at(trip.device_index), f"submission {trip.number}"
    phases = {phase.part: phase for phase in phases_of(trip, back)}
    queue, kernels = phases[QUEUE], phases[KERNELS]
    trace.add_asynchronous(SERVER, f"queue for {device}", name, queue.begun, max(queue.ended, queue.begun))
    moment = max(kernels.begun, free)
    for row, nanoseconds in zip_longest(trip.rows, trip.row_times):
        line = line_at(None if row is None or row[1] is None else (row[1], row[2]))
        ended = moment + (nanoseconds or 0) / 1e9
        if nanoseconds is not None:
            op = op_name(FREE if row is None else row[0]) if trip.rows else name
            trace.add(SERVER, f"kernels on {device}", op, moment, ended, line=str(line))
        moment = ended
    return moment
