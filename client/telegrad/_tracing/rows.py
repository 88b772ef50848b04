"""Recorded calls as rows on the process's stream."""

from __future__ import annotations

from typing import Any, Final

from telegrad._runtime.grad_mode import grad_mode
from telegrad._runtime.process import stream
from telegrad._stream.changes import Change
from telegrad._stream.queue import RecordedRow
from telegrad_protocol.devices import DEVICE_SHIFT, device_index
from telegrad_protocol.messages import GRAD
from telegrad_protocol.spec import OPS, OpSpec

from .arguments import device_bits_of, to_wire
from .call_sites import call_site
from .draws import enqueue

queue: Final = stream.queue


def append(spec: OpSpec, args: tuple[Any, ...], outs: Any, flags: int = 0, change: Change | None = None) -> None:
    """Put a row on the stream, with the call's local change."""
    if spec.generator_slot is not None:
        enqueue(lambda: as_row(spec, args, outs, flags), change, spec, args)
        check()
        return
    row = as_row(spec, args, outs, flags)
    if change is not None:
        append_all([row], change)
        return
    queue.items.append(row)
    if queue.check_at_id <= (outs if type(outs) is int else queue.next_id()):
        stream.check()


def check() -> None:
    """Let the stream look after itself, if it is due."""
    if queue.check_at_id <= queue.next_id():
        stream.check()


def append_all(rows: list[RecordedRow], change: Change) -> None:
    """Put rows on the stream together with their local change."""
    change.enqueue(queue.items, [RecordedRow(*row[:6], change, row.payload) for row in rows])
    check()


def as_row(spec: OpSpec, args: tuple[Any, ...], outs: Any, flags: int = 0) -> RecordedRow:
    """The row of a call, with its call site."""
    wired = tuple([to_wire(param, value) for param, value in zip(spec.params, args, strict=True)])
    flags |= GRAD if grad_mode.on else 0
    return RecordedRow(spec.index, flags | device_bits_of(spec, args), outs, wired, *call_site())


def control(op: str, *args: Any, outs: Any = None, change: Change | None = None, device: str = "cpu") -> None:
    """Record a row that acts on the session: on the device of its tensors, or where it names none on `device`."""
    append(OPS[op], args, outs, device_index(device) << DEVICE_SHIFT, change)
