"""`xp` on the CPU: the primitives that kernels are written in, over NumPy and the fused kernels.

A primitive has the same name, arguments and meaning in every backend; kernels use nothing else. Where NumPy has the
primitive as it should be, it stands here as a plain attribute.
"""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext

import psutil

from .activation import Activation
from .arithmetic import Arithmetic
from .arrays import Arrays
from .attention import Attention
from .comparison import Comparison
from .convolution import Convolution
from .counted import counted_memory, give_back
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
    """The NumPy backend; one serves every session of a worker. `_counted` is what counts the process's memory, or None."""

    name = "cpu"

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

    def kept_back(self) -> int:
        """About how many bytes the process has freed and may not have given back to the system."""
        return 0 if self._counted is None else self._counted.peak - self._counted.used

    def give_back(self) -> None:
        """Give memory that nothing uses back to the system."""
        give_back()
        if self._counted is not None:
            self._counted.reset_peak()
