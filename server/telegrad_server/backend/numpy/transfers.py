"""Bytes that come and go beside the streams, on the CPU: plain copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType


class Past:
    """A moment that has come."""

    done = True


_PAST = Past()


class TransferPrimitives:
    """See `_cupy_transfers`: here an operation has ended when it returns."""

    dtype: Any

    def pin(self, memory: memoryview) -> None:
        """Let the device reach this memory of the host directly: it does."""

    def unpin(self, memory: memoryview) -> None:
        """Undo `pin`, before the memory goes."""

    def moment(self) -> Past:
        """The moment at which all that was asked for so far is done."""
        return _PAST

    def landing(self, nbytes: int) -> np.ndarray:
        """Memory of the device for bytes that come in; `landed` makes an array of it."""
        return np.empty(nbytes, np.uint8)

    def landed(self, landing: np.ndarray, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        """The array whose bytes have come in, in their memory."""
        return landing.view(self.dtype(dtype)).reshape(shape)

    def copy_in(self, landing: np.ndarray, offset: int, source: memoryview, after: Past) -> Past:
        """Copy bytes of the host to their place, after a moment; the moment at which they are there."""
        landing[offset : offset + len(source)] = source
        return _PAST

    def copy_out(self, array: np.ndarray, offset: int, target: memoryview, after: Past) -> Past:
        """Copy bytes of a contiguous array to the host, after a moment; the moment at which they are there."""
        target[:] = memoryview(array.reshape(-1).view(np.uint8))[offset : offset + len(target)]
        return _PAST
