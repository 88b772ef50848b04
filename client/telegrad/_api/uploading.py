"""Uploading a host tensor: the rows that make it, and every tensor on its memory, on the server."""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final

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


def uploaded(tensor: TensorBase) -> int:
    """Upload a host tensor, unless it is on the server already; its id."""
    with _uploading:
        if not tensor._id:
            root = tensor.root
            if root is not tensor:
                uploaded(root)  # and with it every tensor on its memory
            else:
                _upload_values(tensor)
        return tensor._id


def _upload_values(tensor: TensorBase) -> None:
    """Record the rows that make a host tensor, and every live tensor on its memory, on the server."""
    ids = {t: stream.next_id() for t in tensor.sharers() if t is tensor or t._host is not None}
    array = np.ascontiguousarray(tensor._host)
    inline = array.nbytes <= INLINE_BYTES
    payload = None if inline else stream.payload(ids[tensor], array, tensor._meta.device)
    rows = _rows_of(tensor, ids, array.tobytes() if inline else payload)
    hosts = [(weakref.ref(t), tensor_id, t._host) for t, tensor_id in ids.items()]
    append_all(rows, Change(lambda: _now_on_server(hosts), lambda: _still_on_host(hosts), lasting=True))
    if payload is not None:
        stream.upload(payload)


def _now_on_server(hosts: list[tuple[weakref.ref[TensorBase], int, Any]]) -> None:
    for reference, tensor_id, _ in hosts:
        tensor = reference()
        if tensor is not None:
            tensor._id, tensor._host = tensor_id, None
            tensor._free_now = tensor._free_now or tensor._meta.large


def _still_on_host(hosts: list[tuple[weakref.ref[TensorBase], int, Any]]) -> None:
    for reference, _, array in hosts:
        tensor = reference()
        if tensor is not None:
            tensor._id, tensor._host = 0, array


def _rows_of(tensor: TensorBase, ids: dict[TensorBase, int], values: Any) -> list[RecordedRow]:
    """The rows that make tensors on one memory: of values, or of a payload that travels apart; views, also detached."""
    site, tensor_id, meta, device_bits = call_site(), ids[tensor], tensor._meta, tensor.device_bits

    def row(op: str, outs: int | None, *args: Any, flags: int = 0, payload: Payload | None = None) -> RecordedRow:
        return RecordedRow(OPS[op].index, device_bits | flags, outs, args, *site, None, payload)

    if type(values) is bytes:
        rows = [row("constant", tensor_id, values, meta.dtype, meta.shape)]
    else:
        rows = [row("upload", tensor_id, tensor_id, meta.dtype, meta.shape, payload=values)]
    whole: dict[TensorBase, int] = {tensor: tensor_id}
    for other in list(ids)[1:]:
        base, seen = other.base, other._meta
        apart = "_data" if base._own_version else "detach"
        if other is base and seen is meta:
            rows.append(row(apart, ids[other], tensor_id))
            whole[base] = ids[other]
            continue
        if base not in whole:
            whole[base] = stream.next_id()
            rows.append(row(apart, whole[base], tensor_id))
        flags = GRAD if other._frozen is None else 0
        rows.append(row("as_strided", ids[other], whole[base], seen.shape, seen.strides, other._offset, flags=flags))
    rows += [row("set_requires_grad", None, ids[t], True) for t in ids if t.is_leaf_with_grad]
    only_helping = tuple([made for base, made in whole.items() if base not in ids])
    return [*rows, row("free", None, only_helping)] if only_helping else rows
