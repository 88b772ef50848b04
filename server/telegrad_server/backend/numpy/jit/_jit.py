"""How the kernels of this package are compiled, and how a long one is shared between threads.

A kernel handles independent items: rows, channels, images. It is a function of a range of them,
`kernel(lo, hi, *arrays)`, or, where items are elements, of flat arrays and numbers. It computes an item in the
same way whichever range holds it, so that the result never depends on the number of threads. What adds up over
items goes through parts of a fixed size.

Inner loops run over `range(n)` and slices: an index that might be negative would be tested, which costs the vector
lanes.

Threads are Python's own. Kernels release the GIL, so two halves run side by side without a second, parallel
compilation of each kernel, and without a thread pool that spins against the one in BLAS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

# Below this many elements the hand-over to another thread (about 50 µs) costs more than it saves.
SHARED_FROM = 1 << 19

kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
# Sums may be taken in any order, which is what lets a loop use vector lanes. Infinities and NaN keep their meaning.
summing = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


class _Threads:
    """The number of threads that share a long kernel, and the pool that lends all but the caller's own.

    `begin` is called on each of the pool's.
    """

    begin: Callable[[], None] | None = None

    def __init__(self) -> None:
        self.count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.pool: ThreadPoolExecutor | None = None

    def submit(self, *call: Any) -> Any:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(self.count - 1, "kernel", self.begin)
        return self.pool.submit(*call)


_threads = _Threads()


def set_threads(count: int) -> None:
    """Share long kernels between `count` threads, the caller's included; not while a kernel runs."""
    if count < 1:
        raise ValueError(f"a kernel needs at least one thread, got {count}")
    if _threads.pool is not None:
        _threads.pool.shutdown()
    _threads.count, _threads.pool = count, None


def begin_threads(begin: Callable[[], None]) -> None:
    """Call `begin` first on each thread that will be lent; before any was."""
    _threads.begin = begin


def threads() -> int:
    """The number of threads that share a long kernel."""
    return _threads.count


def _shares(items: int) -> list[tuple[int, int]]:
    shares = max(1, min(_threads.count, items))
    return [(items * i // shares, items * (i + 1) // shares) for i in range(shares)]


def together(kernel: Callable[..., Any], first: tuple[Any, ...], *others: tuple[Any, ...]) -> None:
    """Run `kernel(*call)` for each call, the first on this thread; with as many threads as there are calls at most."""
    futures = [_threads.submit(kernel, *call) for call in others]
    kernel(*first)
    for future in futures:
        future.result()


def share(kernel: Callable[..., Any], items: int, elements: int, *args: Any) -> None:
    """Run `kernel(lo, hi, *args)` over 0..items, cut between the threads where `elements` repay it."""
    if elements < SHARED_FROM:
        kernel(0, items, *args)
        return
    together(kernel, *((lo, hi, *args) for lo, hi in _shares(items)))


def share_elements(kernel: Callable[..., Any], arrays: Sequence[np.ndarray], *args: Any) -> None:
    """Run `kernel(*arrays, *args)` on C-contiguous arrays of one size, or none, cut as `share` cuts rows."""
    arrays = [flat(array) for array in arrays]
    if arrays[0].size < SHARED_FROM:
        kernel(*arrays, *args)
        return
    together(kernel, *((*(array[lo:hi] for array in arrays), *args) for lo, hi in _shares(arrays[0].size)))


def map_elements(kernel: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """A new array that `kernel(*arrays, out)` fills, shared as `share_elements` does."""
    out = np.empty_like(arrays[0])
    share_elements(kernel, (*arrays, out))
    return out


def flat(array: np.ndarray) -> np.ndarray:
    """A one-dimensional view of a C-contiguous array; ValueError where only a copy would do."""
    if not array.flags.c_contiguous:
        raise ValueError(f"the elements of an array of strides {array.strides} do not follow each other in memory")
    return array.ravel()  # takes a third of the time of reshape(-1)


def or_empty(array: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    """The array, or one without elements in its place: a kernel is compiled once for both."""
    return np.empty(0, like.dtype) if array is None else array
