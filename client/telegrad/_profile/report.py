"""A profile's figures: the wall time in parts, waits by line, kernels by op and line."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Final, NamedTuple

from telegrad._stream.watching import Wait
from telegrad_protocol.spec import BY_INDEX

from .advice import advice_for
from .lines import Line, line_at
from .observations import FREE, Observations
from .phases import KERNELS, NETWORK, QUEUE, SERIALISATION, Busy, way_back

OWN, RECORDING, OPENING = "own_python", "recording", "opening"

PARTS: Final = (OWN, RECORDING, OPENING, SERIALISATION, NETWORK, QUEUE, KERNELS)
"""Of the wall time: they sum to it."""


class LineWaits(NamedTuple):
    """The waits of one line, for one function of telegrad's. `parts`: what went on meanwhile, in seconds.

    `thread`: empty for the thread of the block.
    """

    line: Line
    function: str
    kind: str
    thread: str
    times: int
    seconds: float
    parts: dict[str, float]

    @property
    def mostly(self) -> str:
        """The part that took most of it."""
        return max(self.parts, key=lambda part: self.parts[part])

    @property
    def advice(self) -> str:
        return advice_for(self.kind, self.function, self.times, self.mostly)


class OpTime(NamedTuple):
    """The rows of one op that one line made, and the seconds that they took on their device."""

    op: str
    line: Line
    rows: int
    seconds: float


class Report(NamedTuple):
    """Where the time went. `hidden`: seconds in which a part was busy while the thread did not wait for it.

    `round_trip`: seconds of the shortest, without the server's own time.
    """

    wall: float
    round_trip: float
    parts: dict[str, float]
    hidden: dict[str, float]
    waits: list[LineWaits]
    kernels: list[OpTime]
    submissions: int
    rows: int
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, which JSON can hold."""
        return {
            **self._asdict(),
            "version": 1,
            "waits": [_plain(waits) | {"mostly": waits.mostly, "advice": waits.advice} for waits in self.waits],
            "kernels": [_plain(op) for op in self.kernels],
        }


def _plain(found: LineWaits | OpTime) -> dict[str, Any]:
    line = {"file": found.line.file, "line": found.line.number, "text": found.line.text}
    return {**found._asdict(), **line}


def report(seen: Observations, thread: int, begun: float, ended: float, recording: float, notes: list[str]) -> Report:
    """The report of a block that `thread` ran; `recording` is telegrad's share of the time in which it did not wait."""
    trips = list(seen.trips)
    busy = Busy(trips, list(seen.transfers))
    waits = [wait for wait in list(seen.waits) if wait.ended > begun and wait.begun < ended]
    own = [_clipped(wait, begun, ended) for wait in waits if wait.thread == thread]
    waited = Counter(dict.fromkeys(PARTS, 0.0))
    for wait in own:
        waited.update(_parts_of(wait, busy))
    wall = ended - begun
    working = max(wall - sum(wait.ended - wait.begun for wait in own), 0.0)
    parts = {**waited, OWN: working * (1 - recording), RECORDING: working * recording}
    whole = busy.parts(begun, ended)
    hidden = {part: max(seconds - waited[part], 0.0) for part, seconds in whole.items()}
    return Report(
        wall,
        2 * way_back(trips),
        parts,
        hidden,
        _by_line(waits, {**seen.names, thread: ""}, busy),
        _by_op(seen),
        len(trips),
        seen.rows,
        notes,
    )


def _clipped(wait: Wait, begun: float, ended: float) -> Wait:
    return wait._replace(begun=max(wait.begun, begun), ended=min(wait.ended, ended))


def _parts_of(wait: Wait, busy: Busy) -> dict[str, float]:
    """What a wait was for. Where nothing was on its way, a thread was about to pack or unpack something."""
    length = wait.ended - wait.begun
    if wait.kind == "session":
        return {OPENING: length}
    parts = busy.parts(wait.begun, wait.ended)
    parts[SERIALISATION] += max(length - sum(parts.values()), 0.0)
    return parts


def _by_line(waits: list[Wait], names: dict[int, str], busy: Busy) -> list[LineWaits]:
    """The waits of each line, the longest first."""
    groups: dict[tuple[Line, str, str, str], list[Wait]] = defaultdict(list)
    for wait in waits:
        groups[line_at(wait.site), wait.function, wait.kind, names[wait.thread]].append(wait)
    found = []
    for (line, function, kind, thread), group in groups.items():
        parts: Counter[str] = Counter()
        for wait in group:
            parts.update(_parts_of(wait, busy))
        seconds = sum(wait.ended - wait.begun for wait in group)
        found.append(LineWaits(line, function, kind, thread, len(group), seconds, dict(parts)))
    return sorted(found, key=lambda waits: -waits.seconds)


def _by_op(seen: Observations) -> list[OpTime]:
    """The time of each op of each line, the longest first."""
    found: dict[tuple[str, Line], list[int]] = defaultdict(lambda: [0, 0])
    for (op, code, lasti), (rows, nanoseconds) in list(seen.calls.items()):
        total = found[op_name(op), line_at(None if code is None else (code, lasti))]
        total[0] += rows
        total[1] += nanoseconds
    ops = [OpTime(op, line, rows, nanoseconds / 1e9) for (op, line), (rows, nanoseconds) in found.items()]
    return sorted(ops, key=lambda op: -op.seconds)


def op_name(op: int) -> str:
    """The name of a row's op; the sender's own rows free tensors."""
    return "free" if op == FREE else BY_INDEX[op].name
