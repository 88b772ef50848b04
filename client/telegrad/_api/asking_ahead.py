"""Which values a loop will ask for next, so that they are asked for together and the loop waits once.

Where a line has waited twice in a row, for two tensors of one module, list, tuple or dict, it will ask for those that
follow. A list is found among the variables of the line's function and its callers, and among attributes of those.
"""

from __future__ import annotations

import gc
import inspect
import operator
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from types import CodeType, FrameType, GeneratorType, ModuleType
from typing import Any, Final

from telegrad._tracing.proxy import TensorBase

MOST_BYTES: Final = 8 << 20
"""Bytes that are asked for ahead at once."""

WORTH_IT: Final = 0.002
"""Seconds that a wait takes at least where it is worth to look for what comes next."""

LINES: Final = 256
"""Lines of which it is remembered that nothing was found."""

CALLERS: Final = 3
"""Functions, from the line's outwards, whose variables are looked at."""

LONGEST: Final = 1 << 16
"""Items of the longest list that is looked at."""

NESTED: Final = 3
"""Iterators in iterators that are looked into, as in `enumerate(zip(a, b))`."""

Site = tuple[CodeType, int]


class Pauses:
    """On which lines to look: while nothing is found on one, twice, and then after twice as many waits as the last time.

    The first wait of a loop that runs again finds nothing: it comes after the last one of the time before.
    """

    def __init__(self) -> None:
        self._of: dict[Site, tuple[int, int]] = {}

    def has_turn(self, site: Site) -> bool:
        """Whether to look this time."""
        if len(self._of) >= LINES:
            self._of.clear()
        left, length = self._of.get(site, (0, 0))
        self._of[site] = (left - 1, length) if left else (length, 2 * length or 1)
        return not left

    def forget(self, site: Site) -> None:
        """Something was found."""
        self._of.pop(site, None)


class AskingAhead:
    """Follows the waits of the program, and finds what comes next.

    `walked`: the module whose parameters, buffers or state were asked for last.
    """

    def __init__(self) -> None:
        self.walked: weakref.ref[Any] | None = None
        self._site: Site | None = None
        self._before: tuple[weakref.ref[TensorBase], weakref.ref[TensorBase]] | None = None
        self._asked_at = 0.0
        self._pauses = Pauses()

    def is_worth_it(self) -> bool:
        """Whether waits are long: the time since the last value was asked for. To be called for each that is."""
        now = time.monotonic()
        waited, self._asked_at = now - self._asked_at, now
        return waited >= WORTH_IT

    def following(self, tensor: TensorBase, frame: FrameType) -> list[TensorBase]:
        """The tensors that the line of `frame` will ask for next; it is about to wait for the values of one."""
        site = frame.f_code, frame.f_lasti
        before = self._before if self._site == site else None
        self._site, self._before = site, (weakref.ref(tensor), weakref.ref(tensor.root))
        if before is None or not self._pauses.has_turn(site):
            return []
        module = None if self.walked is None else self.walked()
        found = _in_module(before[1](), tensor.root, module) or _in_frames(before[0](), tensor, frame)
        if found:
            self._pauses.forget(site)
        return found


def _in_module(before: TensorBase | None, tensor: TensorBase, module: Any) -> list[TensorBase]:
    """What follows in the memory of a module's state, which tensors outside the graph share."""
    if module is None or before is None:
        return []
    return _behind(before, tensor, [found.root for found in (*module.parameters(), *module.buffers())])


def _in_frames(before: TensorBase | None, tensor: TensorBase, frame: FrameType) -> list[TensorBase]:
    """What follows in what variables hold."""
    if before is None or before is tensor:
        return []
    return next((found for held in _in_variables(frame) if (found := _behind(before, tensor, held))), [])


def _in_variables(frame: FrameType) -> Iterator[list[Any]]:
    """The items of all that variables hold, from the inner function outwards."""
    caller: FrameType | None = frame
    for _ in range(CALLERS):
        if caller is None:
            break
        for value in _variables(caller):
            yield from (held for held in _held(value) if len(held) <= LONGEST)
        caller = caller.f_back


def holders(frame: FrameType) -> Iterator[list[Any]]:
    """Parameters of the module that was iterated over last, their gradients, and what variables hold."""
    module = None if asking_ahead.walked is None else asking_ahead.walked()
    if module is not None:
        parameters = list(module.parameters())
        yield parameters
        yield [None if p._leaf is None else p._leaf.grad for p in parameters]
    yield from _in_variables(frame)


def _variables(frame: FrameType) -> list[Any]:
    found = frame.f_locals
    values = list(found.values())
    # Before Python 3.13 the frame keeps this copy, which would keep tensors alive, unless the program has it as well.
    if frame.f_code.co_flags & inspect.CO_OPTIMIZED and type(found) is dict and sys.getrefcount(found) <= 3:
        found.clear()
    return values


def _held(value: Any, depth: int = 0) -> Iterator[list[Any]]:
    """The items of a container, of what an iterator goes through, and of containers in a dict or in attributes.

    No method of the program's own classes is called.
    """
    kind = type(value)
    if issubclass(kind, list | tuple | deque):
        yield _items(value)
    elif issubclass(kind, dict):
        yield from _of_dict(value)
    elif hasattr(kind, "__next__") and kind is not GeneratorType and depth < NESTED:
        for below in gc.get_referents(value):
            yield from _held(below, depth + 1)
    elif not issubclass(kind, TensorBase | type | ModuleType):
        with suppress(AttributeError):
            yield from _of_dict(object.__getattribute__(value, "__dict__"))


def _items(container: Any) -> list[Any]:
    """The items of a list, tuple or deque, whatever a class derived from it does."""
    base = next(base for base in (list, tuple, deque) if issubclass(type(container), base))
    return list(base.__iter__(container))


def _of_dict(found: Any) -> Iterator[list[Any]]:
    if not issubclass(type(found), dict):  # a class has attributes in something else
        return
    values = list(dict.values(found))
    yield values
    for value in values:
        if issubclass(type(value), list | tuple | deque):
            yield _items(value)


def _behind(before: Any, tensor: Any, items: list[Any]) -> list[TensorBase]:
    """The tensors behind the second of two, which come in this order; none if they do not."""
    at = _place(before, items, 0)
    at = -1 if at < 0 else _place(tensor, items, at + 1)
    return [] if at < 0 else [item for item in items[at + 1 :] if issubclass(type(item), TensorBase)]


def _place(tensor: Any, items: list[Any], start: int) -> int:
    """Where a tensor stands, not before `start`; -1 if nowhere."""
    same = map(operator.is_, items[start:], repeat(tensor))
    return next((start + i for i, found in enumerate(same) if found), -1)


asking_ahead: Final = AskingAhead()
