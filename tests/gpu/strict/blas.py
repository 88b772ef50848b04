"""Matrix products as cuBLAS computes them, with the checks that cuBLAS leaves to the caller."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import device_view
from .rules import StrictError
from .ufuncs import HALVES


class StrictBlas:
    """The `Blas` of `DeviceSession` on the strict module."""

    def __init__(self) -> None:
        self.calls = 0

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
        """`out[i] = a[i] @ b[i]` in column-major terms, `i < batch`."""
        m, n, k = sizes
        if not a.dtype == b.dtype == out.dtype or a.dtype.kind not in "fV":
            raise StrictError(f"gemm of {a.dtype}, {b.dtype} into {out.dtype}")
        if min(m, n, k, batch) < 1:
            raise StrictError(f"gemm of {sizes}, {batch} times")
        if batch > 1 and abs(steps[2]) < (n - 1) * leading[2] + m:
            raise StrictError(f"gemm writes matrices {steps[2]} apart over one another")
        first = matrices(a, (m, k), transposed[0], leading[0], batch, steps[0], "a")
        second = matrices(b, (k, n), transposed[1], leading[1], batch, steps[1], "b")
        target = matrices(out, (m, n), False, leading[2], batch, steps[2], "out")
        for array in (a, b, out):
            array._reach()
        wide = np.float32 if out.dtype in HALVES else out.dtype
        with np.errstate(all="ignore"):
            target[...] = np.matmul(first.astype(wide, copy=False), second.astype(wide, copy=False))
        self.calls += 1


def matrices(
    array: Any, shape: tuple[int, int], transposed: bool, leading: int, batch: int, step: int, name: str
) -> np.ndarray:
    """The column-major matrices that an address, a leading dimension and a step describe, all within the block."""
    rows, columns = shape[::-1] if transposed else shape
    if leading < max(1, rows):
        raise StrictError(f"gemm: leading dimension {leading} of {name} is below its {rows} rows")
    reach = (batch - 1) * step + (columns - 1) * leading + rows
    room = array._block.ptr + array._block.size - array.data.ptr
    if step < 0 or reach * array.itemsize > room or reach > reach_of(array):
        raise StrictError(f"gemm reads {reach} elements of {name}, which has {reach_of(array)}")
    size = array.itemsize
    found = device_view(array.data, (batch, rows, columns), (step * size, size, leading * size), array.dtype)
    return found.swapaxes(1, 2) if transposed else found


def reach_of(array: Any) -> int:
    """How many elements lie from an array's first to its last in memory."""
    steps = zip(array.shape, array.strides, strict=True)
    return 1 + sum((size - 1) * stride for size, stride in steps) // array.itemsize
