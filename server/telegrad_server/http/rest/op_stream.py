"""The stream of a session's HTTP callers: their calls become rows, and take the same path as a client's."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

from telegrad_protocol import wire
from telegrad_protocol.errors import OpValueError, TelegradError, from_dict
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.spec import OPS
from telegrad_server.http.server_timing import timing
from telegrad_server.sessions.exactly_once import Stream
from telegrad_server.sessions.session import Session


def control_row(name: str, outs: int | None, *args: Any) -> Row:
    """A row that acts on the session."""
    return Row(OPS[name].index, 0, outs, args)


class Outcome(NamedTuple):
    """The values of the reads among rows, and the error of the row that failed with its place among them."""

    results: tuple[ReadResult, ...]
    error: TelegradError | None = None
    row: int | None = None


class OpStream:
    """The stream and the id range that the HTTP callers of one session share.

    Each request is a submission in an epoch of its own: a call that fails has told its caller at once, and must not
    skip the next call, which may be another caller's.
    """

    def __init__(self, stream: Stream, first_id: int, device: str) -> None:
        self.stream = stream
        self.device = device
        self._ids = count(first_id)
        self._scratch_ids = count(first_id + (1 << (wire.ID_BITS - 1)))
        self._number = 0
        self._turn = asyncio.Lock()
        self._left: list[int] = []

    def new_id(self) -> int:
        """An id for a new tensor. Callable from any thread."""
        return next(self._ids)

    def scratch_id(self) -> int:
        """An id that no caller sees, from the upper half of the range, so that the ids of tensors have no gaps."""
        return next(self._scratch_ids)

    async def submit(self, rows: list[Row], made: list[int] | None = None) -> tuple[ReadResult, ...]:
        """Run rows; the values of the reads among them. `made`: ids to free if a row fails.

        Raises the error of the row that failed.
        """
        outcome = await self.attempt(rows, made)
        if outcome.error is not None:
            raise outcome.error
        return outcome.results

    async def attempt(self, rows: list[Row], made: list[int] | None = None) -> Outcome:
        """As `submit`, but returns the failure, after `made` were freed."""
        outcome = await self._send(rows)
        if outcome.error is not None and made:
            self._left += made
            with suppress(TelegradError):  # then the session is gone, and its tensors too
                await self._send([])
        return outcome

    async def forget(self, ids: list[int]) -> None:
        """Free tensors."""
        await self.submit([control_row("free", None, tuple(ids))])

    async def _send(self, rows: list[Row]) -> Outcome:
        """Run rows, after freeing the ids left by a failure."""
        timing().begin()
        async with self._turn:
            left = tuple(self._left)
            before = [control_row("free", None, left)] if left else []
            body = pack_rows([*before, *rows])
            number = self._number
            reply = await self.stream.put(number, number, number, body, self.device)
            self._number += 1
            del self._left[: len(left)]
        # The future belongs to the stream: a caller that goes away must not cancel it.
        results, error = wire.decode_reply(await asyncio.shield(reply))
        timing().add_ran(self.stream.ran(number))
        if error is None:
            return Outcome(results)
        row = error.pop("row", None)
        return Outcome(results, _as_told(error), None if row is None else row - len(before))


def reserve_first_stream(session: Session) -> None:
    """Give stream 0 to HTTP callers: their tensors are then named t1, t2, ..."""
    session.op_stream = OpStream(session.stream(0), 1, session.device)


async def op_stream_in(session: Session) -> OpStream:
    """The stream of the session's HTTP callers, opened at their first call."""
    if session.op_stream is None:
        opened = await session.open_stream()
        session.op_stream = OpStream(session.stream(opened.stream), opened.first_id, session.device)
    found: OpStream = session.op_stream
    return found


def pack_rows(rows: list[Row]) -> bytes:
    """Rows as bytes. Raises `OpValueError` for a number that does not fit."""
    try:
        return wire.encode_rows(rows)
    except (OverflowError, ValueError) as error:
        raise OpValueError(f"an argument cannot be sent: {error}", expected="integers within 64 bits") from None


def _as_told(record: dict[str, Any]) -> TelegradError:
    """The error, with a tensor's id as HTTP callers write it."""
    error = from_dict(record)
    tensor = str(error.details.get("got"))
    if error.code != "unknown_tensor" or "argument" not in error.details or not tensor.isdigit():
        return error
    op = error.details["op"] if OPS[error.details["op"]].public else None
    details = {**error.details, "op": op, "got": f"t{tensor}"}
    return type(error)(f"there is no tensor 't{tensor}' in this session", **details)
