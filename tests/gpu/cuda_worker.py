"""A worker process whose `cuda:k` is no GPU, or a real one that breaks when it is told to, with SIGUSR1:
`python -m gpu.cuda_worker strict|emulated|real --fd N ...`."""

from __future__ import annotations

import signal
import sys
from typing import Any

import numpy as np

from telegrad_server.worker import __main__ as worker


def strict(index: int) -> Any:
    """CuPy's semantics on NumPy."""
    from gpu.strict import Machine, StrictBlas, make_module

    from telegrad_server.backend.cupy import CupyBackend
    from telegrad_server.backend.cupy.device import DeviceSession

    cp = make_module(Machine(devices=index + 1))
    with cp.cuda.Device(index):
        return CupyBackend(DeviceSession(cp, StrictBlas(), index))


def emulated(index: int) -> Any:
    """The real CuPy on the emulated runtime. SIGUSR1 breaks the device."""
    from gpu.emulated import break_device, load_cupy

    load_cupy(devices=index + 1)
    signal.signal(signal.SIGUSR1, lambda *_: break_device())
    from telegrad_server.backend.cupy import open_device

    return open_device(index)


def real(index: int) -> Any:
    """The GPU. SIGUSR1 breaks it for this process: a kernel writes to an address that nobody has."""
    from telegrad_server.backend.cupy import open_device

    backend = open_device(index)
    source = 'extern "C" __global__ void astray(int* p) { *p = 1; }'
    astray = backend.cp.RawKernel(source, "astray")
    signal.signal(signal.SIGUSR1, lambda *_: astray((1,), (1,), (np.uint64(64),)))
    return backend


if __name__ == "__main__":
    make = {"strict": strict, "emulated": emulated, "real": real}[sys.argv.pop(1)]
    worker.backend_of = lambda device: make(int(device.removeprefix("cuda:")))
    worker.main()
