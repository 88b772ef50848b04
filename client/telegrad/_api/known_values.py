"""Reading values, and keeping small ones: what was read once is not asked for again until its memory is written to.

A read of a small tensor brings all of its memory; one of a view or an element of a large tensor, the block of memory
around it. `contents` says how a write ends what is known.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad._runtime.process import stream
from telegrad._stream.queue import RecordedRow
from telegrad._stream.reads import Future
from telegrad._tracing.call_sites import call_site, outside
from telegrad._tracing.contents import since
from telegrad_protocol import dtypes
from telegrad_protocol.messages import ReadResult
from telegrad_protocol.spec import OPS

from . import asking_ahead, host_tensors
from .repeated_calls import repeated_calls

SMALL: Final = 16 << 10
"""Bytes of memory that a read of any part of it brings as a whole."""

BLOCK: Final = 4 << 10
"""Bytes of larger memory that a read of an element brings."""

MOST_BYTES: Final = 16 << 20
"""Bytes that are kept in all; what was used least recently goes first."""

LARGE: Final = -1
"""Stands for the start of memory that was asked for ahead as a whole; it is kept for one read."""

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
    """All that is known, to keep within bounds.

    What went with its tensor is counted until the bound is reached: a callback in Python could swallow an interrupt.
    """

    def __init__(self) -> None:
        self._references: list[weakref.ref[Known]] = []
        self._numbers = itertools.count(1)
        self._at_most = 0  # bytes, with those of tensors that are gone since it was counted last

    def add(self, known: Known) -> None:
        known.used = next(self._numbers)
        self._references.append(weakref.ref(known))
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
        self._references = [weakref.ref(known) for known in self.all()]

    def all(self) -> list[Known]:
        """What is known now."""
        held = [reference() for reference in list(self._references)]
        return [known for known in held if known is not None and known.future is not None]

    def total(self) -> int:
        """Bytes of all that is known now."""
        return sum(known.nbytes + _OVERHEAD for known in self.all())


kept: Final = _Kept()


class Piece(NamedTuple):
    """The memory to read for a tensor: `length` elements of `root` from `start`, `offset`: where its first is there."""

    root: Any
    start: int
    length: int
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

    def exception(self, timeout: float | None = None) -> BaseException | None:
        return self._whole.exception(timeout)

    def set_result(self, value: Any, error: BaseException | None = None) -> None:
        self._whole.set_result(value, error)

    def result(self, timeout: float | None = None) -> Any:
        if not self._found:
            memory = self._whole.result(timeout)
            size, meta = memory.itemsize, self._meta
            strides = tuple([step * size for step in meta.strides])
            self._found.append(np.ndarray(meta.shape, memory.dtype, memory, self._offset * size, strides).copy())
        return self._found[0]


def read(tensor: Any) -> Future:
    """Ask for the values of a tensor on the server, unless they are known or on their way."""
    root = _owner(tensor)
    if root is None:
        return _read_itself(tensor, call_site())
    piece = _piece(tensor, root)
    known = None if root._known is None else root._known.get(piece.start)
    if known is None or not known.holds_for(tensor, root):
        return _ask_for(tensor, piece)
    if stream.sender.error is not None:
        stream.surface(stream.sender.error)
    kept.touch(known)
    future = known.future
    if future is None:  # another thread has made room
        return _ask_for(tensor, piece)
    if piece.start == LARGE:
        root._known.pop(LARGE, None)
    return Share(future, piece.offset, tensor._meta)


def _owner(tensor: Any) -> Any:
    """The tensor on the server that owns the memory of this one, if it still has it; None if that is not known."""
    root = tensor.root
    if tensor._stray or not root._id or root._base is not None or root._offset:
        return None
    if (root._memory is not None and root._memory is not root) or tensor._id in stream.sender.failures.causes:
        return None
    meta, whole = tensor.__dict__.get("_meta"), root.__dict__.get("_meta")
    if meta is None or whole is None or meta.dtype is not whole.dtype or not meta.numel:
        return None
    return root


def _piece(tensor: Any, root: Any) -> Piece:
    """What to read for a tensor: all memory if it is small, the block around a small part of more, or the tensor itself."""
    meta, numel, itemsize = tensor._meta, root._meta.numel, root._meta.dtype.itemsize
    first = tensor._offset
    if numel * itemsize <= SMALL and meta.nbytes <= SMALL:
        return Piece(root, 0, numel, first)
    length = BLOCK // itemsize
    last = first + sum((n - 1) * step for n, step in zip(meta.shape, meta.strides, strict=True))
    start = first // length * length
    if tensor is root or last >= start + length or meta.nbytes > SMALL:
        return Piece(root, LARGE, numel, first)
    return Piece(root, start, min(length, numel - start), first - start)


def _ask_for(tensor: Any, piece: Piece) -> Future:
    """Ask for a tensor's values, and for those that the program will ask for next."""
    frame = outside(sys._getframe(1))
    site = frame.f_code, frame.f_lasti
    if repeated_calls.expected and (computed := repeated_calls.value(tensor, frame)) is not None:
        return Share(computed, 0, tensor._meta)
    worth_it = asking_ahead.asking_ahead.is_worth_it()
    # Found before the first row is recorded, so that all rows travel together.
    following = asking_ahead.asking_ahead.following(tensor, frame) if worth_it else ()
    if piece.start == LARGE or not _may_ask(tensor, piece.root):
        future = _read_itself(tensor, site)
    else:
        future = Share(_ask(piece, site), piece.offset, tensor._meta)
    if worth_it:
        _ask_for_all(following, site)
        repeated_calls.go_ahead(tensor, frame, _fetch)
    return future


