"""The threads of BLAS, which has a pool of its own.

A product large enough to share is shared there by default. Where a kernel's threads each run products of their own,
BLAS has to keep to the thread that calls it: its pool serves one product at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> list[Any]:
    """The BLAS libraries of this process; looking for them takes milliseconds, setting their threads one microsecond."""
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within the block, each product runs on the thread that asks for it."""
    before = [library.num_threads for library in _libraries()]
    for library in _libraries():
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, count in zip(_libraries(), before, strict=True):
            library.set_num_threads(count)
