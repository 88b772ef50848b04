"""Load CuPy with the emulated CUDA behind it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any, Final

from . import build, capsules, control, patches

CUPY_VERSION: Final = "14.2.0"
DEVICE_MEMORY: Final = 4 << 30
ARCHITECTURES: Final = "90"

_loaded: tuple[ModuleType, tuple[Any, ...]] | None = None


def load_cupy(
    *, devices: int = 1, memory: int = DEVICE_MEMORY, architectures: Sequence[str] | None = None
) -> ModuleType:
    """The package `cupy`, on `devices` emulated devices with `memory` bytes each.

    Every kernel is first compiled by NVRTC for `architectures`: by default those of TELEGRAD_NVRTC_ARCHITECTURES, a
    list with commas, or "90". Raises ImportError for another version of CuPy, and where CuPy is already imported.
    """
    global _loaded
    if architectures is None:
        architectures = os.environ.get("TELEGRAD_NVRTC_ARCHITECTURES", ARCHITECTURES).split(",")
    wanted = (devices, memory, tuple(architectures))
    if _loaded is None:
        _refuse_other_cupy()
        _loaded = (_load(*wanted), wanted)
    elif _loaded[1] != wanted:
        raise RuntimeError(f"CuPy is loaded with {_loaded[1]} (devices, memory, architectures), not {wanted}")
    return _loaded[0]


def _refuse_other_cupy() -> None:
    try:
        found = version("cupy-cuda13x")
    except PackageNotFoundError:
        raise ImportError(f"the emulator needs cupy-cuda13x=={CUPY_VERSION}, which is not installed") from None
    if found != CUPY_VERSION:
        raise ImportError(f"the emulator was written for CuPy {CUPY_VERSION}, found {found}")
    imported = sorted(name for name in sys.modules if name.split(".")[0] in ("cupy", "cupyx", "cupy_backends"))
    if imported:
        raise ImportError(f"{imported[0]} is imported already: the emulator must come before CuPy")


def _load(devices: int, memory: int, architectures: tuple[str, ...]) -> ModuleType:
    # CUB's kernels are inside CuPy's compiled modules: they would not run, and CuPy would not notice.
    os.environ["CUPY_ACCELERATORS"] = ""
    emulated = build.runtime_module()
    cublas = ctypes.CDLL(str(build.cublas_library()), mode=os.RTLD_NOW | os.RTLD_GLOBAL)
    cublas.emulated_cublas_start(ctypes.c_void_p(emulated.holder_address()))
    patches.hide_cuda_libraries()
    runtime = import_module("cupy_backends.cuda.api.runtime")
    emulated.start(runtime, devices, memory)
    capsules.replace_all(emulated, runtime, "runtime")
    capsules.replace_all(emulated, import_module("cupy_backends.cuda.api.driver"), "driver")
    control.attach(emulated)
    cupy = import_module("cupy")
    patches.apply(cupy, emulated, architectures)
    return cupy
