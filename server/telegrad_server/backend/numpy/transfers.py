"""Copies between the host and the device, on the CPU: plain copies, which have ended when they return."""

from __future__ import annotations

import numpy as np

from telegrad_protocol.dtypes import DType

from .mixin import NumpyMixin


class DoneEvent:
    """An event that has happened."""

    done = True


_DONE = DoneEvent()


class Transfers(NumpyMixin):
    """Copies between the host and the device, on the CPU."""

    def pin(self, memory: memoryview) -> None:
        """Nothing: the host's memory is the device's."""

    def unpin(self, memory: memoryview) -> None:
        """Nothing: see `pin`."""

    def record_event(self) -> DoneEvent:
        return _DONE

    def upload_buffer(self, nbytes: int) -> np.ndarray:
        return np.empty(nbytes, np.uint8)

    def as_array(self, buffer: np.ndarray, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return buffer.view(self.dtype(dtype)).reshape(shape)

    def copy_in(self, buffer: np.ndarray, offset: int, source: memoryview, after: DoneEvent) -> DoneEvent:
        buffer[offset : offset + len(source)] = source
        return _DONE

    def copy_out(self, array: np.ndarray, offset: int, target: memoryview, after: DoneEvent) -> DoneEvent:
        target[:] = memoryview(array.reshape(-1).view(np.uint8))[offset : offset + len(target)]
        return _DONE
