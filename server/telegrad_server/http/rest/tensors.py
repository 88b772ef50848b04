"""REST routes of tensors: made from JSON, msgpack or .npy, listed, read and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import prod
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from telegrad_protocol import dtypes
from telegrad_protocol.errors import AutogradError, Conflict, Malformed, TelegradError, TooLarge
from telegrad_protocol.limits import INLINE_BYTES, LISTED
from telegrad_protocol.messages import Row
from telegrad_protocol.shapes import contiguous
from telegrad_server.sessions import reads
from telegrad_server.sessions.session import Session

from . import codec
from .calls import describe, id_of, metadata
from .codec import NPY, OCTETS, PLAIN, VALUES, Value
from .dependencies import answer, answer_values, op_stream_of, plain_body, session_of
from .offload import Elements
from .op_stream import OpStream, control_row
from .openapi_fields import ANSWER, BODY, OP, SESSION, SessionId, TensorId, answers, errors, takes
from .schemas import TENSOR, Empty, NewTensor, TensorInfo, TensorList, ValueBody, checked
from .values import Streamed, whole

router = APIRouter(prefix="/v1/sessions/{session}/tensors", tags=["tensors"])

_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_VALUE: Final = answers(ValueBody, "The value", {NPY: _BINARY, OCTETS: _BINARY}) | errors(
    SESSION, OP, ANSWER, (TooLarge,)
)
_VALUE[200]["headers"] = {
    "x-dtype": {"description": "With plain bytes: the dtype", "schema": {"type": "string"}},
    "x-shape": {"description": "With plain bytes: the shape, as in `2,3`", "schema": {"type": "string"}},
}


@router.post(
    "",
    openapi_extra=takes(NewTensor, {NPY: {**_BINARY, "example": "the bytes that numpy.save writes"}}),
    responses=answers(TensorInfo, "The tensor") | errors(SESSION, BODY, OP, ANSWER),
)
async def make_tensor(
    request: Request,
    session_id: SessionId,
    requires_grad: Annotated[bool, Query(description="As in the body, which a .npy file has no room for")] = False,
) -> Response:
    """Make a tensor from nested lists, from bytes with dtype and shape (msgpack), or from a .npy file."""
    codec.choose(request.scope, PLAIN)
    op_stream, session = await op_stream_of(request, session_id), session_of(request, session_id)
    if codec.content_type(request.scope, (*PLAIN, NPY)) == NPY:
        value, elements = await _take_npy(request)
    else:
        wanted = checked(NewTensor, await plain_body(request))
        value = value_in(wanted)
        elements, requires_grad = _one(value.data), requires_grad or wanted.requires_grad
    check_grad(value, requires_grad)
    return answer(request, await _make(op_stream, session, value, elements, requires_grad))


@router.get(
    "", responses=answers(TensorList, "A page of the session's tensors") | errors(SESSION, ANSWER, (Malformed,))
)
async def list_tensors(
    request: Request,
    session_id: SessionId,
    limit: Annotated[int, Query(ge=1, le=LISTED, description="The most tensors of a page")] = LISTED,
    after: Annotated[str | None, Query(pattern=TENSOR.pattern, description="The last id of the page before")] = None,
) -> Response:
    """Every tensor of the session, whoever made it and on whichever device, in pages by their ids."""
    codec.choose(request.scope, PLAIN)
    last = -1 if after is None else id_of(after)
    listed = await session_of(request, session_id).tensors(last, limit + 1)
    found = sorted((fields[0], device, fields) for device, fields in listed)
    # An id may stand on two devices, where a value was sent: a page never ends between them.
    end = found[limit - 1][0] if len(found) > limit else None
    page = [{**metadata(*fields), "device": device} for tensor, device, fields in found if end is None or tensor <= end]
    return answer(request, {"tensors": page, "next": None if end is None else f"t{end}"})


@router.get("/{tensor}", responses=answers(TensorInfo, "The tensor") | errors(SESSION, OP, ANSWER))
async def show_tensor(request: Request, session_id: SessionId, tensor_name: TensorId) -> Response:
    """A tensor's metadata."""
    codec.choose(request.scope, PLAIN)
    (found,) = await describe(await op_stream_of(request, session_id), [], [id_of(tensor_name)], [])
    return answer(request, found)


