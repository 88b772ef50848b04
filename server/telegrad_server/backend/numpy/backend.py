"""`xp` on the CPU: the primitives that kernels are written in, over NumPy and the fused kernels.

A primitive has the same name, arguments and meaning in every backend; kernels use nothing else. Where NumPy has the
primitive as it should be, it stands here as a plain attribute.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import ml_dtypes
import numpy as np
import psutil

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import PAGE, Meta, contiguous

from .arithmetic import ElementPrimitives
from .convolution import WindowPrimitives
from .counted import CountedMemory, counted_memory, give_back
from .gather import IndexPrimitives
from .jit import begin_threads
from .layout import ShapePrimitives
from .normalization import NetworkPrimitives
from .optim import OptimPrimitives
from .random import RandomPrimitives
from .sorting import OrderPrimitives
from .transfers import TransferPrimitives

_TO_NUMPY: dict[DType, np.dtype[Any]] = {
    dtype: np.dtype(ml_dtypes.bfloat16 if dtype is dtypes.bfloat16 else dtype.name) for dtype in dtypes.ALL
}
_FROM_NUMPY = {native: dtype for dtype, native in _TO_NUMPY.items()}


class NumpyBackend(
    ElementPrimitives,
    IndexPrimitives,
    NetworkPrimitives,
    OptimPrimitives,
    OrderPrimitives,
    RandomPrimitives,
    ShapePrimitives,
    TransferPrimitives,
    WindowPrimitives,
):
    """The NumPy backend; one serves every session of a worker. `_counted` is what counts the process's memory, or None."""

    name = "cpu"
    _counted: CountedMemory | None = None

    # Sessions ---------------------------------------------------------------------------------------------

    def for_session(self, limit_bytes: int) -> NumpyBackend:
        """The backend for a session that may take so much memory: all share the process's."""
        return self

    def active(self) -> AbstractContextManager[None]:
        """Inside, the thread works on this device."""
        return nullcontext()

    def raise_faults(self) -> None:
        """Nothing: what is wrong with an index is raised at once."""

    def synchronize(self) -> None:
        """Nothing: an operation has ended when it returns."""

    def lost(self) -> str | None:
        """What has made the device useless, for good; None while it is well."""
        return None

    def device_name(self) -> str:
        """What the processor is called, as far as the system says."""
        return platform.processor() or platform.machine()

    def memory_info(self) -> tuple[int, int]:
        """Free bytes, and all, of the machine."""
        memory = psutil.virtual_memory()
        return memory.available, memory.total

    def memory_reserved(self) -> int:
        """Bytes that are held for the session beside what its tensors use: the process's allocator does not say."""
        return 0

    def empty_cache(self) -> None:
        """Nothing: memory that no tensor uses is the process's."""

    def count_memory(self) -> None:
        """Count what this thread takes from now on, and those that kernels share their work with."""
        self._counted = counted_memory()
        if self._counted is not None:
            self._counted.use()
            begin_threads(self._counted.use)

    def hold_to(self, nbytes: int) -> None:
        """Let kernels take no more than so much in all, where it is counted."""
        if self._counted is not None:
            self._counted.limit(nbytes)

    def _beside(self, nbytes: int) -> AbstractContextManager[None]:
        """Inside, so much is taken that NumPy's allocator does not see."""
        return nullcontext() if self._counted is None or nbytes < PAGE else self._counted.elsewhere(nbytes)

    def kept_back(self) -> int:
        """About how many bytes the process has freed and may not have given back to the system."""
        return 0 if self._counted is None else self._counted.peak - self._counted.used

    def give_back(self) -> None:
        """Give memory that nothing uses back to the system."""
        give_back()
        if self._counted is not None:
            self._counted.reset_peak()

    # Memory -----------------------------------------------------------------------------------------------

    def dtype(self, dtype: DType) -> np.dtype[Any]:
        return _TO_NUMPY[dtype]

    def meta_of(self, array: np.ndarray) -> Meta:
        return contiguous(array.shape, _FROM_NUMPY[array.dtype], self.name)

    def from_bytes(self, data: bytes | memoryview, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        """A read-only view of the bytes."""
        return np.frombuffer(data, _TO_NUMPY[dtype]).reshape(shape)

    def to_bytes(self, array: np.ndarray) -> bytes:
        return array.tobytes()

    def to_host(self, array: np.ndarray) -> np.ndarray:
        """The array as a NumPy array: itself."""
        return array

    def dense(self, value: Any) -> np.ndarray:
        """The value as a contiguous array, copied only where it is not one."""
        if type(value) is not np.ndarray:
            return np.asarray(value)
        return value if value.flags.c_contiguous else np.ascontiguousarray(value)

    def fills(self, array: Any) -> bool:
        """Whether an array takes all of the memory that it keeps alive."""
        base = array.base
        return base is None or (type(base) is np.ndarray and base.nbytes == array.nbytes)

    def shares(self, array: Any, others: Iterable[Any]) -> bool:
        """Whether an array lies in the memory of one of these."""
        return any(np.may_share_memory(array, other) for other in others if isinstance(other, np.ndarray))

    def apart(self, array: np.ndarray, given: Iterable[Any]) -> np.ndarray:
        """The array, or a copy where it lies in the memory of one that is given."""
        return array.copy() if self.shares(array, given) else array

    def exact(self, array: Any, dtype: DType) -> Any:
        """The array in the dtype that was declared for it: NumPy makes float32 of bfloat16 and a Python number."""
        native = _TO_NUMPY[dtype]
        return array if array.dtype == native else array.astype(native)

    def copy(self, value: Any) -> np.ndarray:
        return np.array(value, copy=True, order="C")

    def assign(self, target: np.ndarray, value: Any) -> None:
        np.copyto(target, value, casting="unsafe")

    def add_into(self, total: Any, value: Any) -> Any:
        """`total + value`, in `total`'s memory where it is an array."""
        if type(total) is not np.ndarray:
            return total + value
        return np.add(total, value, out=total)

    def multiply_into(self, array: np.ndarray, number: float) -> None:
        """`array * number`, in `array`'s memory; takes none besides."""
        np.multiply(array, number, out=array, casting="unsafe")

    def cast(self, array: Any, dtype: DType) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(array).astype(_TO_NUMPY[dtype], order="C")

    def sum_to(self, array: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Undo broadcasting: sum over the axes that were added or stretched."""
        lead = array.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(
            axis + lead for axis, size in enumerate(shape) if size == 1 and array.shape[axis + lead] != 1
        )
        return np.add.reduce(array, axis=axes).reshape(shape)

    def as_strided(self, array: np.ndarray, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> np.ndarray:
        """A view of a contiguous array by size, stride and offset in elements; the bounds are the caller's to check."""
        step = array.itemsize
        raw = array.reshape(-1).view(np.uint8)
        strides = tuple([s * step for s in stride])
        if array.size == 0:
            return np.empty(size, array.dtype)
        if array.dtype.kind == "V":  # NumPy makes no array of an extension dtype from a buffer
            return np.lib.stride_tricks.as_strided(array.reshape(-1)[offset:], size, strides)
        return np.ndarray(size, array.dtype, raw.data, offset * step, strides)

    def add_strided(
        self,
        values: np.ndarray,
        shape: tuple[int, ...],
        size: tuple[int, ...],
        stride: tuple[int, ...],
        offset: int,
    ) -> np.ndarray:
        """Zeros of `shape` with `values` added at the elements that `as_strided` shows, repeatedly where they overlap."""
        out = np.zeros(shape, values.dtype)
        places = np.full(size, offset, np.intp)
        for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
            places += (np.arange(count) * step).reshape((-1,) + (1,) * (len(size) - axis - 1))
        np.add.at(out.reshape(-1), places.reshape(-1), values.reshape(-1))
        return out

    # Shapes -----------------------------------------------------------------------------------------------

    swapaxes = staticmethod(np.swapaxes)
    reshape = staticmethod(np.reshape)

    def broadcast_to(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A view of that shape; whether it may be written to is told by its strides, not by NumPy's flag."""
        view = np.broadcast_to(array, shape)
        view.flags.writeable = array.flags.writeable
        return view

    # Making ------------------------------------------------------------------------------------------------

    def zeros(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return np.zeros(shape, _TO_NUMPY[dtype])

    def ones(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return np.ones(shape, _TO_NUMPY[dtype])

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType) -> np.ndarray:
        return np.full(shape, value, _TO_NUMPY[dtype])

    def eye(self, n: int, m: int, dtype: DType) -> np.ndarray:
        return np.eye(n, m, dtype=_TO_NUMPY[dtype])

    def arange(self, start: Any, step: Any, count: int, dtype: DType) -> np.ndarray:
        """`count` numbers from `start` at distances of `step`, computed without rounding on the way."""
        exact = np.arange(count, dtype=np.int64 if type(start) is type(step) is int else np.float64)
        return (exact * step + start).astype(_TO_NUMPY[dtype])

    def linspace(self, start: Any, end: Any, count: int, dtype: DType) -> np.ndarray:
        return np.linspace(start, end, count).astype(_TO_NUMPY[dtype])
