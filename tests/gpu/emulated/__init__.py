"""The real CuPy on emulated CUDA devices: CuPy's own code and kernels run, the device is the CPU.

CuPy's compiled modules reach CUDA through capsules; `native/runtime.c` stands behind them, with memory that is limited,
poisoned and fenced. Each kernel is compiled by NVRTC, which judges it, and by g++, which makes it run (`gpu.simt`).
`native/cublas.cpp` is a cuBLAS that checks its arguments. What cannot be emulated is refused, never faked.

A process has either this CuPy or the plain one: tests that need it run in processes of their own, see `conftest.py`.

>>> cp = load_cupy(devices=2, memory=1 << 30)
>>> before = counters()
"""

from .control import Counters, break_device, check_fences, counters, set_limit
from .load import CUPY_VERSION, DEVICE_MEMORY, load_cupy

__all__ = [
    "CUPY_VERSION",
    "DEVICE_MEMORY",
    "Counters",
    "break_device",
    "check_fences",
    "counters",
    "load_cupy",
    "set_limit",
]
