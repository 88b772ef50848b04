"""NumPy's memory with guards around every array and a pattern inside it, so that a test sees what it should not.

A kernel that leaves part of a result unwritten, or reads beyond an array, gives another result under another pattern;
one that writes beyond an array breaks its guards, which are looked at when the array is freed.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
from numba import cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

GUARD: Final = 64
"""Bytes before and behind each array. The first two words of those before it hold its size and its pattern."""

LIMIT: Final = 1 << 29
"""The machine has no memory for an array of more bytes."""

_libc = ctypes.CDLL(None)
_malloc, _free, _memset, _memmove = _libc.malloc, _libc.free, _libc.memset, _libc.memmove
_malloc.argtypes, _malloc.restype = [ctypes.c_size_t], ctypes.c_size_t
_free.argtypes, _free.restype = [ctypes.c_size_t], None
_memset.argtypes, _memset.restype = [ctypes.c_size_t, ctypes.c_int, ctypes.c_size_t], ctypes.c_size_t
_memmove.argtypes, _memmove.restype = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t], ctypes.c_size_t

# The pattern's byte, how many guards were found broken, the largest array asked for.
_state = np.zeros(3, np.uint64)
_PATTERN, _BROKEN, _LARGEST = (_state.ctypes.data + 8 * i for i in range(3))


def fill_with(byte: int) -> None:
    """Let what is allocated from now on hold this byte."""
    _state[0] = byte


def broken() -> int:
    """How many arrays that were freed since the last call had been written beyond."""
    found, _state[1] = int(_state[1]), 0
    return found


def largest() -> int:
    """The bytes of the largest array that was asked for since the last call."""
    found, _state[2] = int(_state[2]), 0
    return found


@intrinsic
def _load(_: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], cgutils.intp_t.as_pointer()))

    return types.uintp(types.uintp), generate


@intrinsic
def _store(_: Any, address: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], cgutils.intp_t.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp), generate


@njit
def _take(size: Any, filled: Any) -> Any:
    if size > _load(types.uintp(_LARGEST)):
        _store(types.uintp(_LARGEST), size)
    if size > LIMIT:
        return types.uintp(0)
    base, byte = _malloc(size + 2 * GUARD), _load(types.uintp(_PATTERN))
    if base == 0:
        return types.uintp(0)
    _memset(base, types.int32(byte), size + 2 * GUARD)
    if not filled:
        _memset(base + GUARD, types.int32(0), size)
    _store(base, size)
    _store(base + types.uintp(8), byte)
    return base + types.uintp(GUARD)


@njit
def _guards_hold(base: Any) -> Any:
    byte = _load(base + types.uintp(8))
    word = types.uintp(byte * types.uintp(0x0101010101010101))
    for at in range(16, GUARD, 8):
        if _load(base + types.uintp(at)) != word:
            return False
    behind = base + types.uintp(GUARD) + _load(base)
    for at in range(0, GUARD, 8):  # noqa: SIM110 (numba compiles no generator)
        if _load(behind + types.uintp(at)) != word:
            return False
    return True


@njit
def _give(address: Any) -> Any:
    base = types.uintp(address - types.uintp(GUARD))
    if not _guards_hold(base):
        _store(types.uintp(_BROKEN), _load(types.uintp(_BROKEN)) + types.uintp(1))
    _free(base)


@cfunc(types.uintp(types.uintp, types.uintp))
def _on_malloc(_: Any, size: Any) -> Any:
    return _take(size, True)


@cfunc(types.uintp(types.uintp, types.uintp, types.uintp))
def _on_calloc(_: Any, count: Any, each: Any) -> Any:
    return _take(count * each, False)


@cfunc(types.uintp(types.uintp, types.uintp, types.uintp))
def _on_realloc(_: Any, address: Any, size: Any) -> Any:
    made = _take(size, True)
    if address != 0 and made != 0:
        _memmove(made, address, min(size, _load(types.uintp(address - types.uintp(GUARD)))))
        _give(address)
    return made


@cfunc(types.void(types.uintp, types.uintp, types.uintp))
def _on_free(_: Any, address: Any, __: Any) -> Any:
    if address != 0:
        _give(address)


class _Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free")]


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler (NEP 49)."""

    _fields_ = [("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator)]


_SET_HANDLER: Final = 304
"""Where PyDataMem_SetHandler stands in NumPy's table of C functions: part of its binary interface."""

_handler = _Handler(
    b"guarded",
    1,
    _Allocator(None, _on_malloc.address, _on_calloc.address, _on_realloc.address, _on_free.address),
)
_kept: list[Any] = []


def install() -> None:
    """Give NumPy this memory for all arrays that this thread makes from now on."""
    api = ctypes.pythonapi
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    api.PyCapsule_New.restype = ctypes.py_object
    api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    table = api.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None)
    entry = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[_SET_HANDLER]
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(entry)
    _kept.append(api.PyCapsule_New(ctypes.addressof(_handler), b"mem_handler", None))
    _kept.append(set_handler(_kept[-1]))
