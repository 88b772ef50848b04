"""The queue between recording and sending: its items, and how each kind is written and read.

Recording appends to a deque, which any thread may do and which loses nothing; the sender's threads take items from its
other end. An item is one of

- a row: a `RecordedRow`, or its first six fields as a bare tuple, which generated binders write because it is made faster;
- the id of a tensor that was freed, negative where the server is to be told at once: every result that dies adds one;
- `EPOCH`, where the next epoch begins;
- a `Barrier`, where a thread waits for all that came before.

Only this module writes and reads signs and fields by their number.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from types import CodeType
from typing import Any, Final, NamedTuple, TypeAlias

from telegrad_protocol.kinds import Role
from telegrad_protocol.spec import BY_INDEX

from .changes import Change
from .uploads import Payload
from .waiting import Flag


class RecordedRow(NamedTuple):
    """A recorded call. The first four fields travel; the others are this side's.

    `code` and `lasti`: the user's call site. `change`: what the call changed on this side. `payload`: the values of an
    `upload` row, which travel apart.
    """

    op: int
    flags: int
    outs: int | tuple[int, ...] | None
    args: tuple[Any, ...]
    code: CodeType | None
    lasti: int
    change: Change | None = None
    payload: Payload | None = None


class Epoch:
    """Stands in the queue where the next epoch begins."""


EPOCH: Final = Epoch()


class Barrier:
    """Stands in the queue where a thread waits: what came before it is in submissions below `number`, once cut."""

    __slots__ = ("number", "passed")

    def __init__(self) -> None:
        self.number: int | None = None
        self.passed = Flag()

    def is_before(self, first: float) -> bool:
        """Whether all that came before it has been answered, where `first` is the first in flight."""
        return self.number is not None and self.number <= first


Item: TypeAlias = RecordedRow | tuple[Any, ...] | int | Epoch | Barrier


class Queue:
    """The items, the counter of ids, and when recording calls `Stream.check`: once ids reach `check_at_id`.

    0 means the next call: no thread is sending, or something failed. It is all that recording tests per call.
    `epoch_start`: calls of this epoch make ids from here on.
    """

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.next_id: Callable[[], int] = itertools.count(1).__next__
        self.check_at_id = 0
        self.epoch_start = 0

    def begin_epoch(self) -> None:
        """Let the next epoch begin after what was recorded so far."""
        self.epoch_start = self.next_id()
        self.items.append(EPOCH)
        self.epoch_start = self.next_id()  # calls of other threads between the two may be on either side

    def free(self, tensor_id: int, *, now: bool = False) -> None:
        """Record that the server may forget a tensor; `now`, if it holds much, without waiting for others."""
        self.items.append(-tensor_id if now else tensor_id)

    def finalizer(self) -> Callable[[Any], None]:
        """`free` as the `__del__` of a class whose objects have an `_id`, and say with `_free_now` if they hold much."""
        append = self.items.append

        def __del__(owner: Any) -> None:  # noqa: N807  # it is one
            tensor_id = owner._id
            if tensor_id:
                append(-tensor_id if owner._free_now else tensor_id)

        return __del__


def freed_id(item: int) -> int:
    """The id in the item of a freed tensor."""
    return abs(item)


def is_due(item: int) -> bool:
    """Whether the server is to be told of a freed tensor at once."""
    return item < 0


def change_of(item: Item | None) -> Change | None:
    """The local change of a recorded call."""
    return item.change if isinstance(item, RecordedRow) else None


def payload_of(item: Item | None) -> Payload | None:
    """The values of a row that travel apart."""
    return item.payload if isinstance(item, RecordedRow) else None


def outs_of(row: tuple[Any, ...] | None) -> tuple[int, ...]:
    """The ids of a row's results."""
    outs = None if row is None else row[2]
    return () if outs is None else (outs,) if type(outs) is int else outs


def call_site_of(row: tuple[Any, ...] | None) -> tuple[CodeType, int] | None:
    """Where the user made a row's call."""
    return None if row is None or row[4] is None else (row[4], row[5])


def tensor_ids(row: tuple[Any, ...] | None) -> list[int]:
    """The ids of the tensors, and of the generator, that a row was given."""
    if row is None:
        return []
    spec, args = BY_INDEX[row[0]], row[3]
    slots = spec.tensor_slots if spec.generator_slot is None else (*spec.tensor_slots, spec.generator_slot)
    found: list[int] = []
    for slot in slots:
        value = args[slot]
        if type(value) is int:
            found.append(value)
        elif type(value) is tuple and (len(value) > 1 or spec.params[slot].kind.role is Role.TENSORS):
            found += [tensor_id for tensor_id in value if type(tensor_id) is int]  # a number travels as (number,)
    return found
