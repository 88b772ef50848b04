"""`RawModule` and `RawKernel`: CUDA sources compiled by g++ and run on the memory of the strict module."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from gpu.simt import compile_kernels, launch

from .rules import StrictError

if TYPE_CHECKING:
    from .machine import Machine

MAX_THREADS = 1024
MAX_GRID_Y = (1 << 16) - 1


class RawModule:
    """A source with its kernels. `name_expressions` instantiate templates."""

    machine: Machine

    def __init__(
        self,
        code: str | None = None,
        *,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Sequence[str] | None = None,
        jitify: bool | None = None,
    ) -> None:
        if code is None or path is not None:
            raise NotImplementedError("RawModule of a file")
        if not isinstance(options, tuple):
            raise TypeError("Argument 'options' has incorrect type (expected tuple)")
        if name_expressions and not any("std=" in option for option in options):
            raise ValueError("need to specify C++ standard for compiling template code")
        self.code, self.options, self.backend = code, options, backend
        self.name_expressions = tuple(name_expressions or ())

    def compile(self, log_stream: Any = None) -> None:
        compiled(self.code, self.options, self.name_expressions)

    def get_function(self, name: str) -> RawKernel:
        return self.machine.classes["RawKernel"]._of(self, name)


class RawKernel:
    """One kernel of a source."""

    machine: Machine

    def __init__(
        self,
        code: str,
        name: str,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        *,
        enable_cooperative_groups: bool = False,
        jitify: bool | None = None,
    ) -> None:
        self._load(RawModule(code, options=options, backend=backend), name)

    @classmethod
    def _of(cls, module: RawModule, name: str) -> RawKernel:
        found = object.__new__(cls)
        found._load(module, name)
        return found

    def _load(self, module: RawModule, name: str) -> None:
        self.name = name
        self._function = compiled(module.code, module.options, module.name_expressions).function(name)

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, shared_mem: int = 0) -> None:
        """Launch it. The kernel sees addresses alone: layouts are the caller's to know."""
        check_launch(grid, block)
        launch(self._function, grid, block, [self._argument(value) for value in args], shared_mem)

    def _argument(self, value: Any) -> np.ndarray | np.generic:
        if isinstance(value, self.machine.classes["ndarray"]):
            return value._reach() if value.size else np.uintp(0)
        if isinstance(value, np.generic):
            return value
        if type(value) in (bool, int, float, complex):
            raise StrictError(f"a kernel was given {value!r}: name its width, np.int64 or np.float64")
        raise TypeError(f"Unsupported type {type(value)}")


def check_launch(grid: Sequence[int], block: Sequence[int]) -> None:
    """What the driver would refuse."""
    if any(size < 1 for size in (*grid, *block)) or any(size > MAX_GRID_Y for size in grid[1:]):
        raise RuntimeError(f"CUDA_ERROR_INVALID_VALUE: grid {grid}, block {block}")
    if np.prod(block) > MAX_THREADS:
        raise RuntimeError(f"CUDA_ERROR_INVALID_VALUE: {block} are more than {MAX_THREADS} threads")


@cache
def compiled(code: str, options: tuple[str, ...], names: tuple[str, ...]) -> Any:
    """One library for a source and its instances, shared by all machines of this process."""
    return compile_kernels(code, options, names)