def _ask_for_all(tensors: Iterable[Any], site: Any) -> None:
    """Ask for tensors ahead, up to a bound."""
    left = asking_ahead.MOST_BYTES
    for tensor in tensors:
        left -= _ask_ahead(tensor, site)
        if left <= 0:
            break


def _read_itself(tensor: Any, site: Any) -> Future:
    return stream.ask("read", (tensor._id,), tensor.device_bits, site, _fetch)


def _may_ask(tensor: Any, root: Any) -> bool:
    """Whether a read of the memory fails if the tensor has failed."""
    return tensor is root or _is_of_this_epoch(tensor)


def _ask_ahead(tensor: Any, site: Any) -> int:
    """Ask for what a later read of a tensor will need, unless it is known; its bytes."""
    root = _owner(tensor) if tensor._id > stream.inherited else None
    if root is None or not _may_ask(tensor, root):
        return 0
    piece = _piece(tensor, root)
    known = None if root._known is None else root._known.get(piece.start)
    nbytes: int = piece.length * root._meta.dtype.itemsize
    if nbytes > asking_ahead.MOST_BYTES or (known is not None and known.holds_for(tensor, root)):
        return 0
    _ask(piece, site)
    return nbytes


def _ask(piece: Piece, site: Any) -> Future:
    """Ask for a piece of memory, and keep it with its owner."""
    root, device_bits = piece.root, piece.root.device_bits
    known = Known(piece.length * root._meta.dtype.itemsize)
    if root._known is None:
        root._known = {}
    root._known[piece.start] = known  # before the row: a write that another thread records meanwhile ends it
    if piece.length == root._meta.numel:
        future = known.future = stream.ask("read", (root._id,), device_bits, site, _fetch)
    else:
        part = known.answer_id
        cut = (root._id, (piece.length,), (1,), piece.start)
        stream.queue.items.append(RecordedRow(_AS_STRIDED, device_bits, part, cut, *site))
        try:
            future = known.future = stream.ask("read", (part,), device_bits, site, _fetch)
        finally:
            stream.queue.free(part)
    kept.add(known)
    return future


def _fetch(result: ReadResult) -> np.ndarray:
    """The array of a finished read; a large one came into memory of its own."""
    dtype = host_tensors.NUMPY[dtypes.by_name(result.dtype)]
    if type(result.data) is bytes:
        values = np.frombuffer(result.data, dtype).copy()
    else:
        values = np.asarray(result.data).view(dtype)
    return host_tensors.widened(values.reshape(result.shape), result.dtype)
