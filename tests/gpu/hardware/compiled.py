"""Our kernels through NVRTC for one architecture, with what ptxas and the card say of each."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from telegrad_server.backend.cupy import device

EMULATED: Final = ("-arch=sm_90", "cubin")
"""What stands for the card's architecture where there is none."""

_ENTRY: Final = re.compile(r"Compiling entry function '(\w+)'")
_SPILLS: Final = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED: Final = re.compile(r"Used (\d+) registers")
_SHARED: Final = re.compile(r"(\d+) bytes smem")


class Kernel(NamedTuple):
    """A kernel as the hardware has it; local bytes and spills are a thread's, shared bytes a block's.

    `spill_bytes`, stored and loaded, is ptxas's word: None where it said nothing.
    """

    expression: str
    registers: int
    local_bytes: int
    shared_bytes: int
    spill_bytes: int | None


class Compiled(NamedTuple):
    """A family's kernels as ptxas describes them, their machine code, and each expression's name in it."""

    kernels: list[Kernel]
    code: bytes
    lowered: dict[str, str]


def card_architecture() -> tuple[str, str]:
    """NVRTC's option for the device in use, and the form of code that it gives: as CuPy chooses them."""
    from cupy.cuda import compiler

    option, form = compiler._get_arch_for_options_for_nvrtc()
    return option, form


def compile_family(family: str, expressions: Sequence[str], architecture: tuple[str, str]) -> Compiled:
    """Compile a family's kernels. Raises CuPy's CompileException, which begins with NVRTC's errors."""
    from cupy._core import core
    from cupy.cuda import compiler

    option, form = architecture
    options = core.assemble_cupy_compiler_options(("-std=c++17",))
    # -ftz and the execution space are what CuPy always adds.
    options = (*options, "-ftz=true", "--device-as-default-execution-space", option)
    log, names = io.StringIO(), tuple(sorted(expressions))
    # Through the module: a rehearsal plants a wrong source there.
    program = compiler._NVRTCProgram(device.source(family), f"{family}.cu", name_expressions=names, method=form)
    code, lowered = program.compile((*options, "--ptxas-options=-v"), log_stream=log)
    lowered = {name: _text(lowered[name]) for name in names}
    said = _said(log.getvalue())
    return Compiled([_kernel(name, said.get(lowered[name], "")) for name in names], code, lowered)


def loaded(compiled: Compiled) -> list[Kernel]:
    """The kernels as the card has them. Raises CUDA's error for one that it refuses."""
    from cupy.cuda import function
    from cupy_backends.cuda.api import driver

    module = function.Module()
    module.load(compiled.code)

    def asked(kernel: Kernel) -> Kernel:
        address = module.get_function(compiled.lowered[kernel.expression]).ptr
        return kernel._replace(
            registers=driver.funcGetAttribute(driver.CU_FUNC_ATTRIBUTE_NUM_REGS, address),
            local_bytes=driver.funcGetAttribute(driver.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, address),
            shared_bytes=driver.funcGetAttribute(driver.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, address),
        )

    return [asked(kernel) for kernel in compiled.kernels]


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _said(log: str) -> dict[str, str]:
    """What ptxas said of each entry function, by its name."""
    parts = _ENTRY.split(log)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _kernel(expression: str, said: str) -> Kernel:
    """
    >>> _kernel("f<int>", "0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\\nUsed 20 registers")
    Kernel(expression='f<int>', registers=20, local_bytes=0, shared_bytes=0, spill_bytes=12)
    """
    spills = _SPILLS.search(said)
    registers, shared = (int(found[1]) if (found := each.search(said)) else 0 for each in (_USED, _SHARED))
    if spills is None:
        return Kernel(expression, registers, 0, shared, None)
    stack, stores, loads = map(int, spills.groups())
    return Kernel(expression, registers, stack, shared, stores + loads)
