"""A worker process whose `cuda:k` is no GPU: `python -m gpu.cuda_worker strict|emulated --fd N ...`."""

from __future__ import annotations

import signal
import sys
from typing import Any

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


if __name__ == "__main__":
    make = {"strict": strict, "emulated": emulated}[sys.argv.pop(1)]
    worker.backend_of = lambda device: make(int(device.removeprefix("cuda:")))
    worker.main()
