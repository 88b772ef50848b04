"""From a CUDA source to functions of a shared library, through g++ and `include/simt.h`, cached on disk."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any, Final

import numpy as np

INCLUDE: Final = Path(__file__).parent / "include"
# -fno-gnu-unique, hidden: two libraries may hold templates of one name, each with statics of its own.
# -ffp-contract=off: as NumPy computes, so that differences are a kernel's own. _FORTIFY_SOURCE would refuse to
# longjmp between stacks.
FLAGS: Final = tuple(
    "-O2 -shared -fPIC -w -fvisibility=hidden -fno-gnu-unique -fno-threadsafe-statics -ffp-contract=off "
    "-U_FORTIFY_SOURCE".split()
)

_ARRAY: Final = re.compile(
    r"(?P<extern>extern\s+)?__shared__\s+(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?"
    r"(?P<type>[\w:<>, ]+?)\s+(?P<name>\w+)\s*(?P<sizes>(?:\[[^\]]*\]\s*)*);"
)
_KERNEL: Final = re.compile(
    r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\("
)
_EXTERN_C: Final = re.compile(r'extern\s+"C"\s*')


class CompileError(Exception):
    """A CUDA source does not compile on the host, or there is no g++."""


class LaunchError(Exception):
    """A launch that a device would refuse, or that went wrong on the way."""


class Function:
    """A kernel of a loaded module."""

    def __init__(self, name: str, entry: Any) -> None:
        self.name = name
        self._entry = entry
        entry.argtypes = (ctypes.c_uint * 6, ctypes.c_size_t, ctypes.c_void_p)
        entry.restype = ctypes.c_char_p

    def launch(self, grid: Sequence[int], block: Sequence[int], pointers: Any, shared_bytes: int = 0) -> None:
        """Run the kernel to its end; `pointers` is a ctypes array that points at each argument in turn."""
        sizes = (ctypes.c_uint * 6)(*_three(grid), *_three(block))
        problem = self._entry(sizes, shared_bytes, ctypes.cast(pointers, ctypes.c_void_p))
        if problem:
            raise LaunchError(f"{self.name}: {problem.decode()}")


class Module:
    """A compiled source: its kernels by name (extern "C") or by name expression."""

    def __init__(self, path: Path, name_expressions: Sequence[str] = ()) -> None:
        self.path = path
        # PyDLL keeps the GIL: the state of a module serves one launch at a time.
        self._library = ctypes.PyDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
        self._numbers = {expression: number for number, expression in enumerate(name_expressions)}

    def function(self, name: str) -> Function:
        entry = f"simt_entry_{self._numbers.get(name, name)}"
        try:
            return Function(name, getattr(self._library, entry))
        except AttributeError:
            raise LookupError(f'no kernel "{name}": neither a name expression nor extern "C"') from None


def compile_kernels(source: str, options: Sequence[str] = (), name_expressions: Sequence[str] = ()) -> Module:
    """Compile a CUDA source for this machine, or find it in the cache.

    `options` are NVRTC's: -std, -I and -D count here. `name_expressions` instantiate templates, as NVRTC's.
    """
    return Module(library(source, options, name_expressions), name_expressions)


def library(source: str, options: Sequence[str] = (), name_expressions: Sequence[str] = ()) -> Path:
    """The path of the shared library of a source."""
    text = host_source(source, name_expressions)
    flags = (*FLAGS, *host_options(options))
    key = hashlib.sha256("\0".join((text, *flags, _headers(), _compiler_version())).encode()).hexdigest()[:32]
    path = cache_folder() / f"{key}.so"
    if not path.exists():
        _compile(text, flags, path)
    return path


def cache_folder() -> Path:
    """Where compiled code is kept: TELEGRAD_SIMT_CACHE, or `.cache/simt` in the repository."""
    default = Path(__file__).parents[3] / ".cache" / "simt"
    folder = Path(os.environ.get("TELEGRAD_SIMT_CACHE") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compiler(name: str = "g++") -> str:
    """The path of g++, or of gcc."""
    found = which(name)
    if found is None:
        raise CompileError(f"no {name} on the PATH: the tests run CUDA sources on the CPU through it")
    return found


def host_options(options: Sequence[str]) -> list[str]:
    """What g++ is told of NVRTC's options."""
    kept = [
        option.replace("--std=", "-std=") for option in options if option.startswith(("-I", "-D", "-std=", "--std="))
    ]
    return kept if any(option.startswith("-std=") for option in kept) else ["-std=c++17", *kept]


