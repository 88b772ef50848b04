"""Bytes, dtypes and copies of arrays on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import Meta, contiguous
from telegrad_server.backend.dtypes import FROM_NUMPY, TO_NUMPY

from .mixin import CupyMixin


class Arrays(CupyMixin):
    """See `Primitives`."""

    def dtype(self, dtype: DType) -> np.dtype[Any]:
        return TO_NUMPY[dtype]

    def meta_of(self, array: Any) -> Meta:
        return contiguous(array.shape, FROM_NUMPY[array.dtype], self.name)

    def from_bytes(self, data: bytes | memoryview, shape: tuple[int, ...], dtype: DType) -> Any:
        """The bytes as an array on the device; they have been copied when this returns."""
        return self.cp.asarray(np.frombuffer(data, TO_NUMPY[dtype]).reshape(shape))

    def to_bytes(self, array: Any) -> bytes:
        return self.to_host(array).tobytes()

    def to_host(self, array: Any) -> np.ndarray:
        """The array as a NumPy array, in memory that the caller may keep. Waits for the device."""
        return array.get(order="C")

    def dense(self, value: Any) -> Any:
        return self._contiguous(self.cp.asarray(value))

    def fills(self, array: Any) -> bool:
        return array.base is None or array.base.nbytes == array.nbytes

    def shares(self, array: Any, others: Iterable[Any]) -> bool:
        return any(self.cp.may_share_memory(array, other) for other in others if isinstance(other, self.cp.ndarray))

    def apart(self, array: Any, given: Iterable[Any]) -> Any:
        return array.copy() if self.shares(array, given) else array

    def exact(self, array: Any, dtype: DType) -> Any:
        native = TO_NUMPY[dtype]
        return array if array.dtype == native else array.astype(native)

    def copy(self, value: Any) -> Any:
        return self.cp.array(value, copy=True, order="C")

    def assign(self, target: Any, value: Any) -> None:
        target[...] = value

    def cast(self, array: Any, dtype: DType) -> Any:
        return self.cp.asarray(array).astype(TO_NUMPY[dtype], order="C")

    def cast_like(self, array: Any, like: Any) -> Any:
        return self.cp.asarray(array).astype(like.dtype)
