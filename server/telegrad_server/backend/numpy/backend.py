"""`xp` on the CPU: the primitives over NumPy and compiled kernels."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter

import psutil

from .activation import Activation
from .arithmetic import Arithmetic
from .arrays import Arrays
from .attention import Attention
from .comparison import Comparison
from .convolution import Convolution
from .counted import counted_memory, give_back
from .counting import Counting
from .creation import Creation
from .embedding import Embedding
from .gather import Gather
from .jit import begin_threads
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


class NumpyBackend(
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
    """The NumPy backend; one serves every session of a worker."""

    name = "cpu"

    # Sessions ---------------------------------------------------------------------------------------------

    def for_session(self, limit_bytes: int) -> NumpyBackend:
        """This one: all sessions share the memory of the process."""
        return self

    def active(self) -> AbstractContextManager[None]:
        return nullcontext()

    def raise_faults(self) -> None:
        """Nothing: an index out of range is raised at once."""

    def synchronize(self) -> None:
        """Nothing: an operation has ended when it returns."""

    def mark(self) -> float:
        return perf_counter()

    def elapsed(self, begin: float, end: float) -> float:
        return end - begin

    def lost(self) -> str | None:
        return None

    def device_name(self) -> str:
        """The processor's name, or its architecture."""
        return platform.processor() or platform.machine()

    def memory_info(self) -> tuple[int, int]:
        """Free bytes of the machine, and all of them."""
        memory = psutil.virtual_memory()
        return memory.available, memory.total

    def memory_reserved(self) -> int:
        """0: the allocator of the process does not tell."""
        return 0

    def empty_cache(self) -> None:
        """Nothing: memory that no tensor uses belongs to the process."""

    def count_memory(self) -> None:
        self._counted = counted_memory()
        if self._counted is not None:
            self._counted.use()
            begin_threads(self._counted.use)

    def hold_to(self, nbytes: int) -> None:
        if self._counted is not None:
            self._counted.limit(nbytes)

    def kept_back(self) -> int:
        return 0 if self._counted is None else self._counted.peak - self._counted.used

    def give_back(self) -> None:
        give_back()
        if self._counted is not None:
            self._counted.reset_peak()
