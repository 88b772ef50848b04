"""What is known on this side of the CPU's generators: where each of them is after every recorded row.

A draw's row moves its generator, there and here. The words that a draw takes follow from its arguments, so this side
knows without asking where a draw begins, and makes its numbers itself if they are wanted here.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad._draws.position import Position, Words, from_bytes, seeded, to_bytes
from telegrad._draws.values import SINGLY, Drawing
from telegrad._runtime.process import stream
from telegrad._stream.changes import Change
from telegrad._stream.queue import RecordedRow
from telegrad_protocol.devices import DEVICE_SHIFT
from telegrad_protocol.dtypes import FLOAT, float64
from telegrad_protocol.shapes import Meta
from telegrad_protocol.spec import OPS, OpSpec

from .proxy import TensorBase


class Replica:
    """What is known of a generator: where it is, or None."""

    def __init__(self) -> None:
        self._position: Position | None = None
        self._words = Words()
        self._sender: Any = stream.sender

    @property
    def position(self) -> Position | None:
        return self._position

    @position.setter
    def position(self, position: Position | None) -> None:
        self._position = position

    def go(self, position: Position | None) -> None:
        self.position = position

    def now(self) -> Position | None:
        """Where the generator is, if its next numbers can be made here."""
        position = self.position
        if self._sender is not stream.sender and not stream.host_only:
            return None  # of an earlier session: its use is an error, which the server's part of the call raises
        return position if position is not None and self._words.reaches(position) else None

    def draw(self, position: Position, make: Callable[[Drawing], Any]) -> Any:
        """Numbers that are drawn from a position on."""
        with lock.held:
            drawing = Drawing(self._words, position)
            made, after = make(drawing), self.position
            if after is not None and after.start is position.start:
                self.position = self._words.rebased(drawing.position, after)
            return made

    def draw_through(self, position: Position, make: Callable[[Drawing], Any]) -> tuple[Any, Position]:
        """Numbers that are drawn from a position on, and the position behind them."""
        drawing = Drawing(self._words, position)
        return make(drawing), drawing.position

    def state(self, position: Position) -> np.ndarray:
        """PyTorch's bytes of the state at a position."""
        with lock.held:
            return to_bytes(self._words.state(position), position.normal)


class _Lock:
    """Keeps draws of several threads and their rows in one order; a forked child gets another lock."""

    def __init__(self) -> None:
        self.held = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.held = threading.RLock()


lock: Final = _Lock()


class _Default(Replica):
    """Of the default generator, which each session starts from the process's seed."""

    def __init__(self) -> None:
        super().__init__()
        self._sender = None  # so that the first look finds the session's start

    @property
    def position(self) -> Position | None:
        if self._sender is not stream.sender:
            self._sender, self._position = stream.sender, seeded(stream.seed)
        return self._position

    @position.setter
    def position(self, position: Position | None) -> None:
        self._sender, self._position = stream.sender, position


default: Final[Replica] = _Default()


def replica_of(spec: OpSpec, args: tuple[Any, ...], device_bits: int) -> Replica | None:
    """What is known of the generator that a call moves or looks at; None for one that is not the CPU's."""
    assert spec.generator_slot is not None
    generator = args[spec.generator_slot]
    if generator is None:
        return None if device_bits else default
    found: Replica | None = getattr(generator, "replica", None)
    return found


def enqueue(make: Callable[[], RecordedRow], change: Change | None, spec: OpSpec, args: tuple[Any, ...]) -> None:
    """Put the row of a call that takes a generator on the queue, together with the generator's move."""
    target = _SETTING[spec.name](args) if spec.name in _SETTING else None  # making the row uploads a state
    row = make()
    replica = replica_of(spec, args, row.flags >> DEVICE_SHIFT)
    if replica is None:
        place(row, change)
        return
    with lock.held:
        before = replica.position
        after = target if spec.name in _SETTING else _after(replica, before, spec, args)
        place(row, both(moving(replica, before, after), change))


def append_draw(spec: OpSpec, row: tuple[Any, ...], args: tuple[Any, ...]) -> None:
    """Put the row of a generated function on the queue, together with its generator's move."""
    replica = replica_of(spec, args, row[1] >> DEVICE_SHIFT)
    if replica is None:
        stream.queue.items.append(row)
        return
    with lock.held:
        before = replica.position
        after = _after(replica, before, spec, args)
        if after is before:
            stream.queue.items.append(row)
            return
        change = moving(replica, before, after)
        change.enqueue(stream.queue.items, [RecordedRow._make((*row, change, None))])


def place(row: RecordedRow, change: Change | None) -> None:
    """Put a row on the queue, with its change."""
    if change is None:
        stream.queue.items.append(row)
    else:
        change.enqueue(stream.queue.items, [RecordedRow(*row[:6], change, row.payload)])


def moving(replica: Replica, before: Position | None, after: Position | None) -> Change:
    """The change of a row that moves a generator."""
    return Change(partial(replica.go, after), partial(replica.go, before))


def both(first: Change, second: Change | None) -> Change:
    """Two changes of one row."""
    if second is None:
        return first
    other = second

    def apply() -> None:
        first.apply()
        other.apply()

    def undo() -> None:
        other.undo()
        first.undo()

    return Change(apply, undo)


