"""Messages to bytes and back, within limits; does no input or output of its own.

Everything is msgpack (https://msgpack.org), written without extension types; `WIRE.md` is the specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import msgpack

from .dtypes import DType
from .errors import Malformed, TooLarge, shown
from .limits import LIMITS, Limits
from .messages import OpenSession, ReadResult, Reply, Row, SessionOpened, StreamOpened, Submission, TimedReply

CONTENT_TYPE: Final = "application/msgpack"
ID_BITS: Final = 40
"""Tensor ids of stream k lie in [k << ID_BITS, (k + 1) << ID_BITS)."""


def pack(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """Encode plain data (None, bool, int, float, str, bytes, list, tuple, dict); `default` makes others plain."""
    return cast("bytes", msgpack.packb(value, use_bin_type=True, default=default))


def unpack(data: bytes | memoryview, limits: Limits = LIMITS) -> Any:
    """Decode one msgpack value, arrays as tuples.

    Raises `TooLarge` for a body over the limit and `Malformed` for one that is cut off, too deep, has bytes
    left over, or is not msgpack.
    """
    if len(data) > limits.body_bytes:
        raise TooLarge(
            f"the body has {len(data)} bytes, more than the {limits.body_bytes} allowed",
            hint="send fewer rows at a time, and large tensors as uploads",
        )
    try:
        return msgpack.unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            max_str_len=limits.string_bytes,
            max_bin_len=limits.body_bytes,
            max_array_len=limits.array_items,
            max_map_len=limits.array_items,
            max_ext_len=0,
        )
    except msgpack.StackError as error:
        raise Malformed("the body is nested too deeply") from error
    except (ValueError, msgpack.UnpackException, UnicodeDecodeError, TypeError) as error:
        raise Malformed(f"the body is not valid msgpack: {error}", expected=CONTENT_TYPE) from error


def encode_rows(rows: list[Any]) -> bytes:
    """Encode a submission: rows, whose dtypes travel by name and NumPy's numbers as plain ones."""
    return pack(rows, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, DType):
        return value.name
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError(f"a {type(value).__name__} cannot travel in a row")


def decode_submission(data: bytes | memoryview, limits: Limits = LIMITS) -> Submission:
    """Decode a submission and check its form; executing the rows checks what they mean.

    >>> decode_submission(encode_rows([(0, 1, 7, (3, (2.0,)))])).rows[0].outs
    7
    """
    rows = unpack(data, limits)
    if type(rows) is not tuple:
        raise Malformed("a submission is an array of rows", expected="array", got=type(rows).__name__)
    if len(rows) > limits.rows:
        raise TooLarge(f"{len(rows)} rows in one submission, more than the {limits.rows} allowed")
    several = 0
    for index, row in enumerate(rows):
        try:
            op, flags, outs, args = row
            if type(op) is type(flags) is int and type(args) is tuple is type(row) and _are_ids(outs):
                if type(outs) is tuple:
                    several += len(outs)
                    _check_number(outs, several, limits)
                continue
        except (TypeError, ValueError):
            pass  # not four fields
        raise _not_a_row(index, row)
    return Submission(tuple([_as_row(Row, row) for row in rows]))


def _check_number(outs: tuple[int, ...], several: int, limits: Limits) -> None:
    if len(outs) > limits.results:
        raise TooLarge(f"a row with {len(outs)} results, more than the {limits.results} allowed")
    if several > limits.ids:
        raise TooLarge(f"the rows of a submission have more than the {limits.ids} results allowed")


_as_row = tuple.__new__  # Row._make, without the check that was just made


def _not_a_row(index: int, row: Any) -> Malformed:
    return Malformed(
        f"row {index} is not [op, flags, outs, args]",
        expected="[int, int, id or array of ids or nil, array]",
        got=shown(row),
        row=index,
    )


def _are_ids(outs: Any) -> bool:
    if type(outs) is tuple:
        return all(type(out) is int and out >= 0 for out in outs)
    return outs is None or (type(outs) is int and outs >= 0)


def decode_reply(data: bytes | memoryview) -> Reply:
    """Decode the reply to a submission, without the times of rows."""
    return decode_timed_reply(data)[0]


def decode_timed_reply(data: bytes | memoryview) -> tuple[Reply, tuple[int, ...]]:
    """Decode the reply to a submission, and the times of its rows in nanoseconds: none if they were not asked for.

    >>> decode_timed_reply(pack(((), None, (1500, 20))))
    (Reply(results=(), error=None), (1500, 20))
    """
    values: Any = unpack(data)
    times: tuple[int, ...] = ()
    if type(values) is tuple and len(values) == len(TimedReply._fields):
        values, times = values[:-1], values[-1]
        if type(times) is not tuple or not all(type(time) is int and time >= 0 for time in times):
            raise Malformed("the times of a reply are an array of nanoseconds", expected="array", got=shown(times))
    results, error = _fields(Reply, values)
    if type(results) is not tuple:
        raise Malformed("the results of a reply are an array", expected="array", got=type(results).__name__)
    return Reply(tuple(ReadResult(*_fields(ReadResult, item)) for item in results), error), times


Struct = TypeVar("Struct", OpenSession, SessionOpened, StreamOpened)


def decode_struct(kind: type[Struct], data: bytes) -> Struct:
    """Decode one of the small structs of session set-up, checking every field's type."""
    values = _fields(kind, unpack(data))
    for name, value in zip(kind._fields, values, strict=True):
        wanted = _FIELD_TYPES[name]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise Malformed(f"field {name} of {kind.__name__} has the wrong type", argument=name, got=shown(value))
    return kind(*values)


_FIELD_TYPES: dict[str, type | tuple[type, ...]] = {
    "protocol": int,
    "package": str,
    "digest": str,
    "session": str,
    "stream": int,
    "first_id": int,
    "lease": (int, float),
    "server": str,
    "devices": tuple,
}


def _fields(kind: Any, values: Any) -> tuple[Any, ...]:
    if type(values) is not tuple or len(values) != len(kind._fields):
        raise Malformed(f"{kind.__name__} is an array of {', '.join(kind._fields)}", got=shown(values))
    return values
