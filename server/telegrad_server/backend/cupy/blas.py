"""Products of matrices by cuBLAS."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from telegrad_server.backend.dtypes import CUBLAS_TYPES


class Blas(Protocol):
    """Matrix products on the device: cuBLAS, or what stands for it in a test."""

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
        """`out[i] = a[i] @ b[i]` in column-major terms, `i < batch`, matrices `steps` elements apart.

        The arrays have one dtype, a floating one; sums are kept in float32 for the halves. As
        `cublasGemmStridedBatchedEx`: `sizes` are m, n, k; `leading` the leading dimensions.
        """


class CublasProducts:
    """cuBLAS, by the call that takes every floating dtype and leaves transposing to it."""

    def __init__(self) -> None:
        from cupy_backends.cuda.libs import cublas

        self._cublas = cublas
        real, double = cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_COMPUTE_64F
        # Sums are kept in float64 for float64, in float32 for all others.
        self._compute = {dtype: double if dtype == np.float64 else real for dtype in CUBLAS_TYPES}
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

        code, compute = CUBLAS_TYPES[out.dtype], self._compute[out.dtype]
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
