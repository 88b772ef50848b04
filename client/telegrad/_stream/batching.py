"""Cutting submissions from the queue: rows of one device, up to a limit, and the tensors that were freed since."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, NamedTuple

from telegrad_protocol import wire
from telegrad_protocol.devices import DEVICE_SHIFT
from telegrad_protocol.spec import OPS

from .queue import Barrier, Item, change_of, freed_id, is_due
from .watching import Trip, new_trip

MAX_ROWS: Final = 1 << 10
"""Rows of one submission: packing more at once would leave the server idle. Of a long queue a quarter may go at once."""

MAX_BYTES: Final = 16 << 20

SMALL_FREES: Final = 64
"""Freed small tensors that one `free` row collects."""

_FREE: Final = OPS["free"].index


class Submission(NamedTuple):
    """Rows on their way: `items[k]` is the recorded row that became row k on the wire, None for a `free` row.

    `trip` notes its times while a profile runs.
    """

    number: int
    epoch: int
    device_index: int
    items: list[Any]
    body: bytes
    trip: Trip | None = None


class Frees:
    """Ids of freed tensors that no `free` row for a device has named yet; `due` if its next row should be one.

    A large tensor is freed at once, so that the server's memory follows Python's. Small tensors are freed together: a
    row for each would cost as much as the op that made it.
    """

    __slots__ = ("due", "ids")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.due = False

    def add(self, item: int) -> None:
        """Take the item of a freed tensor."""
        self.ids.append(freed_id(item))
        self.due = self.due or is_due(item) or len(self.ids) >= SMALL_FREES

    def row(self, device_index: int) -> tuple[Any, ...]:
        """The `free` row that names them."""
        row = (_FREE, device_index << DEVICE_SHIFT, None, (tuple(self.ids),))
        self.ids, self.due = [], False
        return row


class Batch:
    """Rows of one device that will travel together, `items` as they were recorded.

    `frees` collects freed tensors for every device in use: their items do not say which.
    """

    def __init__(self, frees: dict[int, Frees], room: int) -> None:
        self.frees = frees
        self.room = room
        self.items: list[Any] = []
        self.rows: list[Any] = []
        self.device_index: int | None = None
        self.budget = MAX_BYTES

    @property
    def has_room(self) -> bool:
        return len(self.rows) < self.room and self.budget > 0

    def add(self, item: tuple[Any, ...]) -> bool:
        """Take a recorded row; False for one of another device."""
        row = item[:4]
        _, flags, _, args = row
        device_index = flags >> DEVICE_SHIFT
        if device_index != self.device_index:
            if self.device_index is not None:
                return False
            self.device_index = device_index
            self.frees.setdefault(device_index, Frees())
        if self.frees[device_index].due:
            self._free(device_index)
        change = change_of(item)
        if change is not None and not change.counts():
            return True  # its call was interrupted
        self.rows.append(row)
        self.items.append(item)
        if args and type(args[0]) is bytes:
            self.budget -= len(args[0])
        return True

    def end(self, device_index: int) -> int:
        """Add the last frees. Returns the device of the rows, `device_index` if there are none."""
        device_index = device_index if self.device_index is None else self.device_index
        if self.frees[device_index].ids:
            self._free(device_index)
        return device_index

    def _free(self, device_index: int) -> None:
        self.rows.append(self.frees[device_index].row(device_index))
        self.items.append(None)


class Batcher:
    """Cuts a session's submissions; `forget` is called with the id of every tensor that was freed."""

    def __init__(self, items: deque[Item], forget: Callable[[int], None]) -> None:
        self._items = items
        self._forget = forget
        self._frees: dict[int, Frees] = {0: Frees()}
        self._device_index = 0
        self.epoch = 0
        self.number = 0

    def cut(self) -> tuple[Submission | None, list[Barrier]]:
        """Take rows of one device, up to a limit, or to the next epoch; a submission of them, and the barriers passed."""
        trip = new_trip()
        batch = Batch(self._frees, max(MAX_ROWS, len(self._items) // 4))
        barriers: list[Barrier] = []
        for _ in range(len(self._items)):  # items recorded meanwhile wait: a busy recorder must not hold this up
            if not batch.has_room:
                break
            item = self._items.popleft()
            if isinstance(item, tuple):
                if not batch.add(item):
                    self._items.appendleft(item)
                    break
            elif type(item) is int:
                self._free(item)
            elif isinstance(item, Barrier):
                barriers.append(item)
            elif batch.rows:
                self._items.appendleft(item)
                break
            else:
                self.epoch += 1
        self._device_index = batch.end(self._device_index)
        for barrier in barriers:
            barrier.number = self.number + bool(batch.rows)
        if not batch.rows:
            return None, barriers
        body = wire.encode_rows(batch.rows)
        if trip is not None:
            trip.packed, trip.number, trip.device_index = perf_counter(), self.number, self._device_index
        submission = Submission(self.number, self.epoch, self._device_index, batch.items, body, trip)
        self.number += 1
        return submission, barriers

    def _free(self, item: int) -> None:
        for frees in self._frees.values():
            frees.add(item)
        self._forget(freed_id(item))
