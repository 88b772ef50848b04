"""What the check runs on: the GPU of this machine, or an emulated one that rehearses the check."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from support.live import serving


class Card:
    """A CUDA device. `emulated`: the real CuPy on an emulated runtime; speeds then say nothing, and sizes are small."""

    name = "cuda:0"

    def __init__(self, *, emulated: bool) -> None:
        self.emulated = emulated

    @cached_property
    def backend(self) -> Any:
        """The server's backend on the device, in this process."""
        from telegrad_protocol.devices import ProcessDevice

        ProcessDevice.device = self.name
        np.seterr(all="ignore")  # as in a worker: inf and nan are results
        if self.emulated:
            from gpu.emulated import load_cupy

            load_cupy(devices=1)
        from telegrad_server.backend.cupy import open_device

        return open_device(0)

    @property
    def cp(self) -> Any:
        """CuPy, on the device."""
        return self.backend.cp

    @contextmanager
    def server(self, *options: str) -> Iterator[str]:
        """The URL of a server with the device. SIGUSR1 breaks the device for its worker: see `gpu.cuda_worker`."""
        kind = "emulated" if self.emulated else "real"
        with serving([sys.executable, "-m", "gpu.cuda_server", kind, "1", *options]) as url:
            yield url
