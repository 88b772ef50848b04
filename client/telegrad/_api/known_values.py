"""Reading values, and keeping small ones: what was read once is not asked for again until its memory is written to.

A read of a small tensor brings all of its memory; one of a view or an element of a large tensor, the block of memory
around it. `contents` says how a write ends what is known.
"""

from __future__ import annotations

import itertools
import weakref
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad._runtime.process import stream
from telegrad._stream.queue import RecordedRow
from telegrad._stream.reads import Future
from telegrad._tracing.call_sites import call_site
from telegrad._tracing.contents import since
from telegrad._tracing.proxy import TensorBase
from telegrad_protocol import dtypes
from telegrad_protocol.messages import ReadResult
from telegrad_protocol.spec import OPS

from . import host_tensors

SMALL: Final = 16 << 10
"""Bytes of memory that a read of any part of it brings as a whole."""

BLOCK: Final = 4 << 10
"""Bytes of larger memory that a read of an element brings."""

MOST_BYTES: Final = 16 << 20
"""Bytes that are kept in all; what was used least recently goes first."""

_OVERHEAD: Final = 512
"""Bytes that knowledge of one value takes beside the value."""

_AS_STRIDED: Final = OPS["as_strided"].index


class Known:
    """Values of a piece of memory: read, or on their way (`future`).

    `answer_id`: tensors with lower ids were made before the read. `epoch_start`: those with ids from here on, in its
    epoch: the read tells that they have values, since after a failed row nothing succeeds in its epoch.
    """

    __slots__ = ("__weakref__", "answer_id", "any", "bulk", "epoch_start", "future", "nbytes", "sender", "used")

    def __init__(self, nbytes: int) -> None:
        self.future: Future | None = None
        self.nbytes = nbytes
        self.sender = stream.sender
        self.bulk, self.any = since.bulk, since.any
        self.epoch_start = stream.queue.epoch_start
        self.answer_id = stream.next_id()
        self.used = 0

    def holds_for(self, tensor: Any, root: Any) -> bool:
        """Whether these are the values that a read of the tensor would bring now."""
        future = self.future
        if future is None or self.any is not since.any or (root._bulk_written and self.bulk is not since.bulk):
            return False
        if self.sender is not stream.sender:
            return False
        if future.done():
            if future.failed():
                return False
        elif self.epoch_start != stream.queue.epoch_start:
            return False  # its epoch has failed, and perhaps it with it
        return tensor is root or _is_of_this_epoch(tensor) or self.epoch_start <= tensor._id < self.answer_id


def _is_of_this_epoch(tensor: Any) -> bool:
    """Whether no failure became known since the call that made a tensor: one before it fails what is read now as well."""
    return bool(tensor._id >= stream.queue.epoch_start)


class _Kept:
    """All that is known, to keep within bounds. What nobody holds any more is not counted."""

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[Known]] = {}
        self._numbers = itertools.count(1)
        self._at_most = 0  # bytes, with those of tensors that are gone since it was counted last

    def add(self, known: Known) -> None:
        number = known.used = next(self._numbers)
        self._references[number] = weakref.ref(known, lambda _: self._references.pop(number, None))
        self._at_most += known.nbytes + _OVERHEAD
        if self._at_most > MOST_BYTES:
            self._shrink()

    def touch(self, known: Known) -> None:
        """It was used."""
        known.used = next(self._numbers)

    def _shrink(self) -> None:
        found = sorted(self.all(), key=lambda known: known.used)
        total = self.total()
        for known in found:
            if total <= MOST_BYTES * 3 // 4:
                break
            total -= known.nbytes + _OVERHEAD
            known.future = None
        self._at_most = total

    def all(self) -> list[Known]:
        """What is known now."""
        held = [reference() for reference in list(self._references.values())]
        return [known for known in held if known is not None and known.future is not None]

    def total(self) -> int:
        """Bytes of all that is known now."""
        return sum(known.nbytes + _OVERHEAD for known in self.all())


kept: Final = _Kept()


