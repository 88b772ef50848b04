"""Each dtype in NumPy, CUDA and cuBLAS: the one table of them.

Everything else about a dtype (its name, size, category and promotion) stands in `telegrad_protocol.dtypes`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import ml_dtypes
import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType


class _Native(NamedTuple):
    """A dtype of NumPy, its type in CUDA C++, its `cudaDataType` in cuBLAS, and a float's bits of precision."""

    numpy: Any
    cuda: str
    cublas: int | None = None
    digits: int | None = None


_NATIVE: Final[dict[DType, _Native]] = {
    dtypes.bool_: _Native(np.bool_, "bool"),
    dtypes.uint8: _Native(np.uint8, "unsigned char"),
    dtypes.int8: _Native(np.int8, "signed char"),
    dtypes.int16: _Native(np.int16, "short"),
    dtypes.int32: _Native(np.int32, "int"),
    dtypes.int64: _Native(np.int64, "long long"),
    dtypes.float16: _Native(np.float16, "__half", 2, 11),
    dtypes.bfloat16: _Native(ml_dtypes.bfloat16, "__nv_bfloat16", 14, 8),
    dtypes.float32: _Native(np.float32, "float", 0, 24),
    dtypes.float64: _Native(np.float64, "double", 1, 53),
}

TO_NUMPY: Final[dict[DType, np.dtype[Any]]] = {dtype: np.dtype(native.numpy) for dtype, native in _NATIVE.items()}
FROM_NUMPY: Final[dict[np.dtype[Any], DType]] = {native: dtype for dtype, native in TO_NUMPY.items()}
CUDA_TYPES: Final = {TO_NUMPY[dtype]: native.cuda for dtype, native in _NATIVE.items()}
CUBLAS_TYPES: Final = {TO_NUMPY[d]: native.cublas for d, native in _NATIVE.items() if native.cublas is not None}
DIGITS: Final = {TO_NUMPY[dtype]: native.digits for dtype, native in _NATIVE.items() if native.digits is not None}
"""Bits of precision of each floating dtype."""

BFLOAT16: Final = TO_NUMPY[dtypes.bfloat16]
