"""Uploading a host tensor: the rows that make it, and every tensor on its memory, on the server."""

from __future__ import annotations

import threading
import weakref
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad._runtime.process import stream
from telegrad._stream.changes import Change
from telegrad._stream.queue import RecordedRow
from telegrad._stream.uploads import Payload
from telegrad._tracing.call_sites import call_site
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.rows import append_all
from telegrad_protocol.limits import INLINE_BYTES
from telegrad_protocol.messages import GRAD
from telegrad_protocol.spec import OPS

_uploading: Final = threading.RLock()


class Twin:
    """A tensor that the server has already, of the values that a host tensor has; whoever is uploaded takes its id."""

    _free_now = False

    def __init__(self, tensor_id: int, *, exact: bool = True) -> None:
        self._id = tensor_id
        self._exact = exact  # the same bits with every C library
        self._sender = stream.sender

    __del__ = stream.queue.finalizer()

    def stands_for(self, tensor: TensorBase) -> bool:
        """Whether it is in the present session, and has the values that a tensor has, or may have shown already."""
        return bool(self._id) and self._sender is stream.sender and (self._exact or tensor._make is not None)


class Recipe(NamedTuple):
    """The call of a factory whose values the server makes as well as the host."""

    op: str
    args: tuple[Any, ...]


def uploaded(tensor: TensorBase) -> int:
    """Upload a host tensor, unless it is on the server already; its id."""
    with _uploading:
        if not tensor._id:
            _upload_values(tensor.root)  # and with it every tensor on its memory
        return tensor._id


def _upload_values(tensor: TensorBase) -> None:
    """Record the rows that make a host tensor, and every live tensor on its memory, on the server."""
    source = tensor._source
    twin = source if isinstance(source, Twin) and source.stands_for(tensor) else None
    ids = {tensor: stream.next_id() if twin is None else twin._id}
    if tensor._aliases:
        ids.update((t, stream.next_id()) for t in tensor.sharers() if t is not tensor and t.is_on_host)
    payload, rows = (None, []) if twin is not None else _rows_of_values(tensor, ids[tensor])
    rows += _rows_of_sharers(tensor, ids)
    hosts = [(weakref.ref(t), tensor_id, t._make, t.__dict__.get("_host")) for t, tensor_id in ids.items()]
    # Where an earlier row has failed, small values are on the host again, as before it; large ones are not sent twice.
    lasting = payload is not None
    change = Change(partial(_now_on_server, hosts, twin), partial(_still_on_host, hosts, twin), lasting=lasting)
    append_all(rows, change)
    if payload is not None:
        stream.upload(payload)


Host = tuple[weakref.ref[TensorBase], int, Any, Any]
"""A host tensor, its id on the server, and what makes its values, or they themselves."""


def _now_on_server(hosts: list[Host], twin: Twin | None) -> None:
    if twin is not None:
        twin._id = 0
    for reference, tensor_id, _, _ in hosts:
        tensor = reference()
        if tensor is not None:
            tensor._id, tensor._host, tensor._make = tensor_id, None, None
            tensor._free_now = tensor._free_now or tensor._meta.large


def _still_on_host(hosts: list[Host], twin: Twin | None) -> None:
    for reference, _, make, array in hosts:
        tensor = reference()
        if tensor is not None:
            tensor._id, tensor._make = 0, make
            if make is None:
                tensor._host = array
            else:
                tensor.__dict__.pop("_host", None)
    if twin is not None:
        twin._id = hosts[0][1]


def _row(
    op: str, like: TensorBase, outs: int | None, *args: Any, flags: int = 0, payload: Payload | None = None
) -> RecordedRow:
    return RecordedRow(OPS[op].index, like.device_bits | flags, outs, args, *call_site(), None, payload)


def _rows_of_values(tensor: TensorBase, tensor_id: int) -> tuple[Payload | None, list[RecordedRow]]:
    """The row that makes a tensor of its factory's call, of its values, or of a payload that travels apart."""
    meta = tensor._meta
    if isinstance(tensor._source, Recipe):
        return None, [_row(tensor._source.op, tensor, tensor_id, *tensor._source.args)]
    array = np.ascontiguousarray(tensor._host)
    if array.nbytes <= INLINE_BYTES:
        return None, [_row("constant", tensor, tensor_id, array.tobytes(), meta.dtype, meta.shape)]
    payload = stream.payload(tensor_id, array, meta.device)
    return payload, [_row("upload", tensor, tensor_id, tensor_id, meta.dtype, meta.shape, payload=payload)]


def _rows_of_sharers(tensor: TensorBase, ids: dict[TensorBase, int]) -> list[RecordedRow]:
    """The rows that make the other tensors on one memory: views, also detached."""
    if len(ids) == 1 and tensor._leaves is None:
        return []
    tensor_id, meta, rows = ids[tensor], tensor._meta, []
    whole: dict[TensorBase, int] = {tensor: tensor_id}
    for other in list(ids)[1:]:
        base, seen = other.base, other._meta
        apart = "_data" if base._own_version else "detach"
        if other is base and seen is meta:
            rows.append(_row(apart, tensor, ids[other], tensor_id))
            whole[base] = ids[other]
            continue
        if base not in whole:
            whole[base] = stream.next_id()
            rows.append(_row(apart, tensor, whole[base], tensor_id))
        flags = GRAD if other._frozen is None else 0
        shape, strides, offset = seen.shape, seen.strides, other._offset
        rows.append(_row("as_strided", tensor, ids[other], whole[base], shape, strides, offset, flags=flags))
    rows += [_row("set_requires_grad", tensor, None, ids[t], True) for t in ids if not t._id and t.is_leaf_with_grad]
    only_helping = tuple([made for base, made in whole.items() if base not in ids])
    return [*rows, _row("free", tensor, None, only_helping)] if only_helping else rows