class Piece(NamedTuple):
    """The memory to read for a tensor: `count` elements of `root` from `start`, and where the tensor's first one is there."""

    root: Any
    start: int
    count: int
    offset: int


class Share(Future):
    """A tensor's values, as part of what is known or on its way."""

    def __init__(self, whole: Future, offset: int, meta: Any) -> None:
        self._whole, self._offset, self._meta = whole, offset, meta
        self._found: list[np.ndarray] = []

    def done(self) -> bool:
        return self._whole.done()

    def failed(self) -> bool:
        return self._whole.failed()

    def result(self, timeout: float | None = None) -> Any:
        if not self._found:
            memory = self._whole.result(timeout)
            size, meta = memory.itemsize, self._meta
            strides = tuple([step * size for step in meta.strides])
            self._found.append(np.ndarray(meta.shape, memory.dtype, memory, self._offset * size, strides).copy())
        return self._found[0]


def read(tensor: Any) -> Future:
    """Ask for the values of a tensor on the server, unless they are known or on their way."""
    piece = _piece_of(tensor)
    if piece is None:
        return stream.ask("read", (tensor._id,), tensor.device_bits, call_site(), _fetch)
    root = piece.root
    known = None if root._known is None else root._known.get(piece.start)
    if known is None or not known.holds_for(tensor, root):
        if tensor is not root and not _is_of_this_epoch(tensor):
            return stream.ask("read", (tensor._id,), tensor.device_bits, call_site(), _fetch)
        known = _ask(piece)
    elif stream.sender.error is not None:
        stream.surface(stream.sender.error)
    kept.touch(known)
    future = known.future or _ask(piece).future  # another thread may have made room meanwhile
    assert future is not None
    return Share(future, piece.offset, tensor._meta)


def _piece_of(tensor: Any) -> Piece | None:
    """What to read for a tensor; None to read the tensor itself."""
    root = tensor.root
    if tensor._stray or not _owns_memory(root) or tensor._id in stream.sender.failures.causes:
        return None
    meta, whole = tensor.__dict__.get("_meta"), root.__dict__.get("_meta")
    if meta is None or whole is None or meta.dtype is not whole.dtype or not 0 < meta.nbytes <= SMALL:
        return None
    if whole.nbytes <= SMALL:
        return Piece(root, 0, whole.numel, tensor._offset)
    first = tensor._offset
    last = first + sum((n - 1) * step for n, step in zip(meta.shape, meta.strides, strict=True))
    size = BLOCK // meta.dtype.itemsize
    start = first // size * size
    if tensor is root or last >= start + size:
        return None
    return Piece(root, start, min(size, whole.numel - start), first - start)


def _owns_memory(root: TensorBase) -> bool:
    """Whether a tensor, the first on its memory, is on the server and still has that memory."""
    return root._id != 0 and root._base is None and (root._memory is None or root._memory is root) and not root._offset


def _ask(piece: Piece) -> Known:
    """Ask for a piece of memory, and keep it with its owner."""
    root, device_bits, site = piece.root, piece.root.device_bits, call_site()
    known = Known(piece.count * root._meta.dtype.itemsize)
    if root._known is None:
        root._known = {}
    root._known[piece.start] = known  # before the row: a write that another thread records meanwhile ends it
    if piece.count == root._meta.numel:
        known.future = stream.ask("read", (root._id,), device_bits, site, _fetch)
    else:
        part = known.answer_id
        cut = (root._id, (piece.count,), (1,), piece.start)
        stream.queue.items.append(RecordedRow(_AS_STRIDED, device_bits, part, cut, *site))
        try:
            known.future = stream.ask("read", (part,), device_bits, site, _fetch)
        finally:
            stream.queue.free(part)
    kept.add(known)
    return known


def _fetch(result: ReadResult) -> np.ndarray:
    """The array of a finished read; a large one came into memory of its own."""
    dtype = host_tensors.NUMPY[dtypes.by_name(result.dtype)]
    if type(result.data) is bytes:
        values = np.frombuffer(result.data, dtype).copy()
    else:
        values = np.asarray(result.data).view(dtype)
    return host_tensors.widened(values.reshape(result.shape), result.dtype)
