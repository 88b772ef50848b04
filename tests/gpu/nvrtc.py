"""NVRTC without a GPU: whether a CUDA source compiles for an architecture, remembered on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

from gpu.simt.compiler import cache_folder

# The oldest, the commonest and the newest that we name.
ARCHITECTURES = ("80", "90", "120")


def assert_compiles(
    source: str, options: Sequence[str], name_expressions: Sequence[str] = (), architecture: str = "90"
) -> None:
    """Raise CuPy's CompileException, which has NVRTC's messages, unless the source compiles to a cubin.

    `options` are what CuPy would hand to NVRTC, but for -arch and what it always adds.
    """
    words = (source, architecture, *options, "", *name_expressions, _versions())
    marker = cache_folder() / f"{hashlib.sha256(chr(0).join(words).encode()).hexdigest()[:32]}.nvrtc"
    if not marker.exists():
        cubin = _compile(source, tuple(options), tuple(name_expressions), architecture)
        marker.write_text(f"sm_{architecture}: {len(cubin)} bytes\n")


def _compile(source: str, options: tuple[str, ...], expressions: tuple[str, ...], architecture: str) -> bytes:
    from cupy.cuda import compiler

    program = compiler._NVRTCProgram(source, "source.cu", name_expressions=expressions, method="cubin")
    always = ("-ftz=true", "--device-as-default-execution-space", f"-arch=sm_{architecture}")
    return program.compile((*options, *always))[0]


@cache
def _versions() -> str:
    return " ".join(f"{name} {version(name)}" for name in ("cupy-cuda13x", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime"))
