"""Numbers that are on their way: `.item()` under deferred metrics.

A `DeferredNumber` is one element that the server has been asked for, or Python's arithmetic on such numbers. Arithmetic
is noted and done later, in order, on Python's own numbers; so it gives the same bits. Everything else looks at the
number, which waits. It is no float: C code that would read a float's memory cannot find a stale one there.

Numbers stand in `_tracked` until their values have come. Each new one first settles those before it that have arrived,
so that a running sum that nobody looks at is no longer than what is on its way.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import CodeType
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from telegrad._stream.reads import Future
from telegrad._tracing.call_sites import describe_site
from telegrad._tracing.frames import hide_frames
from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import SessionGone

MOST: Final = 1 << 15
"""Numbers that may be on their way; one more waits for the first of them."""

_MOST_BITS: Final = 64
"""Bits of an int that arithmetic is deferred with: no sum of these is too large for a float."""


class _Later(NamedTuple):
    """Arithmetic that is to be done, and the user's line that asked for it."""

    function: Callable[..., Any]
    operands: tuple[Any, ...]
    code: CodeType
    lasti: int


_OF_SCALARS: Final[dict[str, Callable[..., Any]]] = {
    "power": operator.pow,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "divmod": divmod,
}
"""Operators of NumPy's numbers whose last bit may be another than that of the function on arrays."""


class DeferredNumber:
    """A number that waits for its value when it is looked at.

    `_pending`: the read, or the arithmetic, that gives the value; None once it is known. `_error`: why there is none:
    the read that failed, or what the arithmetic raised.
    """

    __slots__ = ("__weakref__", "_error", "_pending", "_value")

    kind: ClassVar[type] = float

    _pending: Future | _Later | None
    _value: Any
    _error: Future | BaseException | None

    def __new__(cls, value: Any = 0) -> Any:
        """A plain number: the `statistics` module makes its results in the type of its data."""
        return int(value) if cls.kind is not float and value == int(value) else float(value)

    def plain_number(self) -> Any:
        """The value as Python's number. Waits for it; raises what it met."""
        if self._pending is not None:
            settle(self, waits=True)
        if isinstance(self._error, Future):
            self._error.result()
        elif self._error is not None:
            with suppress(ValueError):  # another thread raises it too
                _unraised.remove(self._error)
            raise self._error.with_traceback(None)
        return self._value

    def _settle_read(self, read: Future) -> None:
        """Take the value, or the failure, of a read; waits for it."""
        if read.exception() is None:
            self._value = read.result().reshape(()).item()
        else:
            self._error = read
        self._pending = None

    def _settle_arithmetic(self, later: _Later) -> None:
        """Do the arithmetic, whose operands are known."""
        failed = [found._error for found in later.operands if isinstance(found, DeferredNumber) and found._error]
        if failed:
            self._error = failed[0]
        else:
            values = [found._value if isinstance(found, DeferredNumber) else found for found in later.operands]
            try:
                self._value = later.function(*values)
            except Exception as error:
                describe_site(error, later.code, later.lasti)
                self._error = error
                _unraised.append(error)
        self._pending = None

    def __getattr__(self, name: str) -> Any:
        """What Python's number has: `is_integer`, `real`, `bit_length`, …"""
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        try:
            return getattr(self.plain_number(), name)
        except BaseException as problem:
            hide_frames(problem)
            raise

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.plain_number(), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy computes with Python's number, whose dtype gives way to an array's."""
        given = {name: plain(value) for name, value in options.items()}
        of_scalars = _OF_SCALARS.get(ufunc.__name__)
        if of_scalars is not None and not given and not any(isinstance(value, np.ndarray) for value in inputs):
            return of_scalars(*map(plain, inputs))
        return getattr(ufunc, method)(*map(plain, inputs), **given)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copies, and pickles, are plain numbers."""
        value = self.plain_number()
        return type(value), (value,)


