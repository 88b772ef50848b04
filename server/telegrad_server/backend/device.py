# ruff: noqa: B027 -- `abstract` marks the methods.
"""The interface of a backend to the worker: sessions, memory, copies and arrays. `primitives` adds the ops."""

from __future__ import annotations

from abc import ABC, update_abstractmethods
from collections.abc import Iterable
from contextlib import AbstractContextManager
from inspect import isfunction
from typing import Any, Protocol, TypeVar

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import Meta

Array = Any
"""An array of the backend's own type. Where a primitive takes one, most take a Python number too."""

_Class = TypeVar("_Class", bound=type)


def abstract(cls: _Class) -> _Class:
    """Marks every method of an interface as abstract: no class that lacks one can be instantiated."""
    for function in vars(cls).values():
        if isfunction(function):
            function.__isabstractmethod__ = True  # type: ignore[attr-defined]
    return update_abstractmethods(cls)


class Event(Protocol):
    """A point in the work of a device."""

    @property
    def done(self) -> bool:
        """Whether the device has passed it, without waiting. Raises where the device has failed."""


@abstract
class Device(ABC):
    """A backend for one session, or for all of them where they share their memory.

    `name`: the device, as in `cuda:0`.
    """

    name: str

    # Sessions -----------------------------------------------------------------------------------------------

    def for_session(self, limit_bytes: int) -> Device:
        """The backend for a session that may allocate so many bytes."""

    def active(self) -> AbstractContextManager[None]:
        """Inside, the thread works on this device, in the session's memory."""

    def raise_faults(self) -> None:
        """Raises the error of an index that a kernel found out of range since the last call. Waits for the device."""

    def synchronize(self) -> None:
        """Waits until the device has finished all its work."""

    def lost(self) -> str | None:
        """Why the device can never be used again; None while it works."""

    def device_name(self) -> str:
        """The name of the hardware."""

    # Memory -------------------------------------------------------------------------------------------------

    def memory_info(self) -> tuple[int, int]:
        """Free bytes of the device, and all of them."""

    def memory_reserved(self) -> int:
        """Bytes that the session holds on the device beside those of its tensors."""

    def empty_cache(self) -> None:
        """Gives memory that no tensor uses back to the device."""

    def count_memory(self) -> None:
        """Counts what this thread allocates from now on, and the threads that share kernels with it."""

    def hold_to(self, nbytes: int) -> None:
        """Lets kernels allocate no more than so many bytes in all, where they are counted."""

    def kept_back(self) -> int:
        """About how many bytes the process has freed and may not have given back to the system."""

    def give_back(self) -> None:
        """Gives unused memory of the process back to the system."""

    # Time ---------------------------------------------------------------------------------------------------

    def mark(self) -> Any:
        """A point in time: when the device has done all the work that it has been given so far."""

    def elapsed(self, begin: Any, end: Any) -> float:
        """Seconds between two marks. Waits until the device has passed the second."""

    # Copies -------------------------------------------------------------------------------------------------

    def pin(self, memory: memoryview) -> None:
        """Lets the device access this memory of the host directly, until `unpin` or the end of the process."""

    def unpin(self, memory: memoryview) -> None:
        """Undoes `pin`, before the memory is freed."""

    def record_event(self) -> Event:
        """An event after all the work that the device has been given so far."""

    def upload_buffer(self, nbytes: int) -> Array:
        """Memory of the device for an upload; `as_array` makes an array of it."""

    def as_array(self, buffer: Array, shape: tuple[int, ...], dtype: DType) -> Array:
        """The array whose bytes have been uploaded, in their memory."""

    def copy_in(self, buffer: Array, offset: int, source: memoryview, after: Event) -> Event:
        """Starts to copy bytes of the host into a buffer, after an event; returns the event of its end.

        `source` must not change before that event; work on the buffer must be given to the device after it.
        """

    def copy_out(self, array: Array, offset: int, target: memoryview, after: Event) -> Event:
        """Starts to copy bytes of a contiguous array to the host, after an event; returns the event of its end."""

    # Arrays -------------------------------------------------------------------------------------------------

    def dtype(self, dtype: DType) -> np.dtype[Any]:
        """The dtype of the arrays."""

    def meta_of(self, array: Array) -> Meta:
        """The shape and dtype of an array, on this device."""

    def from_bytes(self, data: bytes | memoryview, shape: tuple[int, ...], dtype: DType) -> Array:
        """The bytes as an array: copied, or read-only in their memory."""

    def to_bytes(self, array: Array) -> bytes:
        """The bytes of an array in C order. Waits for the device."""

    def to_host(self, array: Array) -> np.ndarray:
        """The array as a NumPy array. Waits for the device."""

    def dense(self, value: Array) -> Array:
        """The value as a contiguous array, copied only where it is none."""

    def fills(self, array: Array) -> bool:
        """Whether an array uses all of the memory that it keeps alive."""

    def shares(self, array: Array, others: Iterable[Any]) -> bool:
        """Whether an array lies in the memory of one of the others."""

    def apart(self, array: Array, given: Iterable[Any]) -> Array:
        """The array, or a copy where it lies in the memory of a given one."""

    def exact(self, array: Array, dtype: DType) -> Array:
        """The array in the dtype that the op declares: primitives may compute in float32."""

    def copy(self, value: Array) -> Array:
        """A contiguous copy."""

    def assign(self, target: Array, value: Array) -> None:
        """Writes a value, broadcast and cast, into an array."""

    def cast(self, array: Array, dtype: DType) -> Array:
        """A contiguous copy in another dtype."""

    def cast_like(self, array: Array, like: Array) -> Array:
        """A copy in the dtype of `like`."""
