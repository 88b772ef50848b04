"""Bytes, dtypes and copies of arrays on the CPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import Meta, contiguous
from telegrad_server.backend.dtypes import FROM_NUMPY, TO_NUMPY

from .mixin import NumpyMixin


class Arrays(NumpyMixin):
    """See `Primitives`."""

    def dtype(self, dtype: DType) -> np.dtype[Any]:
        return TO_NUMPY[dtype]

    def meta_of(self, array: np.ndarray) -> Meta:
        return contiguous(array.shape, FROM_NUMPY[array.dtype], self.name)

    def from_bytes(self, data: bytes | memoryview, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        """A read-only view of the bytes."""
        return np.frombuffer(data, TO_NUMPY[dtype]).reshape(shape)

    def to_bytes(self, array: np.ndarray) -> bytes:
        return array.tobytes()

    def to_host(self, array: np.ndarray) -> np.ndarray:
        """The array as a NumPy array: itself."""
        return array

    def dense(self, value: Any) -> np.ndarray:
        if type(value) is not np.ndarray:
            return np.asarray(value)
        return value if value.flags.c_contiguous else np.ascontiguousarray(value)

    def fills(self, array: Any) -> bool:
        base = array.base
        return base is None or (type(base) is np.ndarray and base.nbytes == array.nbytes)

    def shares(self, array: Any, others: Iterable[Any]) -> bool:
        # Every gradient of a leaf comes by: arrays in memory of different owners are not asked where it lies.
        mine = _owner(array)
        for other in others:
            if not isinstance(other, np.ndarray):
                continue
            theirs = _owner(other)
            apart = mine is not theirs and mine is not None and theirs is not None
            if not apart and np.may_share_memory(array, other):
                return True
        return False

    def apart(self, array: np.ndarray, given: Iterable[Any]) -> np.ndarray:
        return array.copy() if self.shares(array, given) else array

    def exact(self, array: Any, dtype: DType) -> Any:
        """The array in the dtype that was declared for it: NumPy makes float32 of bfloat16 and a Python number."""
        native = TO_NUMPY[dtype]
        return array if array.dtype == native else array.astype(native)

    def copy(self, value: Any) -> np.ndarray:
        return np.array(value, copy=True, order="C")

    def assign(self, target: np.ndarray, value: Any) -> None:
        np.copyto(target, value, casting="unsafe")

    def cast(self, array: Any, dtype: DType) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(array).astype(TO_NUMPY[dtype], order="C")

    def cast_like(self, array: Any, like: Any) -> Any:
        return np.asarray(array).astype(like.dtype)


def _owner(array: np.ndarray) -> np.ndarray | None:
    """The array that owns an array's memory; None where what does is no array, or is not known at a glance."""
    base = array.base
    if base is None:
        return array
    return base if type(base) is np.ndarray and base.base is None else None
