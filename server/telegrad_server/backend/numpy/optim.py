"""Optimizer updates on the CPU, over compiled kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .jit import optim as jit
from .mixin import NumpyMixin

Array = np.ndarray
Arrays = list[Any]


class Optim(NumpyMixin):
    """See `Primitives`."""

    def sgd_update(
        self,
        params: Arrays,
        grads: Arrays,
        buffers: Arrays | None,
        fresh: list[bool],
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> None:
        columns = (params,) if buffers is None else (params, buffers)
        for (g, p, *rest), first in zip(self._steps(grads, *columns), fresh, strict=True):
            options = (lr, momentum, dampening, weight_decay, nesterov, maximize, first)
            jit.sgd_update(p, g, rest[0] if rest else None, *options)

    def adam_update(
        self,
        params: Arrays,
        grads: Arrays,
        counts: Arrays,
        firsts: Arrays,
        seconds: Arrays,
        largest: Arrays | None,
        lr: float,
        b1: float,
        b2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        columns = (params, counts, firsts, seconds) if largest is None else (params, counts, firsts, seconds, largest)
        for g, p, count, m, v, *most in self._steps(grads, *columns):
            count += 1
            vmax, step = most[0] if most else None, float(count)
            options = (lr, b1, b2, eps, weight_decay, decoupled, maximize)
            jit.adam_update(p, g, m, v, vmax, step, *options)

    def _steps(self, grads: Arrays, *columns: Arrays) -> Iterator[Arrays]:
        """Yields, for each parameter, its gradient and the arrays to write, in the form that kernels take; then writes back.

        Copies lie in one buffer, made before the first write: memory that runs out leaves all as it was.
        """
        rows = list(zip(grads, *columns, strict=True))
        plain = list(map(_is_plain, rows))
        words = [_copied(row) for row, as_they_are in zip(rows, plain, strict=True) if not as_they_are]
        buffer = np.empty(max(words, default=0), np.float64)
        for (g, *held), as_they_are in zip(rows, plain, strict=True):
            if as_they_are:
                yield [g, *held]
                continue
            room = Room(buffer)
            written = [room.place(array, _wide(array), write=True) for array in held]
            yield [room.place(g, written[0].dtype), *written]
            for target, array in zip(held, written, strict=True):
                if array is not target:
                    self.assign(target, array)


class Room:
    """Memory for the copies of one parameter's arrays."""

    def __init__(self, buffer: Array) -> None:
        self.left = buffer

    def place(self, array: Array, dtype: np.dtype[Any], *, write: bool = False) -> Array:
        """The array itself where the kernels can use it, else a contiguous copy of that dtype."""
        if _is_usable(array, dtype, write):
            return array
        words = _words(array, dtype)
        copy, self.left = self.left[:words].view(dtype)[: array.size].reshape(array.shape), self.left[words:]
        np.copyto(copy, array, casting="unsafe")
        return copy


def _is_plain(row: tuple[Array, ...]) -> bool:
    """Whether the kernels can use these arrays as they are, as they nearly always can."""
    dtype = row[0].dtype
    if dtype is not _FLOAT32 and dtype is not _FLOAT64:
        return False
    return all(array.dtype is dtype and array.flags.carray for array in row)


_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def _is_usable(array: Array, dtype: np.dtype[Any], write: bool) -> bool:
    return array.dtype == dtype and array.flags.c_contiguous and (array.flags.writeable or not write)


def _wide(array: Array) -> np.dtype[Any]:
    """The dtype that kernels compute in."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


def _words(array: Array, dtype: np.dtype[Any]) -> int:
    """The elements of a float64 buffer that a copy needs."""
    return -(-array.size * dtype.itemsize // 8)


def _copied(row: tuple[Array, ...]) -> int:
    """The elements of a float64 buffer that the copies for one parameter need."""
    g, *held = row
    found = sum(_words(array, _wide(array)) for array in held if not _is_usable(array, _wide(array), True))
    return found + (0 if _is_usable(g, _wide(held[0]), False) else _words(g, _wide(held[0])))
