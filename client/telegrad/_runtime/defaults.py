"""The default dtype and device of new tensors."""

from __future__ import annotations

from typing import Any, Final

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import DeviceError

from .devices import device as Device
from .process import stream


class Defaults:
    """The settings of `set_default_dtype`, `set_default_device` and `cuda.set_device`."""

    dtype: DType = dtypes.float32
    device: str = "cpu"
    cuda_index: int = 0


defaults: Final = Defaults()


def set_default_dtype(d: DType) -> None:
    """Set the dtype of tensors made from Python floats and from nothing. Raises TypeError for one that is not floating."""
    if not isinstance(d, DType) or not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    defaults.dtype = d


def get_default_dtype() -> DType:
    """The dtype of tensors made from Python floats; float32 at first."""
    return defaults.dtype


def set_default_device(device: Device | str | int | None) -> None:
    """Set the device of tensors that are made without one. Raises RuntimeError for a device that the server does not have."""
    defaults.device = str(check_device("cpu" if device is None else device))


def get_default_device() -> Device:
    """The device of tensors that are made without one; the CPU of the server at first."""
    return Device(defaults.device)


def check_device(device: Any) -> Device:
    """The device meant. Raises RuntimeError for one that the server does not have, or does not use, and says why."""
    found = Device(device)
    if found.type == "cpu":
        return Device("cpu")
    if found.index is None:
        found = Device("cuda", defaults.cuda_index)
    have = stream.devices()
    if str(found) not in have:
        raise DeviceError(
            f"the server has no device {found}",
            argument="device",
            expected=", ".join(have),
            got=str(found),
            hint="`telegrad doctor` on the server's machine says why a GPU is not used",
        )
    return found


def device_name(device: Any, default: str | None = None) -> str:
    """The full name of a device; if None, `default` or the default device."""
    return (default or defaults.device) if device is None else str(check_device(device))