class DeferredFloat(DeferredNumber):
    __slots__ = ()


class DeferredInt(DeferredNumber):
    __slots__ = ()
    kind: ClassVar[type] = int


class DeferredBool(DeferredInt):
    __slots__ = ()
    kind = bool


_CLASSES: Final[dict[type, type[DeferredNumber]]] = {float: DeferredFloat, int: DeferredInt, bool: DeferredBool}
numbers.Real.register(DeferredFloat)
numbers.Integral.register(DeferredInt)

_tracked: Final[deque[DeferredNumber]] = deque()
_unraised: Final[list[BaseException]] = []
"""What deferred arithmetic raised that nobody has looked at."""


# Making and settling --------------------------------------------------------------------------------------------


def arriving(read: Future, dtype: DType) -> DeferredNumber:
    """The one element of a tensor that is being read."""
    return _tracking({dtypes.FLOAT: float, dtypes.INT: int, dtypes.BOOL: bool}[dtype.category], read)


def later(kind: type, function: Callable[..., Any], operands: tuple[Any, ...], depth: int = 1) -> DeferredNumber:
    """What a function of numbers will give; `depth` calls above is the user's line."""
    frame = sys._getframe(depth + 1)
    return _tracking(kind, _Later(function, operands, frame.f_code, frame.f_lasti))


def _tracking(kind: type, pending: Future | _Later) -> DeferredNumber:
    made: DeferredNumber = object.__new__(_CLASSES[kind])
    made._pending, made._value, made._error = pending, None, None
    _tracked.append(made)
    _settle_arrived()
    return made


def _settle_arrived() -> None:
    """Settle the first numbers as far as their values have come; wait for some if there are too many."""
    with suppress(IndexError):  # none is left; another thread takes them too
        while True:
            first = _tracked.popleft()
            if not settle(first, waits=len(_tracked) >= MOST):
                _tracked.appendleft(first)
                return


def settle(number: DeferredNumber, *, waits: bool) -> bool:
    """Find a number's value or failure, if need be and if it `waits`. Returns whether it has one.

    Without recursion: a running sum is a chain of as many numbers as are on their way.
    """
    unsettled = [number]
    while unsettled:
        last = unsettled[-1]
        pending = last._pending
        if pending is None:
            unsettled.pop()
        elif isinstance(pending, Future):
            if not waits and not pending.done():
                return False
            last._settle_read(pending)
        elif operands := [x for x in pending.operands if isinstance(x, DeferredNumber) and x._pending is not None]:
            unsettled += operands
        else:
            last._settle_arithmetic(pending)
    return True


def settle_all() -> None:
    """Wait for every number that is on its way."""
    with suppress(IndexError):  # another thread takes them too
        for _ in range(len(_tracked)):
            settle(_tracked.popleft(), waits=True)


def raise_unraised() -> None:
    """Raise what arithmetic met and nobody has seen."""
    if _unraised:
        error = _unraised[0]
        _unraised.clear()
        raise error.with_traceback(None)


def _in_forked_child() -> None:
    """What another thread of the parent has asked for since `settle_all` does not come here."""
    for number in _tracked:
        read = number._pending
        if isinstance(read, Future) and not read.done():
            words = "this number is on its way to the process that this one was forked from"
            read.set_result(None, SessionGone(words, hint="look at it, with float(x), before the fork"))
    _tracked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=settle_all, after_in_child=_in_forked_child)


def plain(value: Any) -> Any:
    """A deferred number as Python's; waits for it. Anything else as it is."""
    return value.plain_number() if isinstance(value, DeferredNumber) else value


def kind_of(value: Any) -> type | None:
    """The type that a number has or will have; None for what is not deferred with."""
    if isinstance(value, DeferredNumber):
        return value.kind
    if type(value) in (float, bool) or (type(value) is int and value.bit_length() <= _MOST_BITS):
        return type(value)
    return None


