"""The object that stands for `cupy`: the names of the snapshot and no others, what is implemented of them behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from . import kernels, memory, streams
from .functions import SOLVERS, Functions, Solver
from .machine import Machine
from .rules import NotInStrict
from .signatures import snapshot

NUMPYS: Final = frozenset(
    "bool bool_ complex128 complex64 dtype finfo float16 float32 float64 floating generic iinfo inexact inf int16 int32 "
    "int64 int8 integer intp nan newaxis number pi promote_types issubdtype uint16 uint32 uint64 uint8 e isscalar".split()
)
"""Names that are NumPy's own in CuPy, too."""


class Namespace:
    """`cupy`, or a module of it. Names that real CuPy lacks do not exist; those not implemented say so."""

    def __init__(self, path: str, members: dict[str, Any], fallback: Any = None) -> None:
        self._path, self._fallback = path, fallback
        for name, value in members.items():
            assert self._full(name) in snapshot()["names"], f"CuPy has no {self._full(name)}"
            setattr(self, name, value)

    def _full(self, name: str) -> str:
        return f"{self._path}.{name}".lstrip(".")

    def __getattr__(self, name: str) -> Any:
        full = self._full(name)
        if name.startswith("__") or full not in snapshot()["names"]:
            raise AttributeError(f"module 'cupy{'.' if self._path else ''}{self._path}' has no attribute '{name}'")
        try:
            found = self._fallback(name)
        except (AttributeError, TypeError):
            raise NotInStrict(f"cupy.{full} is CuPy's, but the strict module has it not") from None
        setattr(self, name, found)
        return found


def make_module(machine: Machine | None = None) -> Any:
    """An object that stands for `cupy`, on a machine of its own."""
    machine = machine or Machine()
    functions = Functions(machine)
    classes = (streams.Device, streams.Event, streams.Stream, memory.MemoryPool, memory.PinnedMemoryPool)
    for base in (*classes, kernels.RawKernel, kernels.RawModule):
        machine.classes[base.__name__] = type(base.__name__, (base,), {"machine": machine})
    machine.classes["ndarray"] = functions.ndarray

    def numpys_or_ours(name: str) -> Any:
        return getattr(np, name) if name in NUMPYS else getattr(functions, name)

    members = {
        "ndarray": functions.ndarray,
        "RawKernel": machine.classes["RawKernel"],
        "RawModule": machine.classes["RawModule"],
        "cuda": _cuda(machine, classes),
        "linalg": _linalg(functions),
        "lib": Namespace("lib", {}, {"stride_tricks": _stride_tricks(functions)}.__getitem__),
        "get_default_memory_pool": lambda: machine.pools[machine.local.device],
    }
    return Namespace("", members, numpys_or_ours)


def _linalg(functions: Functions) -> Namespace:
    members = {name: Solver(functions, name) for name in sorted(SOLVERS)}
    return Namespace("linalg", {**members, "LinAlgError": np.linalg.LinAlgError})


def _stride_tricks(functions: Functions) -> Namespace:
    names = ("as_strided", "sliding_window_view")
    return Namespace("lib.stride_tricks", {name: getattr(functions, name) for name in names})


def _cuda(machine: Machine, classes: tuple[type, ...]) -> Namespace:
    def use_allocator(allocator: Any = None) -> None:
        machine.local.allocator = allocator

    @contextmanager
    def using_allocator(allocator: Any = None) -> Iterator[None]:
        before, machine.local.allocator = machine.local.allocator, allocator
        try:
            yield
        finally:
            machine.local.allocator = before

    errors = {"OutOfMemoryError": memory.OutOfMemoryError, "MemoryPointer": memory.MemoryPointer}
    members = {
        **{base.__name__: machine.classes[base.__name__] for base in classes},
        "MemoryPointer": memory.MemoryPointer,
        "PinnedMemoryPointer": memory.PinnedMemoryPointer,
        "alloc": machine.allocate,
        "alloc_pinned_memory": lambda size: memory.PinnedMemoryPointer(machine, size),
        "get_allocator": lambda: machine.local.allocator or machine.allocate,
        "get_current_stream": lambda device_id=-1: streams.current_stream(machine),
        "get_device_id": lambda: machine.local.device,
        "get_elapsed_time": streams.get_elapsed_time,
        "is_available": lambda: True,
        "memory": Namespace("cuda.memory", errors),
        "runtime": _runtime(machine),
        "set_allocator": use_allocator,
        "using_allocator": using_allocator,
    }
    return Namespace("cuda", members)


def _runtime(machine: Machine) -> Namespace:
    members = {
        "deviceSynchronize": lambda: machine.classes["Device"]().synchronize(),
        "getDevice": lambda: machine.local.device,
        "getDeviceCount": lambda: machine.devices,
        "getDeviceProperties": lambda device: {"name": b"Strict GPU"},
        "eventQuery": lambda event: 0 if machine.events[event].done else 600,
        "hostRegister": machine.register,
        "hostUnregister": machine.unregister,
        "setDevice": lambda device: machine.classes["Device"](device).use(),
    }
    return Namespace("cuda.runtime", members)
