"""`xp` on a CUDA device: the primitives that kernels are written in, over CuPy and CUDA sources of our own.

The only module that names CuPy, and only inside functions: importing it needs neither CuPy nor a device.

Nothing here waits for the device, but where bytes are read or a shape depends on values. So an index that is out of
range is found on the device, kept from leaving its array, and raised by `raise_faults` at the next read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ml_dtypes
import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import Meta, contiguous

from .arithmetic import ElementPrimitives
from .convolution import WindowPrimitives
from .device import CudaDevice
from .gather import IndexPrimitives
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


class CupyBackend(
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
    """The CuPy backend. One serves one session, whose memory comes from a pool of its own; `for_session` makes more.

    `pool` is None for the process's own memory.
    """

    name = "cuda"

    def __init__(self, device: CudaDevice, pool: Any = None) -> None:
        self.cp = device.cp
        self.device = device
        self.pool = pool
        self.name = f"cuda:{device.index}"

    # Sessions ---------------------------------------------------------------------------------------------

    def for_session(self, limit_bytes: int) -> CupyBackend:
        """The backend for a session that may take so much memory; faults are its own, compiled kernels are shared."""
        pool = self.cp.cuda.MemoryPool()
        pool.set_limit(size=limit_bytes)
        with self.cp.cuda.Device(self.device.index):
            return CupyBackend(self.device.twin(), pool)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, the thread works on this device, and allocates from the session's pool."""
        with self.cp.cuda.Device(self.device.index):
            if self.pool is None:
                yield
                return
            with self.cp.cuda.using_allocator(self.pool.malloc):
                yield

    def raise_faults(self) -> None:
        """Raise what a kernel found wrong with an index since the last call. Waits for the device."""
        self.device.raise_faults()

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked for."""
        self.cp.cuda.Device(self.device.index).synchronize()

    def lost(self) -> str | None:
        """What has made the device useless, for good; None while it is well.

        After an illegal address and the like every call of CUDA fails in the process that met it, this one too.
        """
        try:
            self.synchronize()
        except RuntimeError as error:
            return str(error)
        return None

    def device_name(self) -> str:
        """What the driver calls the device."""
        return str(self.cp.cuda.runtime.getDeviceProperties(self.device.index)["name"].decode())

    def memory_info(self) -> tuple[int, int]:
        """Free bytes, and all, of the device."""
        free, total = self.cp.cuda.Device(self.device.index).mem_info
        return free, total

    def memory_reserved(self) -> int:
        """Bytes that the session's pool holds on the device, used or not."""
        pool = self.cp.get_default_memory_pool() if self.pool is None else self.pool
        return int(pool.total_bytes())

    def empty_cache(self) -> None:
        """Give memory that no tensor uses back to the device."""
        pool = self.cp.get_default_memory_pool() if self.pool is None else self.pool
        pool.free_all_blocks()

    def count_memory(self) -> None:
        """Nothing: each session's pool refuses by itself what is beyond the limit."""

    def hold_to(self, nbytes: int) -> None:
        """Nothing: the pools have their limit from the beginning."""

    def kept_back(self) -> int:
        """None that would go back by itself: a pool's blocks are its session's, until `empty_cache`."""
        return 0

    def give_back(self) -> None:
        """Nothing: a session's pool ends with it."""

    # Memory -----------------------------------------------------------------------------------------------

    def dtype(self, dtype: DType) -> np.dtype[Any]:
        return _TO_NUMPY[dtype]

    def meta_of(self, array: Any) -> Meta:
        return contiguous(array.shape, _FROM_NUMPY[array.dtype], self.name)

    def from_bytes(self, data: bytes | memoryview, shape: tuple[int, ...], dtype: DType) -> Any:
        """The bytes as an array on the device; they have been copied when this returns."""
        return self.cp.asarray(np.frombuffer(data, _TO_NUMPY[dtype]).reshape(shape))

    def to_host(self, array: Any) -> np.ndarray:
        """The array as a NumPy array, in memory that the caller may keep. Waits for the device."""
        return array.get(order="C")

    def to_bytes(self, array: Any) -> bytes:
        return self.to_host(array).tobytes()

    def dense(self, value: Any) -> Any:
        """The value as a contiguous array, copied only where it is not one."""
        return self.contiguous(self.cp.asarray(value))

    def fills(self, array: Any) -> bool:
        """Whether an array takes all of the memory that it keeps alive."""
        return array.base is None or array.base.nbytes == array.nbytes

    def shares(self, array: Any, others: Iterable[Any]) -> bool:
        """Whether an array lies in the memory of one of these."""
        return any(self.cp.may_share_memory(array, other) for other in others if isinstance(other, self.cp.ndarray))

    def apart(self, array: Any, given: Iterable[Any]) -> Any:
        """The array, or a copy where it lies in the memory of one that is given."""
        return array.copy() if self.shares(array, given) else array

    def exact(self, array: Any, dtype: DType) -> Any:
        """The array in the dtype that was declared for it: primitives may compute in float32."""
        native = _TO_NUMPY[dtype]
        return array if array.dtype == native else array.astype(native)

    def copy(self, value: Any) -> Any:
        return self.cp.array(value, copy=True, order="C")

    def assign(self, target: Any, value: Any) -> None:
        target[...] = value

    def add_into(self, total: Any, value: Any) -> Any:
        """`total + value`, in `total`'s memory where it is an array."""
        return self.cp.add(total, value, out=total)

    def multiply_into(self, array: Any, number: float) -> None:
        """`array * number`, in `array`'s memory; takes none besides."""
        self.cp.multiply(array, number, out=array)

    def cast(self, array: Any, dtype: DType) -> Any:
        return self.cp.asarray(array).astype(_TO_NUMPY[dtype], order="C")

    def sum_to(self, array: Any, shape: tuple[int, ...]) -> Any:
        """Undo broadcasting: sum over the axes that were added or stretched."""
        lead = array.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(
            axis + lead for axis, size in enumerate(shape) if size == 1 and array.shape[axis + lead] != 1
        )
        return self.cp.sum(array, axis=axes, dtype=array.dtype).reshape(shape)

    def as_strided(self, array: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
        """A view of a contiguous array by size, stride and offset in elements; the bounds are the caller's to check."""
        if array.size == 0:
            return self.cp.empty(size, array.dtype)
        strides = tuple([s * array.itemsize for s in stride])
        return self.cp.lib.stride_tricks.as_strided(array.reshape(-1)[offset:], size, strides)

    def add_strided(
        self,
        values: Any,
        shape: tuple[int, ...],
        size: tuple[int, ...],
        stride: tuple[int, ...],
        offset: int,
    ) -> Any:
        """Zeros of `shape` with `values` added at the elements that `as_strided` shows, repeatedly where they overlap."""
        cp = self.cp
        places = cp.full(size, offset, np.int64)
        for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
            places += (cp.arange(count) * step).reshape((-1,) + (1,) * (len(size) - axis - 1))
        out = cp.zeros(math.prod(shape), values.dtype)
        return self.add_at(out, (places.reshape(-1),), values.reshape(-1)).reshape(shape)

    # Making ------------------------------------------------------------------------------------------------

    def zeros(self, shape: tuple[int, ...], dtype: DType) -> Any:
        return self.cp.zeros(shape, _TO_NUMPY[dtype])

    def ones(self, shape: tuple[int, ...], dtype: DType) -> Any:
        return self.cp.ones(shape, _TO_NUMPY[dtype])

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType) -> Any:
        return self.cp.full(shape, value, _TO_NUMPY[dtype])

    def eye(self, n: int, m: int, dtype: DType) -> Any:
        return self.cp.eye(n, m, dtype=_TO_NUMPY[dtype])

    def arange(self, start: Any, step: Any, count: int, dtype: DType) -> Any:
        """`count` numbers from `start` at distances of `step`, computed without rounding on the way."""
        exact = self.cp.arange(count, dtype=np.int64 if type(start) is type(step) is int else np.float64)
        return (exact * step + start).astype(_TO_NUMPY[dtype])

    def linspace(self, start: Any, end: Any, count: int, dtype: DType) -> Any:
        return self.cp.linspace(start, end, count).astype(_TO_NUMPY[dtype])