# Python's operators ---------------------------------------------------------------------------------------------


def _nonzero(value: Any) -> bool:
    """Whether a divisor is known not to be zero. Division by a deferred number waits, and so raises at its line."""
    return not isinstance(value, DeferredNumber) and value != 0


_DEFERRED: Final[dict[str, Callable[[Any], bool]]] = {
    "add": lambda right: True,
    "sub": lambda right: True,
    "mul": lambda right: True,
    "truediv": _nonzero,
    "floordiv": _nonzero,
    "mod": _nonzero,
}
"""Operators that may be done later, if their right operand is fit."""

_WAITING: Final = "pow lshift rshift and_ or_ xor divmod".split()
_COMPARING: Final = "eq ne lt le gt ge".split()
_LOOKING: Final[dict[str, Callable[..., Any]]] = {
    "float": float,
    "int": int,
    "bool": bool,
    "complex": complex,
    "hash": hash,
    "repr": repr,
    "str": str,
    "format": format,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "invert": operator.invert,
}


def _operator(function: Callable[..., Any], may_wait: Callable[[Any], bool], reflected: bool) -> Callable[..., Any]:
    """An operator that is done later where that changes nothing, else at once on plain numbers."""
    divides = function is operator.truediv

    def apply(self: DeferredNumber, other: Any) -> Any:
        try:
            left, right = (other, self) if reflected else (self, other)
            kind = kind_of(other)
            if kind is None or not may_wait(right):
                return function(plain(left), plain(right))
            is_float = divides or kind is float or self.kind is float
            return later(float if is_float else int, function, (left, right))
        except BaseException as problem:
            hide_frames(problem)
            raise

    return apply


def _waiting(function: Callable[..., Any], *, reflected: bool = False) -> Callable[..., Any]:
    """What is done at once, on plain numbers."""

    def apply(self: DeferredNumber, *others: Any) -> Any:
        try:
            value = self.plain_number()
            return function(*map(plain, others), value) if reflected else function(value, *map(plain, others))
        except BaseException as problem:
            hide_frames(problem)
            raise

    return apply


def _sign(function: Callable[..., Any]) -> Callable[..., Any]:
    """A sign, of the number's own type; of a truth value an int."""

    def apply(self: DeferredNumber) -> Any:
        return later(float if self.kind is float else int, function, (self,))

    return apply


def _round(self: DeferredNumber, ndigits: Any = None) -> Any:
    """Rounded; later, where there is no failing: a float, to places after the point."""
    try:
        if self.kind is float and type(ndigits) is int and ndigits >= 0:
            return later(float, round, (self, ndigits))
        return round(self.plain_number(), plain(ndigits))
    except BaseException as problem:
        hide_frames(problem)
        raise


def _attach(cls: Any) -> None:
    """Give deferred numbers Python's operators and conversions."""
    for name, may_wait in _DEFERRED.items():
        setattr(cls, f"__{name}__", _operator(getattr(operator, name), may_wait, reflected=False))
        setattr(cls, f"__r{name}__", _operator(getattr(operator, name), may_wait, reflected=True))
    for name in _WAITING:
        function: Any = {"divmod": divmod, "pow": pow}.get(name) or getattr(operator, name)
        setattr(cls, f"__{name.strip('_')}__", _waiting(function))
        setattr(cls, f"__r{name.strip('_')}__", _waiting(function, reflected=True))
    for name in _COMPARING:
        setattr(cls, f"__{name}__", _waiting(getattr(operator, name)))
    for name, function in _LOOKING.items():
        setattr(cls, f"__{name}__", _waiting(function))
    for name in ("neg", "pos", "abs"):
        setattr(cls, f"__{name}__", _sign(getattr(operator, name)))
    cls.__round__ = _round
    DeferredInt.__index__ = _waiting(operator.index)  # type: ignore[attr-defined]  # floats have none


_attach(DeferredNumber)
