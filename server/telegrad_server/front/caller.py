"""Single calls over HTTP become rows: the same path to the engine as everybody's, on a stream of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from telegrad_protocol import wire
from telegrad_protocol.errors import OpValueError, from_record
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.spec import OPS

if TYPE_CHECKING:
    from .streams import Stream


def control_row(name: str, outs: int | None, *args: Any) -> Row:
    """A row that acts on the session."""
    return Row(OPS[name].index, 0, outs, args)


class Caller:
    """The HTTP callers of one session: they share a stream and an id range.

    Each call is a submission in an epoch of its own. A call that fails has told its caller at once, so it must not
    hold up the next one, which may be another caller's.
    """

    def __init__(self, stream: Stream, first_id: int, device: str) -> None:
        self._stream = stream
        self._device = device
        self._next_id = first_id
        self._next_scratch = first_id + (1 << (wire.ID_BITS - 1))
        self._number = 0
        self._turn = asyncio.Lock()
        self._failed: list[int] = []

    def new_id(self) -> int:
        """A name for a tensor that is about to be made."""
        self._next_id += 1
        return self._next_id - 1

    def scratch_id(self) -> int:
        """A name that no caller learns of; from the upper half of the range, so that tensors are numbered on."""
        self._next_scratch += 1
        return self._next_scratch - 1

    async def submit(self, rows: list[Row], made: list[int] | None = None) -> tuple[ReadResult, ...]:
        """Carry out rows: what the reads among them gave. `made` are ids that nobody learns of if a row fails.

        Raises the error of the row that failed.
        """
        async with self._turn:
            freed, self._failed = self._failed, []
            body = _pack([control_row("free", None, tuple(freed)), *rows] if freed else rows)
            reply = await self._stream.put(self._number, self._number, self._number, body, self._device)
            self._number += 1
        # The future belongs to the stream: a caller that goes away must not cancel it.
        results, error = wire.decode_reply(await asyncio.shield(reply))
        if error is not None:
            self._failed += made or []
            raise from_record({name: detail for name, detail in error.items() if name != "row"})
        return results


def _pack(rows: list[Row]) -> bytes:
    try:
        return wire.encode_rows(rows)
    except (OverflowError, ValueError) as error:
        raise OpValueError(f"an argument cannot be sent: {error}", expected="integers within 64 bits") from None