@router.delete("/{tensor}", responses=answers(Empty, "It is gone") | errors(SESSION, OP, ANSWER))
async def delete_tensor(request: Request, session_id: SessionId, tensor_name: TensorId) -> Response:
    """Forget a tensor; what was computed from it keeps what it needs."""
    codec.choose(request.scope, PLAIN)
    op_stream, tensor_id = await op_stream_of(request, session_id), id_of(tensor_name)
    await describe(op_stream, [], [tensor_id], [])  # raises for an id that names nothing; freeing passes over it
    await op_stream.forget([tensor_id])
    return answer(request, {})


@router.get("/{tensor}/value", responses=_VALUE)
async def read_value(request: Request, session_id: SessionId, tensor_name: TensorId) -> Response:
    """A tensor's elements: nested lists, a .npy file, or plain bytes, little-endian and row-major."""
    codec.choose(request.scope, VALUES)
    return await _read(request, session_id, await op_stream_of(request, session_id), id_of(tensor_name), [])


@router.get("/{tensor}/grad", responses=_VALUE)
async def read_grad(request: Request, session_id: SessionId, tensor_name: TensorId) -> Response:
    """The elements of a tensor's gradient; the op `get_grad` names it, to compute with."""
    codec.choose(request.scope, VALUES)
    op_stream = await op_stream_of(request, session_id)
    grad = op_stream.scratch_id()
    return await _read(request, session_id, op_stream, grad, [control_row("get_grad", grad, id_of(tensor_name))])


# Values in ------------------------------------------------------------------------------------------------------


def check_grad(value: Value, requires_grad: bool) -> None:
    """Raise `AutogradError` for elements that have no gradient, before they come in."""
    if requires_grad and not value.dtype.is_floating_point:
        raise AutogradError(
            "only Tensors of floating point dtype can require gradients",
            argument="requires_grad",
            got=value.dtype.name,
            hint="""make it with a floating dtype: {"dtype": "float32"}""",
        )


def check_bytes(value: Value) -> None:
    """Raise `Malformed` unless there are as many bytes as dtype and shape say."""
    nbytes = contiguous(value.shape, value.dtype).nbytes
    if len(value.data) != nbytes:
        raise Malformed(f"the body has {len(value.data)} bytes of elements", expected=nbytes, got=len(value.data))


def value_in(wanted: NewTensor) -> Value:
    """The elements in a body."""
    dtype = None if wanted.dtype is None else codec.dtype_named(wanted.dtype)
    if not isinstance(wanted.data, bytes):
        if wanted.shape is not None:
            raise Malformed("shape: nested lists have their own", argument="shape", hint="send bytes, or reshape")
        if isinstance(wanted.data, Elements):
            return wanted.data.get()
        return codec.from_nested(wanted.data, dtype)
    if dtype is None or wanted.shape is None:
        raise Malformed("bytes need a dtype and a shape", argument="shape" if dtype else "dtype")
    return Value(dtype, tuple(wanted.shape), wanted.data)


async def _make(
    op_stream: OpStream, session: Session, value: Value, elements: AsyncIterator[bytes], requires_grad: bool
) -> dict[str, Any]:
    """Make a tensor of elements that come in; its metadata."""
    tensor_id, nbytes = op_stream.new_id(), contiguous(value.shape, value.dtype).nbytes
    if nbytes <= INLINE_BYTES:
        rows, made = _making(op_stream, tensor_id, value, "constant", await _collect(elements, nbytes))
    else:
        await _upload(session, tensor_id, nbytes, elements)
        rows, made = _making(op_stream, tensor_id, value, "upload", tensor_id)
    if requires_grad:
        rows.append(control_row("set_requires_grad", None, tensor_id, True))
    try:
        (found,) = await describe(op_stream, rows, [tensor_id], made)
    except TelegradError:
        await session.uploads.drop(tensor_id)  # in case its row was never reached
        raise
    return found


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _take_npy(request: Request) -> tuple[Value, AsyncIterator[bytes]]:
    """A .npy file's header, and its elements as they come in."""
    stream, start, head = request.stream(), b"", None
    async for chunk in stream:
        start += chunk
        head = codec.read_npy_head(start)
        if head is not None:
            break
    if head is None:
        raise Malformed("the .npy file ends within its header", expected=NPY)
    value, rest = head

    async def elements() -> AsyncIterator[bytes]:
        yield rest
        async for chunk in stream:
            yield chunk

    return value, elements()