def _after(replica: Replica, before: Position | None, spec: OpSpec, args: tuple[Any, ...]) -> Position | None:
    """Where a generator is after a row; None if that is not known."""
    if before is None or spec.name == "get_generator_state":
        return before
    try:
        words = WORDS[spec.name](args)
    except (KeyError, AttributeError, IndexError, TypeError):
        return None
    return moved(replica, before, words)


def moved(replica: Replica, before: Position, words: int) -> Position | None:
    """The position behind a draw of so many words, or, where negative, of so many single normals."""
    if not words:
        return before
    if words > 0:
        return Position(before.start, before.words + words, before.normal)
    if replica.now() is None:
        return None
    return replica.draw_through(before, lambda drawing: drawing.normals(-words))[1]


class KnownState(NamedTuple):
    """The position that the values of a tensor stand for, as of one version of them."""

    position: Position
    version: int


def position_of(state: TensorBase) -> Position | None:
    """Where a generator is with a state; None if only the server has its values."""
    known: KnownState | None = state.__dict__.get("_state")
    if known is not None:
        return known.position if known.version == state.counter._version else None
    if not state.is_on_host:
        return None
    position = from_bytes(state._host)
    if position is not None:
        state.__dict__["_state"] = KnownState(position, state.counter._version)
    return position


_SETTING: Final[dict[str, Callable[[tuple[Any, ...]], Position | None]]] = {
    "manual_seed": lambda args: seeded(args[0]),
    "set_generator_state": lambda args: position_of(args[0]),
}


# Words that draws take ----------------------------------------------------------------------------------------------


def normal_words(made: Meta) -> int:
    """Words of normals; where negative, the number of those that are drawn singly."""
    count, ragged = made.numel, made.numel % SINGLY
    if count < SINGLY:
        return -count
    units = count + (SINGLY if ragged else 0) - (ragged if made.half else 0)
    return 2 * units if made.dtype is float64 else units


def unit_words(made: Meta) -> int:
    return made.numel * (2 if made.dtype is float64 else 1)


def range_words(made: Meta, low: int, high: int) -> int:
    """Words of integers in a range. Raises TypeError for a floating dtype, which moves the bounds."""
    if made.dtype.category == FLOAT:
        raise TypeError
    return made.numel * (2 if high - low >= 2**28 else 1)


def _random_words(args: tuple[Any, ...]) -> int:
    made, low, high = args[0]._meta, args[1], args[2]
    if low is None and high is None:
        return int(made.numel * (2 if made.dtype.itemsize == 8 else 1))
    if high is None:
        raise TypeError
    return range_words(made, low, high)


def _channels(made: Meta) -> int:
    return math.prod(made.shape[:2])


def _dropout_words(args: tuple[Any, ...], count: int) -> int:
    p, training = args[1], args[2]
    return 2 * count if training and 0.0 < p < 1.0 else 0


def _attention_words(args: tuple[Any, ...]) -> int:
    query, key, p = args[0]._meta, args[1]._meta, args[4]
    if p == 0:
        return 0
    if query.shape[:-2] != key.shape[:-2]:
        raise TypeError
    return _dropout_words((None, p, True), math.prod(query.shape[:-1]) * int(key.shape[-2]))


def _bernoulli_words(args: tuple[Any, ...]) -> int:
    target, p = args[0]._meta, args[1]
    each = unit_words(p._meta) // max(p._meta.numel, 1) if isinstance(p, TensorBase) and p._meta.numel else 2
    return int(target.numel * each)


def _multinomial_words(args: tuple[Any, ...]) -> int:
    weights, count, replacement = args[0]._meta, args[1], args[2]
    if replacement and count > 1:
        return int(2 * count * math.prod(weights.shape[:-1]))
    return int(2 * weights.numel)


def _made(name: str, args: tuple[Any, ...]) -> Meta:
    return OPS[name].infer(args).meta


WORDS: Final[dict[str, Callable[[tuple[Any, ...]], int]]] = {
    "rand": lambda args: unit_words(_made("rand", args)),
    "randn": lambda args: normal_words(_made("randn", args)),
    "randint": lambda args: range_words(_made("randint", args), args[0], args[1]),
    "randperm": lambda args: max(args[0] - 1, 0),
    "_uniform": lambda args: unit_words(args[0]._meta),
    "_normal": lambda args: normal_words(args[0]._meta),
    "_random": _random_words,
    "_exponential": lambda args: 2 * args[0]._meta.numel,
    "_bernoulli": _bernoulli_words,
    "bernoulli": lambda args: unit_words(args[0]._meta),
    "multinomial": _multinomial_words,
    "dropout": lambda args: _dropout_words(args, args[0]._meta.numel),
    "dropout1d": lambda args: _dropout_words(args, _channels(args[0]._meta)),
    "dropout2d": lambda args: _dropout_words(args, _channels(args[0]._meta)),
    "dropout3d": lambda args: _dropout_words(args, _channels(args[0]._meta)),
    "scaled_dot_product_attention": _attention_words,
}
"""The words that a call of each op takes."""
