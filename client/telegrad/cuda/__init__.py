"""`torch.cuda`: the GPUs of the server. Memory figures count this session's memory only.

On a server without a GPU, functions that PyTorch allows without one do nothing or return 0; all others raise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from telegrad._runtime.defaults import check_device, defaults
from telegrad._runtime.process import stream as _stream
from telegrad._tensor import Tensor
from telegrad._tracing.call_sites import call_site
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.rows import control
from telegrad.random import checked_seed, fresh_seed
from telegrad_protocol import dtypes
from telegrad_protocol.devices import DEVICE_SHIFT, device_index
from telegrad_protocol.errors import DeviceError
from telegrad_protocol.messages import ReadResult
from telegrad_protocol.shapes import contiguous

from . import amp as amp

__all__ = [
    "amp",
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state",
    "synchronize",
]

_STATE_BYTES = 16


class _Memory(NamedTuple):
    """The figures that a `memory_stats` row returns."""

    allocated: int
    most: int
    reserved: int
    free: int
    total: int


class DeviceProperties(NamedTuple):
    """A GPU's name, and the size of its memory in bytes."""

    name: str
    total_memory: int


# Devices --------------------------------------------------------------------------------------------------------


def is_available() -> bool:
    """Whether the server uses a GPU. Opens the session."""
    return bool(_devices())


def is_initialized() -> bool:
    """Whether the session is open on a server that uses a GPU. Opens nothing."""
    opened = _stream.session.opened
    return opened is not None and any(name.startswith("cuda") for name in opened.devices)


def is_bf16_supported() -> bool:
    """Whether the GPUs support bfloat16: all that the server uses do."""
    return is_available()


def device_count() -> int:
    """The number of GPUs that the server uses."""
    return len(_devices())


def current_device() -> int:
    """The index of the GPU that `"cuda"` means."""
    return int(_name(None).removeprefix("cuda:"))


def set_device(device: Any) -> None:
    """Make this GPU the one that `"cuda"` means, in all threads. A negative index changes nothing."""
    if not _is_negative(device):
        defaults.cuda_index = int(_name(device).removeprefix("cuda:"))


class device:
    """Makes a GPU the one that `"cuda"` means for a block. A negative index changes nothing."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def __enter__(self) -> None:
        self._before = defaults.cuda_index
        set_device(self.device)

    def __exit__(self, *exception: object) -> None:
        defaults.cuda_index = self._before


def get_device_name(device: Any = None) -> str:
    """The driver's name of a GPU."""
    found: str = _asked("device_name", device, _text).result()
    return found


def get_device_properties(device: Any = None) -> DeviceProperties:
    """A GPU's `name` and `total_memory`."""
    return DeviceProperties(get_device_name(device), _memory(device).total)


def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done all recorded work; raises the error of work that failed."""
    _memory(device)


# Memory ---------------------------------------------------------------------------------------------------------


def memory_allocated(device: Any = None) -> int:
    """Bytes that this session's tensors use on a GPU."""
    return _memory(device).allocated if is_available() else 0


def max_memory_allocated(device: Any = None) -> int:
    """The most that `memory_allocated` has been since `reset_peak_memory_stats`."""
    return _memory(device).most if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that the server holds on a GPU for this session, used or not."""
    return _memory(device).reserved if is_available() else 0


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of a GPU."""
    found = _memory(device)
    return found.free, found.total


def reset_peak_memory_stats(device: Any = None) -> None:
    """Reset `max_memory_allocated` to the present use."""
    control("reset_peak_memory", device=_name(device))


def empty_cache() -> None:
    """Return memory that no tensor of this session uses to the GPUs."""
    for name in _devices():
        control("empty_cache", device=name)


# Random numbers -------------------------------------------------------------------------------------------------


def manual_seed(seed: int) -> None:
    """Seed the current GPU's generator; nothing happens without a GPU."""
    seed = checked_seed(seed)
    if is_available():
        control("manual_seed", seed, None, device=_name(None))


def manual_seed_all(seed: int) -> None:
    """Seed the generator of every GPU."""
    seed = checked_seed(seed)
    for name in _devices():
        control("manual_seed", seed, None, device=name)


def seed() -> None:
    """Seed the current GPU's generator from the operating system."""
    manual_seed(fresh_seed())


def seed_all() -> None:
    """Seed the generator of every GPU with one seed from the operating system."""
    manual_seed_all(fresh_seed())


def get_rng_state(device: Any = None) -> Tensor:
    """The state of a GPU's generator, a uint8 tensor on the CPU."""
    name = _name(device)
    made: Any = TensorBase.make(_stream.next_id(), contiguous((_STATE_BYTES,), dtypes.uint8, name))
    control("get_generator_state", None, outs=made._id, device=name)
    state: Tensor = made.cpu()
    return state


def set_rng_state(new_state: Tensor, device: Any = None) -> None:
    """Set the state of a GPU's generator."""
    control("set_generator_state", new_state.to(_name(device)), None)


# ----------------------------------------------------------------------------------------------------------------


def _devices() -> list[str]:
    return [name for name in _stream.devices() if name.startswith("cuda")]


def _is_negative(device: Any) -> bool:
    return isinstance(device, int) and device < 0


def _name(device: Any) -> str:
    """The full name of a GPU; of the current one for None. Raises RuntimeError for a GPU that does not exist."""
    if not is_available():
        raise DeviceError(
            "the server uses no CUDA device",
            argument="device",
            hint="`telegrad doctor` on the server's machine says why a GPU is not used",
        )
    found = check_device("cuda" if device is None else device)
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    return str(found)


def _asked(row: str, device: Any, finish: Any) -> Any:
    return _stream.ask(row, (), device_index(_name(device)) << DEVICE_SHIFT, call_site(), finish)


def _memory(device: Any) -> _Memory:
    found: _Memory = _asked("memory_stats", device, _numbers).result()
    return found


def _numbers(result: ReadResult) -> _Memory:
    return _Memory(*np.frombuffer(_inline(result), np.int64).tolist())


def _text(result: ReadResult) -> str:
    return _inline(result).decode()


def _inline(result: ReadResult) -> bytes:
    assert result.data is not None, "so few bytes come with the reply"
    return bytes(result.data)
