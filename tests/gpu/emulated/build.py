"""The native parts, compiled when they are first needed and kept in the cache of `gpu.simt`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
from collections.abc import Sequence
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from gpu.simt.compiler import CompileError, cache_folder, compiler

NATIVE: Final = Path(__file__).parent / "native"
SONAME: Final = "libcublas.so.13"


def runtime_module() -> ModuleType:
    """The extension module `emulated_runtime`, fresh."""
    flags = ["-O2", "-std=gnu17", f"-I{sysconfig.get_paths()['include']}"]
    path = _build("emulated_runtime", "gcc", flags, [NATIVE / name for name in ("runtime.c", "memory.c", "copies.c")])
    spec = spec_from_file_location("emulated_runtime", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cublas_library() -> Path:
    """The path of the emulated cuBLAS, which refuses by name every function that CuPy knows and it does not have."""
    source = NATIVE / "cublas.cpp"
    flags = ["-O3", "-march=native", "-std=c++17", f"-Wl,-soname,{SONAME}"]
    script = cache_folder() / "cublas.map"
    script.write_text(f"{SONAME} {{ global: *; }};\n")
    refused = cache_folder() / "cublas_refused.cpp"
    refused.write_text(_refusals(sorted(_imported_by_cupy() - _defined_in(source.read_text()))))
    return _build("cublas", "g++", [f"-Wl,--version-script={script}", *flags], [source, refused])


def _refusals(names: Sequence[str]) -> str:
    lines = [
        f'extern "C" int {name}(void) {{ fputs("emulated cuBLAS: {name} is not emulated\\n", stderr); return 15; }}'
        for name in names
    ]
    return "\n".join(["#include <cstdio>", *lines, ""])


def _imported_by_cupy() -> set[str]:
    """The functions of cuBLAS that CuPy's module is linked against."""
    package = find_spec("cupy_backends.cuda.libs")
    assert package is not None
    (folder,) = package.submodule_search_locations or ()
    (extension,) = Path(folder).glob("cublas.*.so")
    table = _run(["nm", "-D", "--undefined-only", str(extension)])
    return {word.split("@")[0] for word in table.split() if word.startswith("cublas")}


def _defined_in(source: str) -> set[str]:
    """The functions of cuBLAS in our source, after the preprocessor."""
    expanded = _run([compiler(), "-E", "-P", "-x", "c++", "-"], source)
    return {word.split("(")[0] for word in expanded.split() if word.startswith("cublas")}


def _build(name: str, driver: str, flags: Sequence[str], sources: Sequence[Path]) -> Path:
    texts = [path.read_text() for path in (*sources, *sorted(NATIVE.glob("*.h")))]
    key = hashlib.sha256("\0".join([*flags, *texts]).encode()).hexdigest()[:32]
    path = cache_folder() / f"{name}-{key}.so"
    if not path.exists():
        mine = path.with_suffix(f".{os.getpid()}")
        _run([compiler(driver), "-shared", "-fPIC", *flags, *map(str, sources), "-o", str(mine)])
        mine.rename(path)
    return path


def _run(command: list[str], text: str | None = None) -> str:
    result = subprocess.run(command, input=text, capture_output=True, text=True)
    if result.returncode:
        raise CompileError(f"{' '.join(command)} failed:\n{result.stderr[:4000]}")
    return result.stdout
