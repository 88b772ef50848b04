"""Copies between the host and a CUDA device, on a stream of their own, while kernels run.

Memory comes from the pool in the order of the compute stream: kernels that were launched before may still use what a
copy touches. So a copy waits, on the device, for the event after which the memory is its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_server.logs import log

from .mixin import CupyMixin

NOT_READY = 600
"""cudaErrorNotReady."""


class DeviceEvent:
    """A CUDA event: `done` says, without waiting, whether the device has reached it in its stream.

    CuPy's `Event.done` stays False on a device that failed; this raises CUDA's error.
    """

    def __init__(self, cp: Any, stream: Any) -> None:
        self.event = cp.cuda.Event(disable_timing=True)
        self.event.record(stream)
        self._runtime = cp.cuda.runtime

    @property
    def done(self) -> bool:
        status = self._runtime.eventQuery(self.event.ptr)
        if status not in (0, NOT_READY):
            raise self._runtime.CUDARuntimeError(status)
        return bool(status == 0)


class Transfers(CupyMixin):
    """Copies between the host and a CUDA device."""

    def pin(self, memory: memoryview) -> None:
        address = _address(memory)
        try:
            self.cp.cuda.runtime.hostRegister(address, len(memory), 0)
        except RuntimeError as error:  # copies then go through a buffer of the driver, and the thread waits for them
            log.warning("transfers are slower: the host's memory cannot be pinned", cause=str(error))

    def unpin(self, memory: memoryview) -> None:
        self.cp.cuda.runtime.hostUnregister(_address(memory))

    def record_event(self) -> DeviceEvent:
        return DeviceEvent(self.cp, self.cp.cuda.get_current_stream())

    def upload_buffer(self, nbytes: int) -> Any:
        return self.cp.empty(nbytes, np.uint8)

    def as_array(self, buffer: Any, shape: tuple[int, ...], dtype: DType) -> Any:
        return buffer.view(self.dtype(dtype)).reshape(shape)

    def copy_in(self, buffer: Any, offset: int, source: memoryview, after: DeviceEvent) -> DeviceEvent:
        copies = self.device.copies
        copies.wait_event(after.event)
        if len(source):
            (buffer.data + offset).copy_from_host_async(_address(source), len(source), copies)
        return DeviceEvent(self.cp, copies)

    def copy_out(self, array: Any, offset: int, target: memoryview, after: DeviceEvent) -> DeviceEvent:
        copies = self.device.copies
        copies.wait_event(after.event)
        if len(target):
            (array.data + offset).copy_to_host_async(_address(target), len(target), copies)
        return DeviceEvent(self.cp, copies)


def _address(memory: memoryview) -> int:
    return np.frombuffer(memory, np.uint8).ctypes.data
