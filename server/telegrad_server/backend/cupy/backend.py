"""`xp` on a CUDA device: the primitives that kernels are written in, over CuPy and CUDA sources of our own.

The only module that names CuPy, and only inside functions: importing it needs neither CuPy nor a device.

Nothing here waits for the device, but where bytes are read or a shape depends on values. So an index that is out of
range is found on the device, kept from leaving its array, and raised by `raise_faults` at the next read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .activation import Activation
from .arithmetic import Arithmetic
from .arrays import Arrays
from .attention import Attention
from .blas import CublasProducts
from .comparison import Comparison
from .convolution import Convolution
from .creation import Creation
from .device import DeviceSession
from .embedding import Embedding
from .gather import Gather
from .joining import Joining
from .layout import Layout
from .linalg import Linalg
from .loss import Loss
from .matmul import Matmul
from .normalization import Normalization
from .optim import Optim
from .pooling import Pooling
from .random import Random
from .reduction import Reduction
from .scan import Scan
from .slicing import Slicing
from .sorting import Sorting
from .transcendental import Transcendental
from .transfers import Transfers


class CupyBackend(
    Activation,
    Arithmetic,
    Arrays,
    Attention,
    Comparison,
    Convolution,
    Creation,
    Embedding,
    Gather,
    Joining,
    Layout,
    Linalg,
    Loss,
    Matmul,
    Normalization,
    Optim,
    Pooling,
    Random,
    Reduction,
    Scan,
    Slicing,
    Sorting,
    Transcendental,
    Transfers,
):
    """The CuPy backend. One serves one session, whose memory comes from a pool of its own; `for_session` makes more.

    `pool` is None for the process's own memory.
    """

    name = "cuda"

    def __init__(self, device: DeviceSession, pool: Any = None) -> None:
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
            return CupyBackend(self.device.for_session(), pool)

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


def open_device(index: int = 0) -> CupyBackend:
    """The backend of a CUDA device. Raises ImportError without CuPy, RuntimeError without such a device."""
    import cupy

    with cupy.cuda.Device(index):
        return CupyBackend(DeviceSession(cupy, CublasProducts(), index))


def count_devices() -> int:
    """How many CUDA devices there are. Raises ImportError without CuPy, RuntimeError without a driver."""
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def describe_device(index: int) -> tuple[str, int]:
    """A device's name, and its bytes of memory."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(index)
    return properties["name"].decode(), int(properties["totalGlobalMem"])