class CublasProducts:
    """cuBLAS, by the call that takes every floating dtype and leaves transposing to it."""

    def __init__(self) -> None:
        from cupy_backends.cuda.libs import cublas

        self._cublas = cublas
        real, double = cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_COMPUTE_64F
        # cudaDataType codes, and what sums are kept in.
        self._types = {"float16": (2, real), "bfloat16": (14, real), "float32": (0, real), "float64": (1, double)}
        self._one = {real: np.ones((), np.float32), double: np.ones((), np.float64)}
        self._zero = {real: np.zeros((), np.float32), double: np.zeros((), np.float64)}

    def gemm(
        self,
        a: Any,
        b: Any,
        out: Any,
        sizes: tuple[int, int, int],
        transposed: tuple[bool, bool],
        leading: tuple[int, int, int],
        batch: int,
        steps: tuple[int, int, int],
    ) -> None:
        """See `Blas.gemm`."""
        import cupy

        code, compute = self._types[out.dtype.name]
        self._cublas.gemmStridedBatchedEx(
            cupy.cuda.device.get_cublas_handle(),
            *(self._cublas.CUBLAS_OP_T if turned else self._cublas.CUBLAS_OP_N for turned in transposed),
            *sizes,
            self._one[compute].ctypes.data,
            a.data.ptr,
            code,
            leading[0],
            steps[0],
            b.data.ptr,
            code,
            leading[1],
            steps[1],
            self._zero[compute].ctypes.data,
            out.data.ptr,
            code,
            leading[2],
            steps[2],
            batch,
            compute,
            self._cublas.CUBLAS_GEMM_DEFAULT,
        )


def open_device(index: int = 0) -> CupyBackend:
    """The backend of a CUDA device. Raises ImportError without CuPy, RuntimeError without such a device."""
    import cupy

    with cupy.cuda.Device(index):
        return CupyBackend(CudaDevice(cupy, CublasProducts(), index))


def count_devices() -> int:
    """How many CUDA devices there are. Raises ImportError without CuPy, RuntimeError without a driver."""
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def describe_device(index: int) -> tuple[str, int]:
    """A device's name, and its bytes of memory."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(index)
    return properties["name"].decode(), int(properties["totalGlobalMem"])
