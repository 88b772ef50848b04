"""`xp` on a CUDA device: the primitives over CuPy and our own CUDA sources.

CuPy is imported inside functions only: importing this module needs neither CuPy nor a device.

Primitives wait for the device only where they read bytes, or where a shape depends on values. So a kernel finds an index
that is out of range, stays inside its array, and `raise_faults` raises the error at the next read.
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
from .counting import Counting
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
from .padding import Padding
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
    Counting,
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
    Padding,
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
        """A backend with memory and faults of its own; sessions share compiled kernels."""
        pool = self.cp.cuda.MemoryPool()
        pool.set_limit(size=limit_bytes)
        with self.cp.cuda.Device(self.device.index):
            return CupyBackend(self.device.for_session(), pool)

    @contextmanager
    def active(self) -> Iterator[None]:
        with self.cp.cuda.Device(self.device.index):
            if self.pool is None:
                yield
                return
            with self.cp.cuda.using_allocator(self.pool.malloc):
                yield

    def raise_faults(self) -> None:
        self.device.raise_faults()

    def synchronize(self) -> None:
        self.cp.cuda.Device(self.device.index).synchronize()

    def mark(self) -> Any:
        event = self.cp.cuda.Event()
        event.record()
        return event

    def elapsed(self, begin: Any, end: Any) -> float:
        end.synchronize()
        return float(self.cp.cuda.get_elapsed_time(begin, end)) / 1e3

    def lost(self) -> str | None:
        """Why the device can never be used again; None while it works.

        After an illegal address, for example, every call of CUDA fails in this process.
        """
        try:
            self.synchronize()
        except RuntimeError as error:
            return str(error)
        return None

    def device_name(self) -> str:
        return str(self.cp.cuda.runtime.getDeviceProperties(self.device.index)["name"].decode())

    def memory_info(self) -> tuple[int, int]:
        free, total = self.cp.cuda.Device(self.device.index).mem_info
        return free, total

    def memory_reserved(self) -> int:
        """Bytes that the session's pool holds on the device, used or not."""
        pool = self.cp.get_default_memory_pool() if self.pool is None else self.pool
        return int(pool.total_bytes())

    def empty_cache(self) -> None:
        pool = self.cp.get_default_memory_pool() if self.pool is None else self.pool
        pool.free_all_blocks()

    def count_memory(self) -> None:
        """Nothing: the pool of each session enforces its limit."""

    def hold_to(self, nbytes: int) -> None:
        """Nothing: a pool has its limit from the start."""

    def kept_back(self) -> int:
        """0: the blocks of a pool belong to its session, until `empty_cache`."""
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
