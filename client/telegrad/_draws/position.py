"""Positions in the words of a Mersenne Twister, and PyTorch's 5056 bytes of its state."""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

import numpy as np

STATE_WORDS: Final = 624

FAR: Final = 1 << 22
"""Words that are skipped to reach a position (about 10 ms); one further on is left to the server."""

_REBASE: Final = 1 << 16
"""Words after which a position counts from a later state, so that going back stays cheap."""

_LAYOUT: Final = np.dtype(
    [
        ("seed", np.uint64),
        ("left", np.int32),
        ("seeded", np.int32),
        ("position", np.uint64),
        ("words", np.uint64, STATE_WORDS),
        ("unused_x", np.float64),
        ("normal", np.float64),
        ("unused_rho", np.float64),
        ("has_normal", np.int32),
        ("float_normal", np.float32),
        ("has_float_normal", np.bool_),
    ],
    align=True,
)


class State(NamedTuple):
    """A Mersenne Twister as PyTorch writes it: of `words`, those from `position` on are unread."""

    seed: int
    words: np.ndarray
    position: int
    is_new: bool = False
    """Seeded, and nothing drawn: PyTorch then writes position 0, though all words are to be renewed."""
    float_normal: float | None = None


class Position(NamedTuple):
    """Where a generator is: `words` further than `start`, and a normal that stayed over from the last pair."""

    start: State
    words: int = 0
    normal: float | None = None


@functools.lru_cache(maxsize=8)
def seeded(seed: int) -> Position:
    """The position after seeding."""
    twister: Any = np.random.MT19937(0)
    twister._legacy_seeding(seed & 0xFFFFFFFF)
    return Position(State(seed % 2**64, twister.state["state"]["key"], STATE_WORDS, is_new=True))


def from_bytes(state: np.ndarray) -> Position | None:
    """The position that a uint8 state stands for; None if only the server knows what to do with it."""
    if state.dtype != np.uint8 or state.size != _LAYOUT.itemsize:
        return None
    fields = np.frombuffer(state.tobytes(), _LAYOUT)[0]
    left, position = int(fields["left"]), int(fields["position"])
    is_new = left == 1 and position == 0
    if not fields["seeded"] or not (is_new or left + position == STATE_WORDS + 1):
        return None
    float_normal = float(fields["float_normal"]) if fields["has_float_normal"] else None
    start = STATE_WORDS if is_new else position
    found = State(int(fields["seed"]), fields["words"].astype(np.uint32), start, is_new, float_normal)
    return Position(found, 0, float(fields["normal"]) if fields["has_normal"] else None)


def to_bytes(state: State, normal: float | None) -> np.ndarray:
    """The state as PyTorch writes it: uint8 `[5056]`."""
    made = np.zeros((), _LAYOUT)
    made["seed"], made["words"], made["seeded"] = state.seed, state.words, 1
    made["left"] = STATE_WORDS + 1 - state.position
    made["position"] = 0 if state.is_new else state.position
    if normal is not None:
        made["normal"], made["has_normal"] = normal, 1
    if state.float_normal is not None:
        made["float_normal"], made["has_float_normal"] = state.float_normal, True
    return np.frombuffer(made.tobytes(), np.uint8).copy()


class Words:
    """Draws the words at any position; those that follow the last ones cost least."""

    def __init__(self) -> None:
        self._twister: Any = None
        self._start: State | None = None
        self._at = 0

    def reaches(self, position: Position) -> bool:
        """Whether a position is near enough to draw there."""
        behind = position.start is self._start and self._at <= position.words
        return position.words - (self._at if behind else 0) <= FAR

    def take(self, position: Position, count: int) -> np.ndarray:
        """The next uint32 words."""
        self._go_to(position)
        words: np.ndarray = self._twister.random_raw(count)
        self._at += count
        return words.astype(np.uint32)

    def state(self, position: Position) -> State:
        """The state at a position."""
        self._go_to(position)
        if not position.words:
            return position.start
        found = self._twister.state["state"]
        return State(position.start.seed, found["key"], found["pos"], float_normal=position.start.float_normal)

    def rebased(self, drawn: Position, position: Position) -> Position:
        """A position, counted from where words were drawn last if that is far from its start."""
        if drawn.words < _REBASE or position.words < drawn.words:
            return position
        self._start, self._at = self.state(drawn), 0
        return position._replace(start=self._start, words=position.words - drawn.words)

    def _go_to(self, position: Position) -> None:
        start = position.start
        if start is not self._start or self._at > position.words:
            if self._twister is None:
                self._twister = np.random.MT19937(0)
            key = {"key": start.words, "pos": start.position}
            self._twister.state = {"bit_generator": "MT19937", "state": key}
            self._start, self._at = start, 0
        if position.words > self._at:
            self._twister.random_raw(position.words - self._at, False)
            self._at = position.words
