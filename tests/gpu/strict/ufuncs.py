"""Ufuncs: CuPy's loops and their order from the snapshot, NumPy's arithmetic, the device's values where they differ."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import ml_dtypes
import numpy as np

from .indexing import resolve
from .rules import NotInStrict
from .signatures import snapshot

if TYPE_CHECKING:
    from .module import Functions

BFLOAT16: Final = np.dtype(ml_dtypes.bfloat16)
HALVES: Final = (np.dtype(np.float16), BFLOAT16)
TINY: Final = np.finfo(np.float32).tiny
AT: Final = {"add": "ilILQqefd", "maximum": "ilILQqfd", "minimum": "ilILQqfd"}
"""The dtypes of each ufunc's `at`."""


def char_of(dtype: np.dtype[Any]) -> str:
    return "E" if dtype == BFLOAT16 else dtype.char


class Loop:
    """One of a ufunc's signatures, `ff->f`."""

    def __init__(self, text: str) -> None:
        ins, outs = text.split("->")
        self.ins, self.outs = [tuple([_dtype(char) for char in side]) for side in (ins, outs)]


def _dtype(char: str) -> np.dtype[Any]:
    return BFLOAT16 if char == "E" else np.dtype(char)


@cache
def loops_of(name: str) -> tuple[Loop, ...]:
    return tuple([Loop(text) for text in snapshot()["ufuncs"][name] if "V" not in text])


@cache
def find_loop(name: str, types: tuple[Any, ...]) -> Loop | None:
    """The first loop that takes the operands: dtypes of arrays, or Python's `int`, `float`, `complex` for numbers."""
    strong = [t for t in types if not isinstance(t, type)]
    weak = [t for t in types if isinstance(t, type)]
    flexible = bool(strong) and max(map(_kind, strong)) >= max(map(_kind, weak), default=-1)
    for loop in loops_of(name):
        if all(_takes(own, given, flexible) for own, given in zip(loop.ins, types, strict=True)):
            return loop
    return None


def _kind(kind: Any) -> int:
    """Booleans, integers, inexact numbers, and whatever NumPy does not know."""
    if isinstance(kind, type):
        return 1 if kind is int else 2
    return {"b": 0, "i": 1, "u": 1, "f": 2, "c": 2}.get(kind.kind, 3)


def _takes(own: np.dtype[Any], given: Any, flexible: bool) -> bool:
    if not isinstance(given, type):
        return np.can_cast(given, own)
    if np.can_cast(np.dtype(given), own):
        return True
    return flexible and bool(np.result_type(given(0), own) == own)


