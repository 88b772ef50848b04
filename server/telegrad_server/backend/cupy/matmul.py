"""Products of matrices on a CUDA device: cuBLAS reads each operand as it lies, transposed where it lies transposed."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .mixin import CupyMixin

Array = Any
Sizes = tuple[int, ...]


class Operand(NamedTuple):
    """A batch of row-major matrices as gemm takes it: read as transposed or not, rows and matrices apart by so much."""

    array: Array
    transposed: bool
    leading: int
    step: int


class Matmul(CupyMixin):
    """See `Primitives`."""

    def matmul(self, a: Array, b: Array) -> Array:
        if a.ndim == 1:
            return self.matmul(a[None], b)[..., 0, :] if b.ndim > 1 else self.matmul(a[None], b)[0]
        if b.ndim == 1:
            return self.matmul(a, b[:, None])[..., 0]
        if b.ndim == 2 and a.ndim > 2:
            # One product over all rows instead of one per matrix.
            flat = self.matmul(a.reshape(prod(a.shape[:-1]), a.shape[-1]), b)
            return flat.reshape(*a.shape[:-1], b.shape[-1])
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        out = self.cp.empty((*lead, a.shape[-2], b.shape[-1]), a.dtype)
        if not a.shape[-1]:
            out.fill(0)
        elif out.size:
            (self._multiply if a.dtype.kind in "fV" else self._multiply_integers)(a, b, out)
        return out

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        out = self.matmul(x, weight.T)
        return out if bias is None else self.cp.add(out, bias, out=out)

    def _multiply(self, a: Array, b: Array, out: Array) -> None:
        lead = out.shape[:-2]
        first, second = self._operand(a, lead), self._operand(b, lead)
        m, n, k = *out.shape[-2:], a.shape[-1]
        # A row-major matrix is a column-major one transposed: out.T = b.T @ a.T.
        self.device.blas.gemm(
            second.array,
            first.array,
            out,
            (n, m, k),
            (second.transposed, first.transposed),
            (second.leading, first.leading, n),
            prod(lead),
            (second.step, first.step, m * n),
        )

    def _operand(self, array: Array, lead: Sizes) -> Operand:
        """The array itself where gemm can read it, else a copy, of one matrix where all of the batch are the same."""
        cp, full = self.cp, (*lead, *array.shape[-2:])
        found = as_operand(array, cp.broadcast_to(array, full))
        if found is None:
            array = cp.ascontiguousarray(array if prod(array.shape[:-2]) == 1 else cp.broadcast_to(array, full))
            found = as_operand(array, cp.broadcast_to(array, full))
            assert found is not None
        return found

    def _multiply_integers(self, a: Array, b: Array, out: Array) -> None:
        cp, lead = self.cp, out.shape[:-2]
        a, b = (cp.ascontiguousarray(cp.broadcast_to(x, (*lead, *x.shape[-2:]))) for x in (a, b))
        m, n = out.shape[-2:]
        self.device.launch("matmul", "integer_product", (a.dtype,), out.size, a, b, out, out.size, m, n, a.shape[-1])


def as_operand(array: Array, wide: Array) -> Operand | None:
    """`array`, which `wide` shows for each of a batch, as gemm can read it; None where only a copy could be."""
    steps = [stride // array.itemsize for stride in wide.strides]
    layout, step = _layout(*wide.shape[-2:], *steps[-2:]), _batch_step(wide.shape[:-2], steps[:-2])
    return None if layout is None or step is None else Operand(array, *layout, step)


def _layout(rows: int, columns: int, row_step: int, column_step: int) -> tuple[bool, int] | None:
    """Whether a matrix lies transposed, and how far apart its rows are, or its columns.

    >>> _layout(3, 4, 4, 1), _layout(3, 4, 1, 3), _layout(3, 4, 8, 2)
    ((False, 4), (True, 3), None)
    """
    if columns == 1:
        column_step = 1
    if rows == 1:
        row_step = columns if column_step == 1 else 1
    if column_step == 1 and row_step >= columns:
        return False, row_step
    return (True, column_step) if row_step == 1 and column_step >= rows else None


def _batch_step(shape: Sizes, steps: list[int]) -> int | None:
    """How far apart the matrices of a batch are, None where that varies.

    >>> _batch_step((2, 3), [12, 4]), _batch_step((2, 3), [0, 0]), _batch_step((2, 3), [4, 0])
    (4, 0, None)
    """
    axes = [(size, step) for size, step in zip(shape, steps, strict=True) if size > 1]
    for (_, outer), (size, inner) in pairwise(axes):
        if outer != size * inner:
            return None
    return axes[-1][1] if axes else 0
