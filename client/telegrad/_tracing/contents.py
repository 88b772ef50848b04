"""What is known of the values in memory on the server, and how a write ends it.

A tensor that owns memory keeps in `_known` what was read of it, until the next write to that memory. A call that writes
in place names the tensor. The rows that write to many tensors at once (an optimizer's step, a backward pass) do not:
what they may write to is marked `_bulk_written`, and all that is known of such tensors ends with every such row.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, Final


class Since:
    """Objects that are replaced when knowledge ends: knowledge holds those of its time, and is compared with these.

    `bulk`: replaced by rows that write to many tensors. `any`: replaced by a write to memory of which the client does
    not know whose it is. `strays_too`: rows that write to many tensors may write to such memory.
    """

    def __init__(self) -> None:
        self.bulk = object()
        self.any = object()
        self.strays_too = False

    def bulk_write(self) -> None:
        """End what is known of tensors that rows write to many at a time; called before and after such a row is recorded."""
        self.bulk = object()
        if self.strays_too:
            self.any = object()

    def stray_write(self) -> None:
        """End all that is known."""
        self.any = object()


since: Final = Since()


def forget(tensor: Any) -> None:
    """End what is known of this tensor's memory; called before and after a write is recorded.

    Between the two, another thread may record a read that comes before the write.
    """
    if tensor._stray:
        since.stray_write()
    root = tensor.root
    if root._known is not None:
        root._known = None
    if root._bulk_written:
        since.bulk_write()


def mark_bulk_written(tensors: Iterable[Any]) -> None:
    """Note that rows write to these tensors many at a time."""
    for tensor in tensors:
        if not tensor._bulk_written:
            tensor._bulk_written = tensor.root._bulk_written = True
            since.strays_too = since.strays_too or tensor._stray
            since.bulk_write()


def left_behind(tensor: Any) -> list[weakref.ref[Any]]:
    """The tensors that keep the memory that this one is about to leave, and name this one as its owner."""
    others = [other for other in tensor.sharers() if other is not tensor and not other._stray]
    return [weakref.ref(other) for other in others if other.base is tensor or other.root is tensor]


def set_stray(tensors: list[weakref.ref[Any]], stray: bool) -> None:
    """Say of tensors whether it is unknown who owns their memory."""
    for reference in tensors:
        tensor = reference()
        if tensor is not None:
            tensor._stray = stray
