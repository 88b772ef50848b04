"""What the way to the server and back was busy with, at any time: kernels, the queue, the network, serialisation.

Several submissions travel at once. At each moment the furthest of them counts: while a kernel runs, it is what a reader
waits for, whatever else is on its way.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

from telegrad._stream.watching import Transfer, Trip

KERNELS, QUEUE, NETWORK, SERIALISATION = "kernels", "queue", "network", "serialisation"

_ORDER: Final = (KERNELS, QUEUE, NETWORK, SERIALISATION)

_ENTRY: Final = re.compile(r'(?:^|,)\s*(queue|kernel)\s*(?:;\s*desc=(?:"[^"]*"|[^;,]*)\s*)?;\s*dur=([0-9.]+)')


class Phase(NamedTuple):
    """A time in which one part was busy."""

    begun: float
    ended: float
    part: str


class ServerTime(NamedTuple):
    """Seconds that a submission spent in the server."""

    queue: float
    kernels: float

    @property
    def whole(self) -> float:
        return self.queue + self.kernels


def server_time(trip: Trip) -> ServerTime:
    """What Server-Timing says; where a proxy has removed it, the times of the rows."""
    said = {name: float(ms) / 1e3 for name, ms in _ENTRY.findall(trip.server or "")}
    kernels = max(said.get("kernel", 0.0), sum(trip.row_times) / 1e9)
    there = trip.answered - trip.sent  # more than that was spent before a retry
    kernels = min(kernels, there)
    return ServerTime(min(said.get("queue", 0.0), there - kernels), kernels)


def way_back(trips: Iterable[Trip]) -> float:
    """Seconds from the server to here: half of the shortest round trip, without the time in the server."""
    return min((max(t.answered - t.sent - server_time(t).whole, 0.0) for t in trips), default=0.0) / 2


def phases_of(trip: Trip, back: float) -> list[Phase]:
    """The phases of a submission. Clocks of two machines need not agree: its time in the server ends `back` before."""
    there = server_time(trip)
    left = trip.answered - back
    computed = left - there.kernels
    arrived = max(computed - there.queue, trip.sent)
    return [
        Phase(trip.begun, trip.packed, SERIALISATION),
        Phase(trip.sent, arrived, NETWORK),
        Phase(arrived, computed, QUEUE),
        Phase(computed, left, KERNELS),
        Phase(left, trip.answered, NETWORK),
        Phase(trip.answered, trip.unpacked, SERIALISATION),
    ]


class Busy:
    """The part that counts at each moment, as intervals that do not overlap."""

    def __init__(self, trips: list[Trip], transfers: list[Transfer]) -> None:
        back = way_back(trips)
        phases = [phase for trip in trips for phase in phases_of(trip, back)]
        phases += [Phase(transfer.begun, transfer.ended, NETWORK) for transfer in transfers]
        self._intervals = _without_overlaps(phases)
        self._starts = [interval.begun for interval in self._intervals]

    def parts(self, begun: float, ended: float) -> dict[str, float]:
        """Seconds of each part between two moments. In what is left over no part was busy."""
        found = dict.fromkeys(_ORDER, 0.0)
        for index in range(max(bisect_right(self._starts, begun) - 1, 0), len(self._intervals)):
            interval = self._intervals[index]
            if interval.begun >= ended:
                break
            found[interval.part] += max(min(interval.ended, ended) - max(interval.begun, begun), 0.0)
        return found


def _without_overlaps(phases: list[Phase]) -> list[Phase]:
    """Intervals of the first part in order that is busy."""
    edges = [(phase.begun, 1, phase.part) for phase in phases if phase.ended > phase.begun]
    edges += [(phase.ended, -1, phase.part) for phase in phases if phase.ended > phase.begun]
    edges.sort()
    busy = dict.fromkeys(_ORDER, 0)
    found: list[Phase] = []
    since = 0.0
    for moment, change, part in edges:
        first = next((name for name in _ORDER if busy[name]), None)
        if first is not None and moment > since:
            found.append(Phase(since, moment, first))
        busy[part] += change
        since = moment
    return found
