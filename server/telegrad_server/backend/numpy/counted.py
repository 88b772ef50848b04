"""A counted allocator for NumPy, which refuses memory beyond a limit.

The memory that a kernel allocates beside its results (casts, copies of inputs that `expand` made large, indices,
columns) cannot be told from its declaration without repeating NumPy's own decisions. So the threads that run kernels
hand NumPy an allocator that counts: memory beyond the limit is a `MemoryError` in the midst of the kernel, whichever op
it is, in its gradient and in its decomposition too. Memory that is allocated by other means is announced: `elsewhere`.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, int64, njit, types
from numba.extending import intrinsic

SMALL: Final = 1 << 16
"""Bytes up to which memory is never refused: at the limit, errors and answers still have to be made."""

_SET_HANDLER, _DEFAULT_HANDLER = 304, 306  # indices in NumPy's table of C functions, which are part of its ABI
_USED, _PEAK, _LIMIT, _MALLOC, _CALLOC, _REALLOC, _FREE, _SIZE_OF = range(8)
_CELLS = 8

_Pointer = ctypes.c_void_p


class _Allocator(ctypes.Structure):
    _fields_ = tuple((name, _Pointer) for name in ("context", "malloc", "calloc", "realloc", "free"))


class _Handler(ctypes.Structure):
    """NumPy's `PyDataMem_Handler`."""

    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator))


class CountedMemory:
    """An allocator for NumPy over its own one. `used` and `peak`: bytes that it has handed out to this process."""

    def __init__(self) -> None:
        functions = ctypes.cast(_behind(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(_Pointer))
        self._set = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(functions[_SET_HANDLER])
        plain = ctypes.py_object.from_address(functions[_DEFAULT_HANDLER]).value
        below = _Handler.from_address(_behind(plain, b"mem_handler")).allocator
        size_of = ctypes.cast(ctypes.CDLL(None).malloc_usable_size, _Pointer).value
        cells = (0, 0, sys.maxsize, below.malloc, below.calloc, below.realloc, below.free, size_of)
        self._cells = (ctypes.c_int64 * _CELLS)(*cells)
        counting = [function.address for function in (_malloc, _calloc, _realloc, _free)]
        self._handler = _Handler(b"telegrad_counted", 1, _Allocator(ctypes.addressof(self._cells), *counting))
        make = ctypes.PYFUNCTYPE(ctypes.py_object, _Pointer, ctypes.c_char_p, _Pointer)(
            ("PyCapsule_New", ctypes.pythonapi)
        )
        self._capsule = make(ctypes.addressof(self._handler), b"mem_handler", None)

    def use(self) -> None:
        """Count what this thread takes from now on. Arrays go back to the allocator that they came from."""
        self._set(self._capsule)

    @property
    def used(self) -> int:
        return self._cells[_USED]

    @property
    def peak(self) -> int:
        return self._cells[_PEAK]

    def reset_peak(self) -> None:
        self._cells[_PEAK] = self._cells[_USED]

    def limit(self, nbytes: int) -> None:
        """Refuse what would make `used` larger."""
        self._cells[_LIMIT] = nbytes

    @contextmanager
    def elsewhere(self, nbytes: int) -> Iterator[None]:
        """Counts memory that is allocated inside by other means than NumPy's. Raises `MemoryError` beyond the limit."""
        cells = self._cells
        if nbytes > SMALL and cells[_USED] + nbytes > cells[_LIMIT]:
            raise MemoryError(f"{nbytes} bytes are more than the limit leaves")
        cells[_USED] += nbytes
        cells[_PEAK] = max(cells[_PEAK], cells[_USED])
        try:
            yield
        finally:
            cells[_USED] -= nbytes


@cache
def counted_memory() -> CountedMemory | None:
    """The one of this process; None where the C library does not tell how large a piece of memory is."""
    return CountedMemory() if hasattr(ctypes.CDLL(None), "malloc_usable_size") else None


def give_back() -> None:
    """Gives the free memory of the C library back to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _behind(capsule: Any, name: bytes | None) -> Any:
    """The pointer in a capsule."""
    read = ctypes.PYFUNCTYPE(_Pointer, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
    return read(capsule, name)


# The allocator's functions. A piece counts with the size that the C library gave it: NumPy names one size when it takes
# memory of an empty array and another when it gives it back. Pointers are numbers here; the C library's functions are
# called through the cells.

_WORD = types.int64


@intrinsic
def _add(typingctx, cells, index, amount):
    """`cells[index] += amount`, atomically: kernels allocate without the GIL. Returns the old value."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), args[2], "monotonic")

    return _WORD(cells, _WORD, _WORD), generate


@intrinsic
def _call(typingctx, address, a, b, c):
    """Call the C function at an address with numbers and pointers; it looks at as many of them as it takes."""

    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        function = builder.inttoptr(args[0], ir.FunctionType(word, [word] * 3).as_pointer())
        return builder.call(function, args[1:])

    return _WORD(_WORD, _WORD, _WORD, _WORD), generate


@njit(inline="always")
def _fits(cells, size):
    return size <= SMALL or cells[_USED] + size <= cells[_LIMIT]


@njit(inline="always")
def _count(cells, change):
    used = _add(cells, _USED, change) + change
    if used > cells[_PEAK]:
        cells[_PEAK] = used


@njit(inline="always")
def _size(cells, piece):
    return _call(cells[_SIZE_OF], piece, 0, 0)


@cfunc(_WORD(types.voidptr, _WORD), cache=True)
def _malloc(context, size):
    cells = carray(context, _CELLS, int64)
    piece = _call(cells[_MALLOC], 0, size, 0) if _fits(cells, size) else 0
    if piece:
        _count(cells, _size(cells, piece))
    return piece


@cfunc(_WORD(types.voidptr, _WORD, _WORD), cache=True)
def _calloc(context, count, size):
    cells = carray(context, _CELLS, int64)
    piece = _call(cells[_CALLOC], 0, count, size) if _fits(cells, count * size) else 0
    if piece:
        _count(cells, _size(cells, piece))
    return piece


@cfunc(_WORD(types.voidptr, _WORD, _WORD), cache=True)
def _realloc(context, old, size):
    cells = carray(context, _CELLS, int64)
    before = _size(cells, old)
    piece = _call(cells[_REALLOC], 0, old, size) if _fits(cells, size - before) else 0
    if piece:
        _count(cells, _size(cells, piece) - before)
    return piece


@cfunc(_WORD(types.voidptr, _WORD, _WORD), cache=True)
def _free(context, piece, size):
    cells = carray(context, _CELLS, int64)
    if piece:
        _count(cells, -_size(cells, piece))
    return _call(cells[_FREE], 0, piece, size)
