"""A profile as a table to read."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import wrap
from typing import Final, TypeVar

from .phases import KERNELS, NETWORK, QUEUE, SERIALISATION
from .report import OPENING, OWN, PARTS, RECORDING, LineWaits, OpTime, Report

WIDTH: Final = 110
SHOWN: Final = 12
"""Lines of waits, and of ops, beyond which the rest are summed."""

LEAST: Final = 50e-6
"""Seconds below which a column is left empty."""

MATTERS: Final = 0.01
"""The share of the time from which a line's waits get advice."""

_NAMES: Final = {
    OWN: "your own Python",
    RECORDING: "telegrad, recording calls",
    OPENING: "waiting: the session opens",
    SERIALISATION: "waiting: packing and unpacking",
    NETWORK: "waiting: network",
    QUEUE: "waiting: queue at the server",
    KERNELS: "waiting: kernels",
}

_WORDS: Final = {OPENING: "opening", SERIALISATION: "packing", NETWORK: "network", QUEUE: "queue", KERNELS: "kernels"}

_VERDICTS: Final = {
    OWN: "It is your own Python",
    RECORDING: "It is telegrad's recording of calls",
    OPENING: "It is the opening of the session",
    SERIALISATION: "It is telegrad's packing and unpacking",
    NETWORK: "It is the network, and the lines that wait for it",
    QUEUE: "It is the server's queue",
    KERNELS: "It is the server, which computes",
}

_KINDS: Final = {
    "backlog": "[until rows were sent]",
    "room": "[room for uploads]",
    "session": "[the session opens]",
    "work": "[all that was recorded]",
}

_INDENT: Final = 41

Item = TypeVar("Item", LineWaits, OpTime)


def table(report: Report) -> str:
    """The whole report."""
    parts = [_head(report), _split(report), _waits(report.waits, report.wall), _kernels(report)]
    parts.append("\n".join(f"note: {note}" for note in report.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def duration(seconds: float) -> str:
    """Seconds with three digits, in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * 0.9995:
            scaled = seconds / size
            return f"{scaled:.{max(0, 3 - len(str(int(scaled))))}f} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def _head(report: Report) -> str:
    """What the block was, and the largest part in words."""
    counts = f"{report.rows:,} rows in {report.submissions:,} submission{'s' * (report.submissions != 1)}"
    trip = f", round trip {duration(report.round_trip)}" if report.submissions else ""
    largest = max(PARTS, key=lambda part: report.parts[part])
    verdict = f"{_VERDICTS[largest]}: {_share(report.parts[largest], report.wall)} of the time."
    return f"telegrad profile: {duration(report.wall)}, {counts}{trip}\n{verdict}"


def _split(report: Report) -> str:
    """The wall time in parts, and what went on behind it."""
    lines = [f"{'Where the time went':<34}{'time':>10}{'share':>9}{'meanwhile':>12}"]
    for part in PARTS:
        value, hidden = report.parts[part], report.hidden.get(part, 0.0)
        if part != OPENING or value:
            lines.append(_part(_NAMES[part], value, report.wall, duration(hidden) if hidden >= LEAST else ""))
    lines.append(_part("all", sum(report.parts.values()), report.wall, ""))
    if max(report.hidden.values()) >= LEAST:
        lines.append("  (meanwhile: while your code ran, which did not wait for it)")
    return "\n".join(lines)


def _part(name: str, value: float, wall: float, meanwhile: str) -> str:
    return f"  {name:<32}{duration(value):>10}{_share(value, wall):>9}{meanwhile:>12}".rstrip()


def _share(value: float, whole: float) -> str:
    return f"{100 * value / whole:.1f} %" if whole else "0.0 %"


def _waits(waits: list[LineWaits], wall: float) -> str:
    """The lines that waited, those that matter with what to write instead."""
    if not waits:
        return "Waits: none."
    times, total = sum(w.times for w in waits), sum(w.seconds for w in waits)
    lines = [
        f"Waits by line: {times:,} in all, {duration(total)}",
        f"{'times':>9}{'total':>10}{'each':>10}  mostly   line",
    ]
    given: set[str] = set()
    for found in waits[:SHOWN]:
        lines.append(_cut(f"{_numbers(found.times, found.seconds)}  {_WORDS[found.mostly]:<7}  {_place(found)}"))
        if found.advice and found.seconds >= MATTERS * wall:
            lines += _indented("instead: " + ("as above" if found.advice in given else found.advice))
            given.add(found.advice)
    return "\n".join(lines + _rest(waits, lambda w: w.times))


def _indented(text: str) -> list[str]:
    margin = " " * _INDENT
    return wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)


def _place(found: LineWaits) -> str:
    """Where a thread waited, and for what where the line does not show it."""
    thread = f"  [in {found.thread}]" if found.thread else ""
    if found.function.endswith("profile.__exit__"):
        return f"the end of the block: what was still on its way{thread}"
    what = "" if found.kind == "value" else f"{_KINDS[found.kind]}  "
    name = found.function.rpartition(".")[2]
    return f"{found.line}  {what}{found.line.text or f'{name}()'}{thread}"


def _kernels(report: Report) -> str:
    """The ops that took longest on the server."""
    ops = [op for op in report.kernels if op.seconds > 0]
    if not ops:
        return ""
    total, width = sum(op.seconds for op in ops), max(len(op.op) for op in ops[:SHOWN])
    lines = [
        f"Kernels by op and line: {duration(total)}",
        f"{'rows':>9}{'total':>10}{'each':>10}{'share':>9}  {'op':<{width}}  line",
    ]
    for op in ops[:SHOWN]:
        place = f"{op.line}  {op.line.text}" if op.line.file else "tensors that are gone"
        share = _share(op.seconds, total)
        lines.append(_cut(f"{_numbers(op.rows, op.seconds)}{share:>9}  {op.op:<{width}}  {place}"))
    return "\n".join(lines + _rest(ops, lambda op: op.rows))


def _numbers(times: int, total: float) -> str:
    return f"{times:>9,}{duration(total):>10}{duration(total / times):>10}"


def _rest(items: list[Item], count: Callable[[Item], int]) -> list[str]:
    """One line for all that are not shown."""
    rest = items[SHOWN:]
    if not rest:
        return []
    times, total = sum(map(count, rest)), sum(item.seconds for item in rest)
    return [f"{_numbers(times, total)}  and {len(rest)} more"]


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
