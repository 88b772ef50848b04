"""JSON, msgpack and .npy: from bodies to plain data, or to bytes with dtype and shape, and back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad_protocol import dtypes, wire
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import Malformed, NotAcceptable, OpTypeError, OpValueError, TooLarge, WrongContentType
from telegrad_protocol.limits import JSON_BYTES, NESTING
from telegrad_protocol.messages import ReadResult
from telegrad_protocol.shapes import contiguous
from telegrad_server.backend.dtypes import FROM_NUMPY, TO_NUMPY
from telegrad_server.http.responses import header, json_line

JSON: Final = "application/json"
MSGPACK: Final = wire.CONTENT_TYPE
NPY: Final = "application/x-npy"
OCTETS: Final = "application/octet-stream"

PLAIN: Final = (JSON, MSGPACK)
"""The types of metadata."""

VALUES: Final = (JSON, MSGPACK, NPY, OCTETS)
"""The types of values. Only .npy and plain bytes have no limit of size."""

PIECE: Final = 4096
"""Elements that are written as JSON at a time."""

_HEADER_BYTES: Final = 10_000
_MAGIC: Final = b"\x93NUMPY"
_NOT_FINITE: Final = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}

_DEFAULTS: Final = {"b": dtypes.bool_, "i": dtypes.int64, "f": dtypes.float32}


class Value(NamedTuple):
    """A tensor's elements: little-endian and row-major, or column-major where `fortran`."""

    dtype: DType
    shape: tuple[int, ...]
    data: bytes
    fortran: bool = False


# Negotiation --------------------------------------------------------------------------------------------------