def host_source(source: str, name_expressions: Sequence[str] = ()) -> str:
    """The source in the form that g++ reads, with an entry for each kernel."""
    entries = [f"SIMT_ENTRY({number}, {expression})" for number, expression in enumerate(name_expressions)]
    entries += [f"SIMT_ENTRY({name}, {name})" for name in sorted(extern_c_kernels(source))]
    return "\n".join(['#include "simt.h"', '#line 1 "source.cu"', shared_arrays(source), *entries, ""])


def shared_arrays(source: str) -> str:
    """The source with declarations of shared memory turned into references to the memory that `simt.h` holds."""
    rewritten = _ARRAY.sub(_declare, source)
    left = re.search(r".*__shared__.*", _without_comments(rewritten))
    if left:
        raise CompileError(f"cannot read this declaration of shared memory (one name each): {left[0].strip()}")
    return rewritten


def _declare(match: re.Match[str]) -> str:
    kind, name, sizes = match["type"], match["name"], "".join(match["sizes"].split("\n"))
    if match["extern"]:
        return f"{kind}* const {name} = reinterpret_cast<{kind}*>(simt::dynamic_memory);"
    return f"auto& {name} = simt::shared<{kind}{sizes}, __COUNTER__>();"


def extern_c_kernels(source: str) -> set[str]:
    """Names of the kernels with C linkage.

    >>> sorted(extern_c_kernels('extern "C" __global__ void a(); extern "C" { __global__ void b(); } __global__ void c();'))
    ['a', 'b']
    """
    return {name for part in _extern_c_parts(_without_comments(source)) for name in _KERNEL.findall(part)}


def _extern_c_parts(source: str) -> Iterator[str]:
    """The text of each declaration and block that is marked extern "C"."""
    for match in _EXTERN_C.finditer(source):
        rest = source[match.end() :]
        yield rest[: _block_end(rest) if rest.startswith("{") else re.search("[{;]|$", rest).start()]


def _block_end(text: str) -> int:
    depth = 0
    for place, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return place
    raise CompileError('a block of extern "C" does not end')


def _without_comments(source: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", source, flags=re.DOTALL)


def _compile(text: str, flags: Sequence[str], path: Path) -> None:
    """Compile to a file of our own, then rename: another process may be at the same source."""
    mine = path.with_suffix(f".{os.getpid()}")
    source, made = mine.with_suffix(f"{mine.suffix}.cpp"), mine.with_suffix(f"{mine.suffix}.so")
    source.write_text(text)
    command = [compiler(), f"-I{_precompiled()}", f"-I{INCLUDE}", *flags, str(source), "-o", str(made)]
    result = subprocess.run(command, capture_output=True, text=True)
    kept = source.rename(path.with_suffix(".cpp"))
    if result.returncode:
        raise CompileError(f"g++ refused a CUDA source, kept as {kept}:\n{_errors(result.stderr)}")
    made.rename(path)


@cache
def _precompiled() -> Path:
    """The folder of `simt.h` compiled ahead, which g++ takes where the flags agree: half of its time is that header."""
    flags = [*FLAGS, *host_options(())]
    key = hashlib.sha256("\0".join((*flags, _headers(), _compiler_version())).encode()).hexdigest()[:32]
    made = cache_folder() / key / "simt.h.gch"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        mine = made.with_suffix(f".{os.getpid()}")
        command = [compiler(), "-x", "c++-header", f"-I{INCLUDE}", *flags, str(INCLUDE / "simt.h"), "-o", str(mine)]
        subprocess.run(command, check=True, capture_output=True)
        mine.rename(made)
    return made.parent


def _errors(messages: str) -> str:
    lines = [line for line in messages.splitlines() if "error" in line] or messages.splitlines()
    return "\n".join(lines[:20])


@cache
def _headers() -> str:
    return "".join(header.read_text() for header in sorted(INCLUDE.iterdir()))


@cache
def _compiler_version() -> str:
    return subprocess.run([compiler(), "-dumpfullversion", "-dumpmachine"], capture_output=True, text=True).stdout


def launch(
    function: Function, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], shared_bytes: int = 0
) -> None:
    """Launch a kernel on NumPy: an array is handed over as its address, a NumPy scalar by value."""
    cells = [_argument(value) for value in args]
    pointers = (ctypes.c_void_p * len(cells))(*[cell.ctypes.data for cell in cells])
    function.launch(grid, block, pointers, shared_bytes)


def _argument(value: Any) -> np.ndarray:
    """An array that holds the argument's bytes."""
    if isinstance(value, np.ndarray):
        return np.array(value.ctypes.data, np.uintp)
    if isinstance(value, np.generic):
        return np.array(value)
    raise TypeError(f"a kernel takes NumPy arrays and NumPy scalars, got {type(value).__name__}: {value!r}")


def _three(sizes: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = (*sizes, 1, 1, 1)[:3] if len(sizes) <= 3 else sizes
    return x, y, z
