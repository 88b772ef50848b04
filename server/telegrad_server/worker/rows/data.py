"""Rows that bring values to the device, read them, copy them to other devices, and free them."""

from __future__ import annotations

from typing import Any, Final

from telegrad_protocol.errors import AutogradError, Malformed, ShapeError, shown
from telegrad_protocol.limits import INLINE_BYTES
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.shapes import contiguous
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Tensor
from telegrad_server.worker.transfers import Read, Sent

from .registry import Blocked, answer_id, handles, releases, result_id

# To the device ------------------------------------------------------------------------------------------------


@handles("constant")
def constant(session: Session, row: Row, data: bytes, dtype: Any, shape: tuple[int, ...]) -> None:
    meta = contiguous(shape, dtype)
    if len(data) != meta.nbytes:
        raise ShapeError(f"{meta!r} has {meta.nbytes} bytes, the row carries {len(data)}", op="constant")
    xp = session.xp
    session.budget.check(meta.nbytes, "constant")
    session.bind(row.outs, session.adopt(xp.copy(xp.from_bytes(data, shape, dtype)), meta), "constant")


@handles("upload")
def take_upload(session: Session, row: Row, upload_id: int, dtype: Any, shape: tuple[int, ...]) -> None:
    upload = session.uploads.get(upload_id)
    if upload is None or not upload.done:
        raise Blocked
    del session.uploads[upload_id]
    if upload.error is not None:
        session.fail_results(row.outs, upload.error)
        return
    meta = contiguous(shape, dtype)
    upload.release()
    if upload.nbytes != meta.nbytes:
        raise ShapeError(f"{meta!r} has {meta.nbytes} bytes, the upload {upload.nbytes}", op="upload")
    data = session.xp.as_array(upload.buffer, shape, dtype)
    session.bind(row.outs, session.adopt(data, meta), "upload")


@releases("upload")
def refuse_upload(session: Session, upload_id: Any, dtype: Any, shape: Any) -> None:
    """Free the bytes of an upload that no row takes any more."""
    if type(upload_id) is int:
        session.refuse_upload(upload_id)


@handles("set_data")
def set_data(session: Session, row: Row, input: Tensor, data: Tensor) -> None:
    if input.requires_grad and not data.dtype.is_floating_point:
        raise AutogradError(
            "data set to a tensor that requires gradients must be floating point or complex dtype", op="set_data"
        )
    # Another shape or dtype counts as a write: a graph that saved the tensor must not compute with the new data.
    changed = input._meta is not data._meta
    data = data.detached(data.storage.with_own_version(input.storage.version + changed))
    input.data, input._meta, input.storage = data.data, data._meta, data.storage
    input.base, input.offset, input.rebased = data.base, data.offset, data.rebased
    input.origin, input.alone = None, data.alone


# From the device ----------------------------------------------------------------------------------------------


@handles("read")
def read(session: Session, row: Row, input: Tensor) -> ReadResult:
    meta = input._meta
    session.xp.raise_faults()
    read_id = result_id(row)
    if meta.nbytes <= min(INLINE_BYTES, session.room):
        session.room -= meta.nbytes
        return ReadResult(read_id, meta.dtype.name, meta.shape, session.xp.to_bytes(input.data))
    _keep_for_reading(session, read_id, input)
    return ReadResult(read_id, meta.dtype.name, meta.shape, None)


@handles("send")
def copy_to_device(session: Session, row: Row, input: Tensor, device: str) -> Sent:
    session.xp.raise_faults()
    read_id = result_id(row)
    _keep_for_reading(session, read_id, input)
    return Sent(read_id, device, input._meta.nbytes)


def _keep_for_reading(session: Session, read_id: int, input: Tensor) -> None:
    if not input._meta.contiguous:
        session.budget.check(input._meta.nbytes, "read")
        input = session.engine.wrap(session.xp.copy(input.data))
    session.drop_read(read_id)
    session.reads[read_id] = Read(session.xp, input)


@handles("describe")
def describe(session: Session, row: Row, input: Tensor) -> ReadResult:
    requires_grad = session.engine.tape.refresh_view(input).requires_grad
    return ReadResult(answer_id(row), input._meta.dtype.name, input._meta.shape, b"\1" if requires_grad else b"\0")


@handles("exists")
def exists(session: Session, row: Row, tensor_ids: tuple[int, ...]) -> ReadResult:
    found = [type(session.tensors.get(tensor_id)) is Tensor for tensor_id in tensor_ids]
    return ReadResult(answer_id(row), "bool", (len(tensor_ids),), bytes(found))


# Freeing ------------------------------------------------------------------------------------------------------

_INT: Final = {int}


@releases("free")
def forget(session: Session, ids: Any) -> None:
    """Forget tensors and generators. Raises `Malformed`, and forgets none, if these are not ids."""
    if type(ids) is not tuple or not _INT.issuperset(map(type, ids)):
        raise Malformed("free takes a list of ids", op="free", got=shown(ids))
    drop = session.tensors.pop
    for some_id in ids:
        if drop(some_id, None) is None and session.failed.pop(some_id, None) is None:
            session.generators.pop(some_id, None)


@handles("free")
def free(session: Session, row: Row, ids: tuple[int, ...]) -> None:
    forget(session, ids)
