"""A session on a CUDA device: CuPy, our compiled kernels, cuBLAS and the fault flag.

Nothing here imports CuPy: CuPy and the matrix products are handed in, so that the tests can run the whole backend on
modules of the same semantics where there is no GPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad_protocol.errors import OpIndexError, TelegradError
from telegrad_server.backend.constants import CUDA, THREADS_PER_BLOCK
from telegrad_server.backend.dtypes import CUDA_TYPES, DIGITS

from .blas import Blas

MAX_BLOCKS: Final = 1 << 16

_OUR_HEADER: Final = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)

FaultError = Callable[..., TelegradError]
"""Makes the error for an index that a kernel found out of range, from it and the details of the check."""


class Check(NamedTuple):
    """A check that a kernel makes when it reads an index. The error is made when the fault flag is read."""

    error: FaultError
    details: tuple[Any, ...]


class DeviceSession:
    """A session on a device: compiled kernels, the fault flag, and the checks that it may report.

    `cp`: CuPy, or a module with its semantics. `fault` is an int64 array of two on the device, see `common.cuh`.
    `copies` is the stream for transfers.
    """

    def __init__(self, cp: Any, blas: Blas, index: int = 0, copies: Any = None) -> None:
        self.cp = cp
        self.blas = blas
        self.index = index
        self.fault = cp.zeros(2, np.int64)
        # Not one that waits for the default stream, on which the kernels run.
        self.copies = copies or cp.cuda.Stream(non_blocking=True)
        self._checks: list[Check] = []
        self._numbers: dict[Check, int] = {}
        self._functions: dict[Any, Any] = {}

    def for_session(self) -> DeviceSession:
        """The same device for another session: a fault flag of its own; compiled kernels and streams are shared."""
        other = DeviceSession(self.cp, self.blas, self.index, self.copies)
        other._functions = self._functions
        return other

    # Kernels ------------------------------------------------------------------------------------------------

    def launch(self, family: str, name: str, types: tuple[Any, ...], count: int, *args: Any) -> None:
        """Run a kernel of `cuda/<family>.cu` with a thread for each of `count` elements (at most; see `EACH`)."""
        if count:
            blocks = min((count + THREADS_PER_BLOCK - 1) // THREADS_PER_BLOCK, MAX_BLOCKS)
            self.function(family, name, types)((blocks,), (THREADS_PER_BLOCK,), plain(args))

    def launch_rows(
        self, family: str, name: str, types: tuple[Any, ...], rows: int, *args: Any, threads: int = THREADS_PER_BLOCK
    ) -> None:
        """Run a kernel with a block for each row (at most `MAX_BLOCKS`; blocks take rows in turn)."""
        if rows:
            self.function(family, name, types)((min(rows, MAX_BLOCKS),), (threads,), plain(args))

    def function(self, family: str, name: str, types: tuple[Any, ...]) -> Any:
        """The compiled kernel template `name`, instantiated for dtypes; compiled at first use."""
        key = (family, name, types)
        found = self._functions.get(key)
        if found is None:
            expression = kernel_expression(name, types)
            module = self.cp.RawModule(
                code=source(family), options=("-std=c++17",), name_expressions=(expression,), backend="nvrtc"
            )
            found = self._functions[key] = module.get_function(expression)
        return found

    # Faults -------------------------------------------------------------------------------------------------

    def check(self, op: str, argument: str, low: int, high: int) -> np.int64:
        """The number under which a kernel reports an index outside [low, high)."""
        return self.check_with(_index_error, op, argument, low, high)

    def check_with(self, error: FaultError, *details: Any) -> np.int64:
        """The number under which a kernel reports an index that `error(index, *details)` describes.

        `error` is a function of a module, and the details can be hashed: equal checks have one number.
        """
        check = Check(error, details)
        number = self._numbers.get(check)
        if number is None:
            self._checks.append(check)
            number = self._numbers[check] = len(self._checks)
        return np.int64(number)

    def raise_faults(self) -> None:
        """Raises the error that a kernel has reported, once. Waits for the device."""
        number, index = (int(value) for value in self.fault.get())
        if number:
            self.fault.fill(0)
            raise _found_late(self._checks[number - 1], index)


def _index_error(index: int, op: str, argument: str, low: int, high: int) -> OpIndexError:
    return OpIndexError(
        f"{op}: index {index} is out of bounds [{low}, {high})",
        op=op,
        argument=argument,
        expected=f"[{low}, {high})",
        got=index,
    )


def _found_late(check: Check, index: int) -> TelegradError:
    error = check.error(index, *check.details)
    hint = "found on the device and reported at the next read; TELEGRAD_SYNC=1 reports it at its line"
    return type(error)(error.message, **{"hint": hint, **error.details})


def plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Kernel arguments with Python's numbers in the width that our kernels declare: i64 and double."""
    return tuple([_plain(value) for value in args])


def _plain(value: Any) -> Any:
    if type(value) is int:
        return np.int64(value)
    return np.float64(value) if type(value) is float else np.bool_(value) if type(value) is bool else value


def kernel_expression(name: str, types: tuple[Any, ...]) -> str:
    """A template and its arguments as C++ writes them.

    >>> kernel_expression("softmax", (np.float32,))
    'softmax<float>'
    """
    words = [CUDA_TYPES[np.dtype(kind)] if not isinstance(kind, int | bool) else str(kind).lower() for kind in types]
    return f"{name}<{', '.join(words)}>" if words else name


@cache
def source(family: str) -> str:
    """The CUDA source of a family, the common part first; our headers are put in."""
    folder = files("telegrad_server.backend.cupy") / "cuda"

    def header(name: str) -> str:
        return shared_header() if name == "shared.cuh" else (folder / name).read_text()

    text = header("common.cuh") + header(f"{family}.cu")
    return _OUR_HEADER.sub(lambda found: header(found[1]), text)


def shared_header() -> str:
    """C++ for the constants that Python and the kernels share: sizes, and the arithmetic of each dtype."""
    lines = [f"constexpr long long {name} = {value};" for name, value in CUDA.items()]
    lines += [
        "template <class T> struct acc { typedef T type; };",
        "template <class T> struct digits { enum { value = 24 }; };",
    ]
    for native, name in CUDA_TYPES.items():
        if native not in DIGITS:
            lines.append(f"template <> struct acc<{name}> {{ typedef long long type; }};")
            continue
        lines.append(f"template <> struct digits<{name}> {{ enum {{ value = {DIGITS[native]} }}; }};")
        if native.itemsize < 4:
            lines.append(f"template <> struct acc<{name}> {{ typedef float type; }};")
    return "\n".join(lines) + "\n"
