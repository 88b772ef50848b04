"""Every request that the front makes of a worker: the closed list, with the fields and the answer of each.

A request is written once, here. The front sends an instance with `Worker.ask`; the worker has one handler for each
kind, whose parameters are the fields in this order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from telegrad_protocol.errors import Malformed

REQUESTS: Final[dict[str, type[Any]]] = {}
"""The class of each kind of request."""

UNREADABLE: Final = "unreadable"
"""The kind under which the worker gets a frame that it cannot read; its field is the error."""

STOPPED: Final = "the stream was told to stop before this call ran: its caller was interrupted"
"""What is said of rows that are skipped because of `stop_stream`."""

Listed = tuple[int, str, tuple[int, ...], bool]
"""A tensor of a listing: id, dtype, shape, whether it requires grad."""

Transfer = tuple[int, str, int]
"""A value that leaves for another device: id, device, bytes."""

Class = TypeVar("Class")


class Request(NamedTuple):
    """A request as the worker gets it: its kind, its number on the channel, its fields."""

    kind: str
    id: int
    fields: tuple[Any, ...]


def _nothing(payload: Any) -> None:
    """The answer of a request that is only acknowledged."""


def _request(kind: str, answer: Callable[[Any], Any] = _nothing) -> Callable[[type[Class]], type[Class]]:
    """Put a class on the list. `answer` converts the worker's payload for the front."""

    def register(cls: type[Class]) -> type[Class]:
        cls.kind = kind  # type: ignore[attr-defined]
        cls.answer = staticmethod(answer)  # type: ignore[attr-defined]
        REQUESTS[kind] = cls
        return cls

    return register


# Sessions and streams -----------------------------------------------------------------------------------------


@_request("open_session")
class OpenSession(NamedTuple):
    """Make a session without tensors."""

    session: str


@_request("close_session")
class CloseSession(NamedTuple):
    """Free all that a session holds. Passes over a session that is not there."""

    session: str


@_request("open_stream")
class OpenStream(NamedTuple):
    """Make a further stream of submissions."""

    session: str
    stream: int


@_request("stop_stream")
class StopStream(NamedTuple):
    """Run no more rows of a stream up to an epoch. Answered once the row that runs has ended."""

    session: str
    stream: int
    epoch: int


class Submitted(NamedTuple):
    """What came of a submission: the reply to the client, the values that leave for another device, seconds that it ran."""

    reply: bytes
    sent: list[Transfer]
    ran: float


def _submitted(payload: Any) -> Submitted:
    reply, sent, ran = payload
    if not isinstance(reply, bytes):
        raise Malformed("the worker's reply is not bytes")
    return Submitted(reply, list(sent), ran)


@_request("submit", _submitted)
class Submit(NamedTuple):
    """Run rows. The answer is `Submitted`.

    `failed`: the error that ended the epoch on another device. `timed`: the reply is to have the time of each row.
    """

    session: str
    stream: int
    epoch: int
    body: bytes
    failed: dict[str, Any] | None = None
    timed: bool = False


@_request("tensors", list[Listed])
class Tensors(NamedTuple):
    """List the `limit` tensors with the lowest ids beyond `after`."""

    session: str
    after: int
    limit: int


# Uploads ------------------------------------------------------------------------------------------------------


@_request("admit_upload")
class AdmitUpload(NamedTuple):
    """Set memory aside for an upload. The answer is `OutOfMemory` where there is none."""

    session: str
    upload: int
    nbytes: int


@_request("write_piece")
class WritePiece(NamedTuple):
    """Copy the first `size` bytes of a slot into an upload. The slot is free once this is answered."""

    session: str
    upload: int
    offset: int
    size: int
    slot: int


@_request("finish_upload")
class FinishUpload(NamedTuple):
    """All bytes have come: the row that waits for the upload may run."""

    session: str
    upload: int


@_request("fail_upload")
class FailUpload(NamedTuple):
    """Let the row that waits for the upload fail with this error."""

    session: str
    upload: int
    error: dict[str, Any]


@_request("drop_upload")
class DropUpload(NamedTuple):
    """Forget the bytes that came; the row goes on waiting."""

    session: str
    upload: int


# Reads --------------------------------------------------------------------------------------------------------


@_request("read_size", int)
class ReadSize(NamedTuple):
    """The bytes of a value that waits to be read."""

    session: str
    read: int


@_request("read_piece")
class ReadPiece(NamedTuple):
    """Copy `size` bytes of a value into a slot."""

    session: str
    read: int
    offset: int
    size: int
    slot: int


@_request("drop_read")
class DropRead(NamedTuple):
    """Forget a value that waits to be read."""

    session: str
    read: int


# The worker ---------------------------------------------------------------------------------------------------


@_request("health", dict[str, Any])
class Health(NamedTuple):
    """How many sessions, tensors and rows there are, and the bytes in use, at most so far, and allowed."""
