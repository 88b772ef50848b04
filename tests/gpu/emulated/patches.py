"""What of CuPy itself is replaced: how it compiles kernels, what it calls of Thrust and CUB, its memory pool."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from gpu import nvrtc
from gpu.simt import compiler as host

from .capsules import refusal

INCLUDE: Final = Path(__file__).parent / "include"
CUB: Final = "device_reduce device_scan device_segmented_reduce device_histogram cub_reduction cub_scan".split()
RANDOM: Final = "Generator default_rng BitGenerator XORWOW MRG32k3a Philox4x3210".split()


def apply(cupy: ModuleType, emulated: ModuleType, architectures: Sequence[str]) -> None:
    import_module("cupy.cuda.compiler")._compile_module_with_cache = _kernel_compiler(architectures)
    _replace_thrust(import_module("cupy.cuda.thrust"))
    for name in CUB:
        setattr(import_module("cupy.cuda.cub"), name, refusal(f"cupy.cuda.cub.{name}"))
    for name in RANDOM:
        setattr(cupy.random, name, refusal(f"cupy.random.{name}"))
    _poison_pools(cupy, emulated)


def hide_cuda_libraries() -> None:
    """Let CuPy find NVRTC and no other library of CUDA: they would talk to a real driver."""
    pathfinder = import_module("cuda.pathfinder")
    original = pathfinder.load_nvidia_dynamic_lib

    def load(name: str) -> Any:
        if name == "nvrtc":
            return original(name)
        if name == "cublas":  # ours is loaded already
            return None
        raise pathfinder.DynamicLibNotFoundError(f"the library {name} is not emulated")

    pathfinder.load_nvidia_dynamic_lib = load


# Kernels ------------------------------------------------------------------------------------------------------


def _kernel_compiler(architectures: Sequence[str]) -> Callable[..., Any]:
    """In the place of the function through which all of CuPy's kernels are compiled, and those of its users."""
    function = import_module("cupy.cuda.function")

    def compile_module(
        source: str,
        options: tuple[str, ...] = (),
        *,
        name_expressions: Sequence[str] | None = None,
        backend: str = "nvrtc",
        extra_source: str | None = None,
        **others: Any,
    ) -> Any:
        refused = sorted(name for name, value in others.items() if value)
        if refused or backend != "nvrtc":
            raise NotImplementedError(f"not emulated: compiling with {', '.join(refused) or backend}")
        expressions = tuple(name_expressions or ())
        for architecture in architectures:
            nvrtc.assert_compiles(source, options, expressions, architecture)
        module = function.Module()
        module.load(os.fsencode(host.library(source, host_options(options), expressions)))
        module._set_mapping({expression: str(number) for number, expression in enumerate(expressions)})
        return module

    return compile_module


def host_options(options: Sequence[str]) -> list[str]:
    """CuPy's options with its own headers, but none of NVIDIA's: `gpu.simt` has what stands for them."""
    theirs = ("/_cccl/", "/nvidia/", "/cuda")
    kept = [word for word in options if not (word.startswith("-I") and any(part in word for part in theirs))]
    return [f"-I{INCLUDE}", *kept]


# Sorting ------------------------------------------------------------------------------------------------------


def _replace_thrust(thrust: ModuleType) -> None:
    """Sort on the host, in what CuPy's own functions accept: for other dtypes they are called, and refuse."""
    dtype_id = import_module("cupy.cuda.common")._get_dtype_id

    def sort(dtype: Any, data: int, keys: int, shape: Sequence[int]) -> None:
        dtype_id(dtype)
        _view(data, dtype, shape).sort(axis=-1)

    def argsort(dtype: Any, order: int, data: int, keys: int, shape: Sequence[int]) -> None:
        dtype_id(dtype)
        values = _view(data, dtype, shape)
        _view(order, np.intp, shape)[...] = values.argsort(axis=-1, kind="stable")
        values.sort(axis=-1)

    def lexsort(dtype: Any, order: int, keys: int, count: int, length: int) -> None:
        dtype_id(dtype)
        _view(order, np.intp, (length,))[...] = np.lexsort(_view(keys, dtype, (count, length)))

    thrust.sort, thrust.argsort, thrust.lexsort = sort, argsort, lexsort


def _view(address: int, dtype: Any, shape: Sequence[int]) -> np.ndarray:
    """Device memory as an array."""
    kind = np.dtype(dtype)
    size = kind.itemsize * int(np.prod(shape))
    return np.frombuffer((ctypes.c_char * size).from_address(address), kind).reshape(shape)


# Memory -------------------------------------------------------------------------------------------------------


def _poison_pools(cupy: ModuleType, emulated: ModuleType) -> None:
    """Let every pool fill what it hands out with 0xFF, also memory that it had in store."""

    class MemoryPool(cupy.cuda.MemoryPool):
        def malloc(self, size: int) -> Any:
            made = super().malloc(size)
            if size:
                emulated.poison(made.ptr, size)
            return made

    cupy.cuda.MemoryPool = cupy.cuda.memory.MemoryPool = MemoryPool
    cupy._default_memory_pool = MemoryPool()
    cupy.cuda.set_allocator(cupy._default_memory_pool.malloc)