def content_type(scope: Any, allowed: tuple[str, ...]) -> str:
    """The type of the request's body. Raises `WrongContentType` unless it is one of these."""
    found = (header(scope, b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")
    if found not in allowed:
        expected = " or ".join(allowed)
        hint = f"send the header 'Content-Type: {allowed[0]}'"
        raise WrongContentType(f"the body must be {expected}", expected=expected, got=found or "nothing", hint=hint)
    return found


def choose(scope: Any, offered: tuple[str, ...]) -> str:
    """The type that the caller prefers; without a preference the body's own, else the first.

    Raises `NotAcceptable` if it takes none of these.
    """
    sent = (header(scope, b"content-type") or b"").decode("latin-1")
    ordered = sorted(offered, key=lambda kind: not (kind == MSGPACK and sent.startswith(MSGPACK)))
    accept = (header(scope, b"accept") or b"*/*").decode("latin-1").lower()
    wanted = [_media_range(part) for part in accept.split(",") if part.strip()]
    best = max(ordered, key=lambda kind: _quality(kind, wanted))
    if _quality(best, wanted) <= 0:
        raise NotAcceptable(
            f"this comes as {', '.join(offered)}", argument="accept", expected=list(offered), got=accept[:100]
        )
    return best


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = [piece.strip() for piece in part.split(";")]
    for parameter in parameters:
        key, _, text = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(text)
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(kind: str, wanted: list[tuple[str, float]]) -> float:
    """The weight of the most specific range that the type falls in."""
    for match in (kind, kind.partition("/")[0] + "/*", "*/*"):
        for name, quality in wanted:
            if name == match:
                return quality
    return 0.0


# Plain data ---------------------------------------------------------------------------------------------------


def parse(body: bytes, kind: str) -> Any:
    """A JSON or msgpack body as plain data. Raises `Malformed`, also for one that is nested too deeply."""
    value = wire.unpack(body) if kind == MSGPACK else _parse_json(body)
    _check_depth(value)
    return value


def _parse_json(body: bytes) -> Any:
    try:
        text = body.decode()
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text.lower():  # half a surrogate pair is no character, and no answer could contain it
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except ValueError as error:
        raise Malformed(f"the body is not valid JSON: {error}", expected=JSON) from None
    return value


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON; write it as a string, 'nan', 'inf' or '-inf'")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(NESTING):
        items = [list(item.values()) if isinstance(item, dict) else item for item in level]
        level = [child for item in items if isinstance(item, list | tuple) for child in item if _holds(child)]
        if not level:
            return
    raise Malformed(f"the body is nested more than {NESTING} deep")


def _holds(value: Any) -> bool:
    return isinstance(value, list | tuple | dict)


def render(value: Any, kind: str) -> bytes:
    """Plain data as JSON or msgpack; for JSON there may be a `Value` in it, in dicts."""
    return wire.pack(value) if kind == MSGPACK else b"".join(_json_pieces(value)) + b"\n"


def _json_pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, Value):
        yield from _elements(_array_of(value))
    elif isinstance(value, dict) and value:
        for number, (name, item) in enumerate(value.items()):
            yield (b"," if number else b"{") + _json(name) + b":"
            yield from _json_pieces(item)
        yield b"}"
    else:
        yield _json(value)


def _elements(array: np.ndarray) -> Iterator[bytes]:
    """The text of nested lists, in pieces between which another thread may run."""
    if array.ndim == 0 or array.size <= PIECE:
        yield _json(_plain(array))
        return
    step = PIECE * len(array) // array.size
    yield b"["
    for start in range(0, len(array), step or 1):
        yield b"," if start else b""
        if step:
            yield _json(_plain(array[start : start + step]))[1:-1]
        else:
            yield from _elements(array[start])
    yield b"]"


def _json(value: Any) -> bytes:
    return json_line(value)[:-1]


def finite(value: Any) -> Any:
    """A number as JSON can write it.

    >>> finite(float("inf"))
    'inf'
    """
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value


def number(text: str) -> float | None:
    """The number that a string stands for, where JSON cannot write it."""
    return _NOT_FINITE.get(text)


# Elements -----------------------------------------------------------------------------------------------------


def dtype_named(name: str) -> DType:
    """The dtype of that name. Raises `OpTypeError` with the names there are."""
    if name not in dtypes.BY_NAME:
        known = sorted(dtypes.BY_NAME)
        message = f"there is no dtype '{name[:50]}', but {', '.join(known)}"
        raise OpTypeError(message, argument="dtype", expected=known, got=name[:50])
    return dtypes.BY_NAME[name]


def from_nested(data: Any, dtype: DType | None) -> Value:
    """A number, or nested lists of numbers, as PyTorch reads them: integers are int64, floats float32.

    Raises `OpTypeError` for other elements, `OpValueError` for ragged lists and numbers out of range.

    >>> from_nested([[1, 2], [3, 4]], None).shape
    (2, 2)
    """
    array = _array(data)
    if array.dtype.kind in "US":
        array = _array(_with_numbers(data))
    if array.dtype.kind not in _DEFAULTS:
        found = "an integer beyond int64" if array.dtype.kind == "u" else "something that is no number"
        raise OpTypeError(f"data holds {found}", argument="data", expected="numbers in nested lists")
    target = dtype or (_DEFAULTS[array.dtype.kind] if array.size else dtypes.float32)
    return Value(target, array.shape, _cast(array, target).tobytes())


def _array(data: Any) -> np.ndarray:
    try:
        return np.array(data)
    except (ValueError, TypeError, OverflowError):
        raise OpValueError("data must be rectangular: lists of one length at each level", argument="data") from None


def _with_numbers(data: Any) -> Any:
    if isinstance(data, list | tuple):
        return [_with_numbers(item) for item in data]
    if isinstance(data, str | bytes):
        found = number(data) if isinstance(data, str) else None
        if found is None:
            raise OpTypeError("data holds a string", argument="data", expected="numbers, 'nan', 'inf', '-inf'")
        return found
    return data


def _cast(array: np.ndarray, dtype: DType) -> np.ndarray:
    if dtype.category == dtypes.INT and array.dtype.kind != "b":
        span = np.iinfo(TO_NUMPY[dtype])
        # As floats, the bounds of int64 round outwards; a float at the upper one is out of range.
        below = array < (float(span.max) + 1) if array.dtype.kind == "f" else array <= span.max
        if not np.all((array > span.min - 1) & below):
            fitting = f"{span.min} to {span.max}"
            raise OpValueError(f"data does not fit {dtype.name}", argument="data", expected=fitting)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(TO_NUMPY[dtype])


def _array_of(value: Value) -> np.ndarray:
    array = np.frombuffer(value.data, TO_NUMPY[value.dtype]).reshape(value.shape)
    return array.astype(np.float32) if array.dtype.itemsize == 2 and value.dtype.is_floating_point else array


def _plain(array: np.ndarray) -> Any:
    """Nested lists, or one number; those that are not finite as strings."""
    finite = array.dtype.kind != "f" or np.isfinite(array).all()
    return array.tolist() if finite else _with_words(array.tolist())


def _with_words(data: Any) -> Any:
    return [_with_words(item) for item in data] if isinstance(data, list) else finite(data)


# .npy ---------------------------------------------------------------------------------------------------------


def npy_head(dtype: DType, shape: tuple[int, ...]) -> bytes:
    """The header of a .npy file. Raises `NotAcceptable` for bfloat16, which NumPy has no name for."""
    if dtype is dtypes.bfloat16:
        raise NotAcceptable("a .npy file cannot hold bfloat16", got=NPY, hint=f"ask for {JSON}, {MSGPACK} or {OCTETS}")
    file = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(TO_NUMPY[dtype]), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


def read_npy_head(start: bytes) -> tuple[Value, bytes] | None:
    """The dtype and shape in the header of a .npy file, and the bytes after it; None if more bytes must come first.

    Raises `Malformed` for other bytes, `OpTypeError` for elements that no tensor has.
    """
    if not start.startswith(_MAGIC[: len(start)]):
        raise Malformed("the body is not a .npy file", expected=NPY)
    if len(start) < 12:
        return None
    major = start[6]
    length = int.from_bytes(start[8:10] if major == 1 else start[8:12], "little")
    end = length + (10 if major == 1 else 12)
    if major not in (1, 2) or length > _HEADER_BYTES:
        raise Malformed(f"the .npy file has version {major} and a header of {length} bytes", expected="version 1 or 2")
    if len(start) < end:
        return None
    shape, fortran, native = _npy_fields(major, start[:end])
    if native not in FROM_NUMPY:
        raise OpTypeError(
            f"no tensor has elements of type {native.str}",
            argument="dtype",
            expected=[native.str for native in TO_NUMPY.values()],
            got=native.str,
            hint="little-endian, and one of the dtypes of PyTorch",
        )
    return Value(FROM_NUMPY[native], shape, b"", fortran), start[end:]


def _npy_fields(major: int, head: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    file = io.BytesIO(head)
    file.seek(8)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, native = read(file, max_header_size=_HEADER_BYTES)
    except Exception as error:  # NumPy hands it to Python's tokenizer and parser, which raise errors of many kinds
        raise Malformed(f"the .npy header cannot be read: {str(error)[:200]}", expected=NPY) from None
    return tuple(int(size) for size in shape), bool(fortran), native


def size_of(found: ReadResult) -> int:
    """The bytes of a value."""
    return contiguous(found.shape, dtypes.by_name(found.dtype)).nbytes


def check_json_size(nbytes: int) -> None:
    """Raise `TooLarge` for values that are better read as bytes."""
    if nbytes > JSON_BYTES:
        raise TooLarge(
            f"the value has {nbytes} bytes, more than the {JSON_BYTES} that are written as JSON or msgpack",
            hint=f"ask with 'Accept: {NPY}'",
        )
