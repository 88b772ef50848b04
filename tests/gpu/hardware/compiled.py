"""Our kernels through NVRTC for one architecture, with what ptxas says of each."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from telegrad_server.backend.cupy import device

_ENTRY: Final = re.compile(r"Compiling entry function '(\w+)'")
_SPILLS: Final = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED: Final = re.compile(r"Used (\d+) registers")
_SHARED: Final = re.compile(r"(\d+) bytes smem")


class Kernel(NamedTuple):
    """A kernel as the hardware has it; bytes of the stack and of spills are a thread's, shared ones a block's."""

    expression: str
    registers: int
    stack_bytes: int
    spill_bytes: int
    shared_bytes: int


class Compiled(NamedTuple):
    """A family's kernels, the machine code of all of them, and the name in it of each expression."""

    kernels: list[Kernel]
    cubin: bytes
    lowered: dict[str, str]


def compile_family(family: str, expressions: Sequence[str], architecture: str) -> Compiled:
    """Compile a family's kernels. Raises CuPy's CompileException, which has NVRTC's messages."""
    from cupy._core import core
    from cupy.cuda import compiler

    options = core.assemble_cupy_compiler_options(("-std=c++17",))
    # -ftz and the execution space are what CuPy always adds.
    options = (*options, "-ftz=true", "--device-as-default-execution-space", f"-arch=sm_{architecture}")
    log, names = io.StringIO(), tuple(sorted(expressions))
    program = compiler._NVRTCProgram(device.source(family), f"{family}.cu", name_expressions=names, method="cubin")
    cubin, lowered = program.compile((*options, "--ptxas-options=-v"), log_stream=log)
    lowered = {name: _text(lowered[name]) for name in names}
    said = _said(log.getvalue())
    return Compiled([_kernel(name, said[lowered[name]]) for name in names], cubin, lowered)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _said(log: str) -> dict[str, str]:
    """What ptxas said of each entry function, by its name."""
    parts = _ENTRY.split(log)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _kernel(expression: str, said: str) -> Kernel:
    stack, stores, loads = map(int, _SPILLS.search(said).groups())  # type: ignore[union-attr]
    registers, shared = _USED.search(said), _SHARED.search(said)
    return Kernel(
        expression,
        int(registers[1]) if registers else 0,
        stack,
        stores + loads,
        int(shared[1]) if shared else 0,
    )
