"""Every error that telegrad raises or sends, with a stable code: the same classes on both sides.

TelegradError (RuntimeError)
├── OpError                 op_failed           an op cannot be done with these arguments
│   ├── ShapeError          bad_shape
│   ├── OpTypeError         bad_type            also a TypeError
│   ├── OpIndexError        bad_index           also an IndexError
│   ├── OpValueError        bad_value           also a ValueError
│   ├── OpAssertion         bad_assertion       also an AssertionError
│   ├── UnknownOp           unknown_op          also an AttributeError
│   ├── UnknownTensor       unknown_tensor
│   ├── DeviceError         bad_device
│   ├── UnsupportedOp       unsupported         also a NotImplementedError
│   ├── AutogradError       autograd
│   │   ├── VersionChanged  version_changed     a saved tensor was changed in place
│   │   └── GraphFreed      graph_freed         backward twice without retain_graph
│   └── OutOfMemory         out_of_memory       also a MemoryError
└── ServiceError            service             the service cannot take the request
    ├── Malformed           malformed           not msgpack, cut off, too deep, of the wrong form
    ├── TooLarge            too_large
    ├── WrongContentType    wrong_content_type
    ├── NotAcceptable       not_acceptable
    ├── NotFound            not_found
    ├── MethodNotAllowed    method_not_allowed
    ├── Conflict            conflict            a submission number sent again with other bytes
    ├── SubmissionGap       submission_gap      too far ahead of what has arrived
    ├── StaleEpoch          stale_epoch         a client that came back from the dead
    ├── StreamStopped       stream_stopped      the stream was told to stop before the call ran
    ├── VersionMismatch     version_mismatch    client and server do not speak the same protocol
    ├── Unauthorized        unauthorized
    ├── Forbidden           forbidden           an unlisted Host or Origin
    ├── SessionGone         session_gone        unknown, expired, closed, or of another server
    ├── TooMany             too_many            sessions, streams, uploads or replies beyond the limit
    ├── Unavailable         unavailable         shutting down
    ├── WorkerDied          worker_died         the device's process ended; its sessions are gone
    └── InternalError       internal            a defect of telegrad itself
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar, Final

from .limits import MOST_ITEMS, MOST_TEXT

DETAILS = ("op", "argument", "expected", "got", "hint", "row", "request", "calls")

_DEEPEST: Final = 8


def _plain(value: Any, depth: int = 0) -> Any:
    """A detail in a form that every format can write; a caller's arguments may be anything, of any size."""
    if value is None or type(value) is bool:
        return value
    if type(value) is int:
        return value if -(1 << 63) <= value < 1 << 64 else _large(value)
    if type(value) is float:
        return value if value - value == 0 else str(value)
    if type(value) is str:
        return value[:MOST_TEXT].encode(errors="backslashreplace").decode()
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_plain(item, depth + 1) for item in value[:MOST_ITEMS]]
    if isinstance(value, Mapping) and depth < _DEEPEST:
        items = islice(value.items(), MOST_ITEMS)
        return {_plain(str(key)): _plain(item, depth + 1) for key, item in items}
    return _plain(shown(value))


def _large(value: int) -> str:
    """An integer beyond 64 bits; Python refuses to write very large ones in decimal."""
    return str(value) if value.bit_length() < 1024 else f"an integer of {value.bit_length()} bits"


def shown(value: Any) -> str:
    """A value in a message, cut short."""
    return _SHORT.repr(value)[:100]


_SHORT: Final = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = _SHORT.maxlong = 50


class TelegradError(RuntimeError):
    """Base of all errors; `details` say which op, which argument, expected, got, and what to do."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        unknown = details.keys() - set(DETAILS)
        if unknown:
            raise TypeError(f"unknown error details: {sorted(unknown)}")
        self.message = message
        self.details = {name: value for name, value in details.items() if value is not None}

    def __str__(self) -> str:
        hint = self.details.get("hint")
        return f"{self.message}\nHint: {hint}" if hint else self.message

    def to_dict(self) -> dict[str, Any]:
        """The error as it travels: code, message, and those details that are known; msgpack and JSON can write it."""
        return {"code": self.code, "message": _plain(self.message), **_plain(self.details)}

    def __reduce__(self) -> tuple[Any, ...]:
        return from_dict, (self.to_dict(),)


class OpError(TelegradError):
    code = "op_failed"
    status = 422


class ShapeError(OpError):
    code = "bad_shape"


class OpTypeError(OpError, TypeError):
    code = "bad_type"


class OpIndexError(OpError, IndexError):
    code = "bad_index"


class OpValueError(OpError, ValueError):
    code = "bad_value"


class OpAssertion(OpError, AssertionError):
    code = "bad_assertion"


class UnknownOp(OpError, AttributeError):
    code = "unknown_op"
    status = 404


class UnknownTensor(OpError):
    code = "unknown_tensor"
    status = 404


class DeviceError(OpError):
    code = "bad_device"


class UnsupportedOp(OpError, NotImplementedError):
    code = "unsupported"


class AutogradError(OpError):
    code = "autograd"


class VersionChanged(AutogradError):
    code = "version_changed"


class GraphFreed(AutogradError):
    code = "graph_freed"


class OutOfMemory(OpError, MemoryError):
    code = "out_of_memory"
    status = 507


class ServiceError(TelegradError):
    code = "service"
    status = 500


class Malformed(ServiceError):
    code = "malformed"
    status = 400


class TooLarge(ServiceError):
    code = "too_large"
    status = 413


class WrongContentType(ServiceError):
    code = "wrong_content_type"
    status = 415


class NotAcceptable(ServiceError):
    code = "not_acceptable"
    status = 406


class NotFound(ServiceError):
    code = "not_found"
    status = 404


class MethodNotAllowed(ServiceError):
    code = "method_not_allowed"
    status = 405


class Conflict(ServiceError):
    code = "conflict"
    status = 409


class SubmissionGap(ServiceError):
    code = "submission_gap"
    status = 409


class StaleEpoch(ServiceError):
    code = "stale_epoch"
    status = 409


class StreamStopped(ServiceError):
    code = "stream_stopped"
    status = 409


class VersionMismatch(ServiceError):
    code = "version_mismatch"
    status = 426


class Unauthorized(ServiceError):
    code = "unauthorized"
    status = 401


class Forbidden(ServiceError):
    code = "forbidden"
    status = 403


class SessionGone(ServiceError):
    code = "session_gone"
    status = 410


class TooMany(ServiceError):
    code = "too_many"
    status = 429


class Unavailable(ServiceError):
    code = "unavailable"
    status = 503


class WorkerDied(ServiceError):
    code = "worker_died"
    status = 503


class InternalError(ServiceError):
    code = "internal"
    status = 500


def _subclasses(cls: type[TelegradError]) -> list[type[TelegradError]]:
    return [cls] + [leaf for child in cls.__subclasses__() for leaf in _subclasses(child)]


CODES: dict[str, type[TelegradError]] = {cls.code: cls for cls in _subclasses(TelegradError)}


def from_dict(fields: Mapping[str, Any]) -> TelegradError:
    """Rebuild an error from the fields that `to_dict` gave; an unknown code becomes a plain `TelegradError`.

    >>> from_dict({"code": "bad_index", "message": "Dimension out of range"}).details
    {}
    """
    cls = CODES.get(str(fields.get("code")), TelegradError)
    details = {name: fields[name] for name in DETAILS if fields.get(name) is not None}
    return cls(str(fields.get("message", "the server gave no message")), **details)
