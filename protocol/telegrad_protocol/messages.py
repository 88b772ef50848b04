"""The closed list of structs that cross the wire, each a named tuple that msgpack writes as an array.

Requests and replies on the hot path carry nothing but these; `WIRE.md` shows their bytes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

PROTOCOL_VERSION: Final = 1
"""Raised by any change that an older peer cannot read."""

GRAD: Final = 1
"""Row flag: grad mode was on at the call, so the op is recorded if an input requires grad."""

INPLACE: Final = 2
"""Row flag: the result is written into the op's first argument; `outs` is nil."""


class Row(NamedTuple):
    """One op call: `op` is its index in the op table, `outs` the ids that the client chose for the results.

    A tensor stands in `args` as its id; where a Python number may stand instead of a tensor, the number is
    wrapped in a one-element array. Everything else stands as itself, in the order of the declaration.
    """

    op: int
    flags: int
    outs: int | tuple[int, ...] | None
    args: tuple[Any, ...]


class Submission(NamedTuple):
    """The rows that one request carries; its stream, epoch and number are in the URL."""

    rows: tuple[Row, ...]


class ReadResult(NamedTuple):
    """The value of one read row: `id` is 0 where the row named none, `data` nil where `GET .../reads/{id}` has the bytes."""

    id: int
    dtype: str
    shape: tuple[int, ...]
    data: bytes | None


class Reply(NamedTuple):
    """The answer to a submission: values of its reads in order, and the error that ended the epoch, if any.

    `error["row"]` is the failing row's index in this submission. An error without a row says that the epoch had failed
    before: every row was skipped.
    """

    results: tuple[ReadResult, ...]
    error: dict[str, Any] | None


class TimedReply(NamedTuple):
    """The answer to a submission that was sent with `timing=rows`: a reply, and the nanoseconds that each row took.

    The first rows have times, as many as were executed.
    """

    results: tuple[ReadResult, ...]
    error: dict[str, Any] | None
    row_times: tuple[int, ...]


class OpenSession(NamedTuple):
    """A client's versions; `digest` is the fingerprint of its op table (`spec.digest()`)."""

    protocol: int
    package: str
    digest: str


class SessionOpened(NamedTuple):
    """A session and its first stream, whose tensor ids count up from `first_id`; durations in seconds."""

    session: str
    stream: int
    first_id: int
    lease: float
    server: str
    package: str
    devices: tuple[str, ...]


class StreamOpened(NamedTuple):
    """A further stream of a session, with an id range of its own."""

    stream: int
    first_id: int