async def _collect(chunks: AsyncIterator[bytes], nbytes: int) -> bytes:
    """A few elements, which a row carries."""
    data = b""
    async for chunk in chunks:
        data += chunk
        if len(data) > nbytes:
            break
    if len(data) != nbytes:
        raise Malformed(f"the body has {len(data)} bytes of elements", expected=nbytes, got=len(data))
    return data


async def _upload(session: Session, tensor_id: int, nbytes: int, chunks: AsyncIterator[bytes]) -> None:
    """Bring many elements into the worker's memory, admitted before they are read."""
    try:
        upload = await session.uploads.begin(tensor_id, nbytes)
    except TelegradError:
        await session.uploads.drop(tensor_id)  # no row waits to hear of the refusal
        raise
    if upload is None:
        raise Conflict(f"another caller has used t{tensor_id}", got=f"t{tensor_id}")
    try:
        async for chunk in chunks:
            await upload.write(chunk)
            session.renew()
        if upload.filled != nbytes:
            raise Malformed(f"the body has {upload.filled} bytes of elements", expected=nbytes, got=upload.filled)
    except BaseException:
        await session.uploads.abandon(upload)
        raise
    try:
        await session.uploads.finish(upload)
    except TelegradError:
        await session.uploads.drop(tensor_id)  # no row waits to hear of it
        raise
    del session.uploads.complete[tensor_id]


def _making(op_stream: OpStream, tensor_id: int, value: Value, source: str, data: Any) -> tuple[list[Row], list[int]]:
    """The rows that make a tensor, and the ids that they bind. Column-major elements are turned around."""
    dtype, shape = value.dtype.name, value.shape
    if not value.fortran or len(shape) < 2:
        return [control_row(source, tensor_id, data, dtype, shape)], [tensor_id]
    turned, view = op_stream.scratch_id(), op_stream.scratch_id()
    strides = tuple([prod(shape[:axis]) for axis in range(len(shape))])
    rows = [
        control_row(source, turned, data, dtype, shape[::-1]),
        control_row("as_strided", view, turned, shape, strides, 0),
        control_row("clone", tensor_id, view),
        control_row("free", None, (turned, view)),
    ]
    return rows, [tensor_id, turned, view]


# Values out -----------------------------------------------------------------------------------------------------


async def _read(request: Request, session_id: str, op_stream: OpStream, tensor_id: int, before: list[Row]) -> Response:
    """The answer with a tensor's elements. `before`: rows that make it, for this read alone."""
    kind = codec.choose(request.scope, VALUES)
    read = op_stream.scratch_id()
    after = [control_row("free", None, (tensor_id,))] if before else []
    rows = [*before, control_row("read", read, tensor_id), *after]
    (found,) = await op_stream.submit(rows, [read, tensor_id] if before else [read])
    session, dtype, nbytes = session_of(request, session_id), dtypes.by_name(found.dtype), codec.size_of(found)
    try:
        head, headers = _head(kind, dtype, found.shape, nbytes)
    except TelegradError:
        if found.data is None:
            await reads.drop(session, read)
        raise
    if kind in (NPY, OCTETS):
        if found.data is not None:
            return Response(head + found.data, headers=headers, media_type=kind)
        return Streamed(session, read, nbytes, head, headers, kind)
    return await answer_values(await whole(session, found, kind), kind, nbytes)


def _head(kind: str, dtype: Any, shape: tuple[int, ...], nbytes: int) -> tuple[bytes, dict[str, str]]:
    """The bytes before the elements, and the headers that describe them. Raises where the type cannot hold them."""
    if kind == NPY:
        return codec.npy_head(dtype, shape), {}
    if kind == OCTETS:
        return b"", {"x-dtype": dtype.name, "x-shape": ",".join(map(str, shape))}
    codec.check_json_size(nbytes)
    return b"", {}
