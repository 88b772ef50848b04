"""Deferred metrics: where `.item()` gives a number that waits only when it is looked at."""

from __future__ import annotations

import builtins
import json
import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from telegrad._runtime.process import stream
from telegrad._tracing.frames import hide_frames

from .deferred_numbers import DeferredNumber, kind_of, later, plain, raise_unraised, settle_all


class Deferring:
    """Whether `.item()` defers: in the whole process, or in blocks, which every thread has of its own."""

    def __init__(self) -> None:
        self.everywhere = False
        self._own = threading.local()

    @property
    def on(self) -> bool:
        return self.everywhere or self.in_block

    @property
    def in_block(self) -> bool:
        return getattr(self._own, "in_block", False)

    @in_block.setter
    def in_block(self, wanted: bool) -> None:
        self._own.in_block = wanted


deferring: Final = Deferring()


class deferred:
    """In this block, and thread, `.item()` does not wait: it gives a number that waits when it is looked at.

    `+ - *`, division by a plain number, `sum`, `round(x, 2)` and signs of such numbers are deferred too, and give what
    Python's floats would, bit for bit. Whatever needs the value waits: comparison, `bool`, text and `print`, `float(x)`,
    `math`, NumPy, JSON, pickling. The numbers stay valid behind the block, whose end waits for those on their way and
    raises what failed.

    >>> import telegrad as tg
    >>> total, parameter = 0.0, tg.ones(3)
    >>> with tg.deferred():
    ...     for step in range(4):
    ...         loss = (parameter * step).sum()
    ...         total += loss.item()
    >>> print(f"mean {total / 4:.2f}")
    mean 4.50
    """

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        teach_python()
        before = deferring.in_block
        try:
            self._before.append(before)
            deferring.in_block = True
        except BaseException:  # an interrupt: the block does not end
            deferring.in_block = before
            raise

    def __exit__(self, kind: object, *_: object) -> None:
        before = self._before.pop()
        try:
            deferring.in_block = before
        except BaseException:
            deferring.in_block = before
            raise
        try:
            if kind is None:
                finish()
        except BaseException as problem:
            hide_frames(problem)
            raise


def defer_everywhere() -> None:
    """Let `.item()` defer in the whole process."""
    teach_python()
    deferring.everywhere = True


def finish() -> None:
    """Wait for the numbers that are on their way; raises what failed."""
    settle_all()
    stream.surface(stream.sender.error)
    raise_unraised()


# What Python's own functions must know -----------------------------------------------------------------------------

_sum: Final = builtins.sum
_iterencode: Final = json.JSONEncoder.iterencode


def teach_python() -> None:
    """Let the functions know deferred numbers that would otherwise treat them unlike floats.

    Since Python 3.12 `sum` and `math.sumprod` add up floats, and nothing else, with more digits than `+` has.
    `json` writes subclasses of float alone.
    """
    json.JSONEncoder.iterencode = _iterencode_plain  # type: ignore[method-assign]
    if sys.version_info >= (3, 12):
        setattr(builtins, "sum", sum_deferred)  # noqa: B010  # type checkers know the original's overloads
        math.sumprod = _of_plain(math.sumprod)
        if "statistics" in sys.modules:  # which has taken it from there
            statistics: Any = sys.modules["statistics"]
            statistics.sumprod = math.sumprod


def sum_deferred(iterable: Iterable[Any], /, start: Any = 0) -> Any:
    """As `sum`; of deferred numbers it is deferred."""
    items: Iterable[Any] = iterable
    if not isinstance(iterable, list | tuple):
        rest: Iterator[Any] = iter(iterable)
        first = list(zip((None,), rest, strict=False))
        items = chain((item for _, item in first), rest)
        if not any(isinstance(item, DeferredNumber) for _, item in first):
            return _sum(map(plain, items), plain(start))
        items = list(items)
    operands = (start, *items)
    if not any(issubclass(each, DeferredNumber) for each in set(map(type, operands))):
        return _sum(items, start)
    kinds = set(map(kind_of, operands))
    if None in kinds:
        return _sum(list(map(plain, items)), plain(start))
    return later(float if float in kinds else int, _add_up, operands)


def _add_up(start: Any, *items: Any) -> Any:
    return _sum(items, start)


def _of_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of iterables of numbers, which looks at deferred ones."""
    if hasattr(function, "__wrapped__"):
        return function

    def call(*iterables: Iterable[Any]) -> Any:
        return function(*[map(plain, iterable) for iterable in iterables])

    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


def _iterencode_plain(self: json.JSONEncoder, o: Any, _one_shot: bool = False) -> Iterator[str]:
    """As `JSONEncoder.iterencode`, where deferred numbers are numbers, whatever the encoder's `default` does."""
    default = self.default
    if not hasattr(default, "__wrapped__"):

        def known(value: Any) -> Any:
            return value.plain_number() if isinstance(value, DeferredNumber) else default(value)

        known.__wrapped__ = default  # type: ignore[attr-defined]
        setattr(self, "default", known)  # noqa: B010  # as an argument of that name does
    return _iterencode(self, o, _one_shot)
