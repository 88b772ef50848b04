"""Matrix products, shared between the threads that share the kernels.

BLAS has threads of its own, but they spin while they wait for each other: on cores that another process uses too, as a
client on the same machine does, a product then takes ten times as long. So each product here runs on the thread that
asks for it, and large ones are cut. What an element adds up, and in which order, does not depend on the cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ._blas import one_blas_thread
from ._jit import threads, together

# Multiplications that repay handing a piece to another thread; beyond what BLAS has other ways of adding up for.
PIECE = 1 << 22
# Pieces begin at multiples of this, which the kernels of BLAS divide.
STEP = 64


def _cuts(length: int, pieces: int, step: int) -> list[slice]:
    ends = [min(length, -(-length * i // (pieces * step)) * step) for i in range(pieces + 1)]
    return [slice(lo, hi) for lo, hi in pairwise(ends) if lo < hi]


def product(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """`a (m, k) @ b (k, n)`, plus `bias (n,)`."""
    a, b = for_blas(a), for_blas(b)
    (m, k), n = a.shape, b.shape[1]
    out = np.empty((m, n), np.result_type(a, b))
    pieces = max(1, min(threads(), m * k * n // PIECE))

    def run(rows: slice, columns: slice) -> None:
        part = out[rows, columns]
        np.matmul(a[rows], b[:, columns], out=part)
        if bias is not None:
            part += bias[columns]

    whole = slice(None)
    cuts = [(cut, whole) for cut in _cuts(m, pieces, STEP)] if m >= n else [(whole, c) for c in _cuts(n, pieces, STEP)]
    _run(run, cuts or [(whole, whole)])
    return out


def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The products of matrices in pairs: `a (batch, ..., m, k) @ b (batch, ..., k, n)`."""
    a, b = for_blas(a), for_blas(b)
    out = np.empty((*a.shape[:-1], b.shape[-1]), np.result_type(a, b))
    pieces = max(1, min(threads(), len(a), math.prod(a.shape) * b.shape[-1] // PIECE))
    _run(lambda part: np.matmul(a[part], b[part], out=out[part]), [(cut,) for cut in _cuts(len(a), pieces, 1)])
    return out


def for_blas(a: np.ndarray) -> np.ndarray:
    """The matrices as BLAS takes them, copied where their strides are none of its own.

    NumPy would copy them too, into memory that is not counted.
    """
    if a.flags.forc or a.ndim < 2:
        return a
    (rows, columns), (down, along) = a.shape[-2:], a.strides[-2:]
    steps = along == a.itemsize and down >= columns * along, down == a.itemsize and along >= rows * down
    return a if any(steps) and down % a.itemsize == along % a.itemsize == 0 else np.ascontiguousarray(a)


def _run(run: Callable[..., Any], calls: Sequence[tuple[slice, ...]]) -> None:
    if len(calls) == 1:
        run(*calls[0])
    elif calls:
        with one_blas_thread():
            together(run, *calls)
