"""Bytes that come and go beside the streams, on a CUDA device: copies on a stream of their own, while kernels run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_server.logs import log

if TYPE_CHECKING:
    from .device import CudaDevice

NOT_READY = 600
"""cudaErrorNotReady."""


class Moment:
    """A place in a stream: `done` says, without waiting, whether the device has got there.

    CuPy's `Event.done` is False for ever on a device that failed; this raises what CUDA says.
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


class TransferPrimitives:
    """Copies on a stream of their own, and the moments at which they begin and end.

    Memory comes from the pool in the order of the compute stream: what a copy touches may still be in use by kernels
    that were asked for before. So copies wait, on the device, for the moment from which their memory is theirs.
    """

    cp: Any
    device: CudaDevice
    dtype: Any

    def pin(self, memory: memoryview) -> None:
        """Let the device reach this memory of the host directly, until `unpin` or the process's end."""
        address = _address(memory)
        try:
            self.cp.cuda.runtime.hostRegister(address, len(memory), 0)
        except RuntimeError as error:  # copies then go through a buffer of the driver, and the thread waits for them
            log.warning("transfers are slower: the host's memory cannot be pinned", cause=str(error))

    def unpin(self, memory: memoryview) -> None:
        """Undo `pin`, before the memory goes."""
        self.cp.cuda.runtime.hostUnregister(_address(memory))

    def moment(self) -> Moment:
        """The moment at which all that was asked for so far is done."""
        return Moment(self.cp, self.cp.cuda.get_current_stream())

    def landing(self, nbytes: int) -> Any:
        """Memory of the device for bytes that come in; `landed` makes an array of it."""
        return self.cp.empty(nbytes, np.uint8)

    def landed(self, landing: Any, shape: tuple[int, ...], dtype: DType) -> Any:
        """The array whose bytes have come in, in their memory."""
        return landing.view(self.dtype(dtype)).reshape(shape)

    def copy_in(self, landing: Any, offset: int, source: memoryview, after: Moment) -> Moment:
        """Copy bytes of the host to their place, after a moment; the moment at which they are there.

        `source` must not change before. What uses the landing must be asked for later than that.
        """
        copies = self.device.copies
        copies.wait_event(after.event)
        if len(source):
            (landing.data + offset).copy_from_host_async(_address(source), len(source), copies)
        return Moment(self.cp, copies)

    def copy_out(self, array: Any, offset: int, target: memoryview, after: Moment) -> Moment:
        """Copy bytes of a contiguous array to the host, after a moment; the moment at which they are there."""
        copies = self.device.copies
        copies.wait_event(after.event)
        if len(target):
            (array.data + offset).copy_to_host_async(_address(target), len(target), copies)
        return Moment(self.cp, copies)


def _address(memory: memoryview) -> int:
    return np.frombuffer(memory, np.uint8).ctypes.data
