"""Calls over HTTP become rows: the same path to the engine as everybody's, on a stream of their own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from telegrad_protocol import wire
from telegrad_protocol.errors import OpValueError, TelegradError, from_dict
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.spec import OPS

if TYPE_CHECKING:
    from .streams import Stream


def control_row(name: str, outs: int | None, *args: Any) -> Row:
    """A row that acts on the session."""
    return Row(OPS[name].index, 0, outs, args)


class Outcome(NamedTuple):
    """What rows gave: values of the reads, and the error of the row that failed with its place among them."""

    results: tuple[ReadResult, ...]
    error: TelegradError | None = None
    row: int | None = None


class Caller:
    """The HTTP callers of one session: they share a stream and an id range.

    Each request is a submission in an epoch of its own. A call that fails has told its caller at once, so it must not
    hold up the next one, which may be another caller's.
    """

    def __init__(self, stream: Stream, first_id: int, device: str) -> None:
        self._stream = stream
        self.device = device
        self._ids = count(first_id)
        self._scratch_ids = count(first_id + (1 << (wire.ID_BITS - 1)))
        self._number = 0
        self._turn = asyncio.Lock()
        self._left: list[int] = []

    def new_id(self) -> int:
        """A name for a tensor that is about to be made; from any thread."""
        return next(self._ids)

    def scratch_id(self) -> int:
        """A name that no caller learns of; from the upper half of the range, so that tensors are numbered on."""
        return next(self._scratch_ids)

    async def submit(self, rows: list[Row], made: list[int] | None = None) -> tuple[ReadResult, ...]:
        """Carry out rows: what the reads among them gave. `made` are ids that nobody learns of if a row fails.

        Raises the error of the row that failed.
        """
        outcome = await self.attempt(rows, made)
        if outcome.error is not None:
            raise outcome.error
        return outcome.results

    async def attempt(self, rows: list[Row], made: list[int] | None = None) -> Outcome:
        """As `submit`, but tells of the failure, when `made` are gone again."""
        outcome = await self._send(rows)
        if outcome.error is not None and made:
            self._left += made
            with suppress(TelegradError):  # then the session is gone, and they with it
                await self._send([])
        return outcome

    async def forget(self, ids: list[int]) -> None:
        """Free tensors."""
        await self.submit([control_row("free", None, tuple(ids))])

    async def _send(self, rows: list[Row]) -> Outcome:
        """Carry out rows, after freeing what a failure has left."""
        async with self._turn:
            left = tuple(self._left)
            before = [control_row("free", None, left)] if left else []
            body = pack_rows([*before, *rows])
            reply = await self._stream.put(self._number, self._number, self._number, body, self.device)
            self._number += 1
            del self._left[: len(left)]
        # The future belongs to the stream: a caller that goes away must not cancel it.
        results, error = wire.decode_reply(await asyncio.shield(reply))
        if error is None:
            return Outcome(results)
        row = error.pop("row", None)
        return Outcome(results, _as_told(error), None if row is None else row - len(before))


def pack_rows(rows: list[Row]) -> bytes:
    """Rows as they travel. Raises `OpValueError` for a number that has no place there."""
    try:
        return wire.encode_rows(rows)
    except (OverflowError, ValueError) as error:
        raise OpValueError(f"an argument cannot be sent: {error}", expected="integers within 64 bits") from None


def _as_told(record: dict[str, Any]) -> TelegradError:
    """The error, with a tensor's id as callers write it."""
    error = from_dict(record)
    tensor = str(error.details.get("got"))
    if error.code != "unknown_tensor" or "argument" not in error.details or not tensor.isdigit():
        return error
    op = error.details["op"] if OPS[error.details["op"]].public else None
    details = {**error.details, "op": op, "got": f"t{tensor}"}
    return type(error)(f"there is no tensor 't{tensor}' in this session", **details)