class ufunc:  # noqa: N801 - CuPy's name
    """`cupy.add` and its like."""

    def __init__(self, functions: Functions, name: str) -> None:
        self._functions = functions
        self._name = name
        self.name = self.__name__ = f"cupy_{name}"
        first = loops_of(name)[0]
        self.nin, self.nout = len(first.ins), len(first.outs)
        self.nargs = self.nin + self.nout

    @property
    def types(self) -> list[str]:
        return list(snapshot()["ufuncs"][self._name])

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for {self.name!r}: {len(args)}")
        operands = [self._functions.operand(value) for value in args[: self.nin]]
        loop = self._loop(operands, dtype)
        results = compute(self._name, loop, operands)
        outs = out if isinstance(out, tuple) else args[self.nin :] or (() if out is None else (out,))
        if outs:
            wrapped = [self._write(o, r, casting) for o, r in zip(outs, results, strict=True)]
        else:
            wrapped = [self._functions.fresh(result, "?") for result in results]
        return wrapped[0] if self.nout == 1 else tuple(wrapped)

    def _loop(self, operands: list[Any], dtype: Any) -> Loop:
        if dtype is not None:
            found = [loop for loop in loops_of(self._name) if all(out == np.dtype(dtype) for out in loop.outs)]
            loop = found[0] if found else None
        else:
            loop = find_loop(self._name, tuple([type_of(value) for value in operands]))
        if loop is None:
            raise TypeError(f"Wrong type ({[type_of(o) for o in operands]}) of arguments for {self.name}")
        return loop

    def _write(self, out: Any, result: np.ndarray, casting: Any) -> Any:
        target = self._functions.array_operand(out)
        if not np.can_cast(result.dtype, target.dtype, casting):
            raise TypeError(f"output (typecode {result.dtype.char!r}) could not be coerced to {target.dtype.char!r}")
        if result.shape != target.shape and np.broadcast_shapes(result.shape, target.shape) != target.shape:
            raise ValueError(f"Out shape is mismatched: {result.shape} {target.shape}")
        target[...] = result
        return out

    # Methods --------------------------------------------------------------------------------------------------

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        function = {"add": self._functions.sum, "multiply": self._functions.prod}.get(self._name)
        return self._or_refuse(function, "reduce")(array, axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        function = {"add": self._functions.cumsum, "multiply": self._functions.cumprod}.get(self._name)
        return self._or_refuse(function, "accumulate")(array, axis, dtype, out)

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        self._or_refuse(self._name == "add" or None, "reduceat")
        raise NotInStrict("cupy.add.reduceat")

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:  # noqa: N803 - CuPy's names
        return self(A.reshape(A.shape + (1,) * B.ndim), B.reshape((1,) * A.ndim + B.shape), **kwargs)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """Once per occurrence of an index, for the dtypes that the device has atomic operations for."""
        allowed = self._or_refuse(AT.get(self._name), "at")
        if char_of(a.dtype) not in allowed:
            raise TypeError(f"cupy.{self._name}.at is not supported for {a.dtype}")
        places, _ = resolve(a, indices, "mask indexing")
        getattr(np, self._name).at(a._reach(), places, convert_to(self._functions.operand(b), a.dtype))

    def _or_refuse(self, found: Any, method: str) -> Any:
        if found is None:
            raise NotImplementedError(f"`{self.name}.{method}` is not supported yet")
        return found


def convert_to(value: Any, dtype: np.dtype[Any]) -> np.ndarray:
    return value.astype(dtype) if isinstance(value, np.ndarray) else np.asarray(value, dtype)


def type_of(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype
    return np.dtype(bool) if type(value) is bool else type(value)


def compute(name: str, loop: Loop, operands: list[Any]) -> list[np.ndarray]:
    """A loop over operands: halves in float, and subnormal results in float32 flushed to zero."""
    values = [np.asarray(value).astype(_compute_type(own)) for value, own in zip(operands, loop.ins, strict=True)]
    with np.errstate(all="ignore"):
        found = DEVICE[name](*values) if name in DEVICE else _numpy(name)(*values)
        results = list(found) if isinstance(found, tuple) else [found]
        return [_finish(np.asarray(result), own) for result, own in zip(results, loop.outs, strict=True)]


def _numpy(name: str) -> Any:
    found = getattr(np, name, None)
    if found is None:
        raise NotInStrict(f"cupy.{name}")
    return found


def _compute_type(dtype: np.dtype[Any]) -> Any:
    return np.float32 if dtype in HALVES else dtype


def _finish(result: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if result.dtype == np.float32:
        small = np.abs(result) < TINY
        if small.any():
            result = np.where(small, np.copysign(np.float32(0), result), result)
    return result.astype(dtype, copy=False)


# Values that the device gives and NumPy does not --------------------------------------------------------------------


def _zero_by_zero(function: Any) -> Any:
    """Integer division by zero is 0 on the device."""

    def divide(a: np.ndarray, b: np.ndarray) -> Any:
        found = function(a, b)
        return np.where(b == 0, found.dtype.type(0), found) if found.dtype.kind in "iu" else found

    return divide


def _divmod(a: np.ndarray, b: np.ndarray) -> Any:
    return _zero_by_zero(np.floor_divide)(a, b), _zero_by_zero(np.remainder)(a, b)


def _power(a: np.ndarray, b: np.ndarray) -> Any:
    """An integer to a negative power is 0, or ±1 for ±1."""
    if a.dtype == bool:
        return np.power(a.astype(np.int8), b.astype(np.int8))
    if b.dtype.kind not in "iu":
        return np.power(a, b)
    inverse = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b & 1), 0)) if b.dtype.kind == "i" else 0
    return np.where(b < 0, inverse, np.power(a, np.maximum(b, 0))).astype(a.dtype)


DEVICE: Final = {
    "floor_divide": _zero_by_zero(np.floor_divide),
    "remainder": _zero_by_zero(np.remainder),
    "mod": _zero_by_zero(np.remainder),
    "fmod": _zero_by_zero(np.fmod),
    "divmod": _divmod,
    "power": _power,
    "pow": _power,
}
