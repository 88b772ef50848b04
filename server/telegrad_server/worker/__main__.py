"""The worker process: `python -m telegrad_server.worker --fd N --arena-fd M --memory BYTES --device cpu`.

Started and supervised by the front, never by hand; ends by itself when the front is gone.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import socket
from typing import Any

import numpy as np

from telegrad_protocol.devices import ProcessDevice, canonical
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.channel.worker_end import WorkerEnd

from .executor import Executor

LEAST_ELEMENTS = 1 << 32
"""Elements that an op may visit however little memory there is: seconds of work."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="telegrad_server.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--arena-fd", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    # Signals from a terminal or a supervisor go to the whole group; the front decides when the worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    np.seterr(all="ignore")  # inf and nan are results here, as in PyTorch
    # The tape makes no reference cycles: collect them rarely.
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    link = WorkerEnd(socket.socket(fileno=options.fd), options.arena_fd)
    ProcessDevice.device = canonical(options.device)
    ProcessDevice.most_elements = max(LEAST_ELEMENTS, options.memory)
    xp = backend_of(ProcessDevice.device)
    xp.count_memory()
    with xp.active():
        xp.pin(link.arena)
    try:
        Executor(xp, options.memory, link).run()
    except SystemExit as end:
        os._exit(int(str(end.code)))  # CuPy would still try to give memory back to a device that is lost


def backend_of(device: str) -> Any:
    """The implementation of `xp` for a device. Raises what CuPy does where it is missing or finds no such device."""
    if device == "cpu":
        return NumpyBackend()
    from telegrad_server.backend.cupy import open_device

    return open_device(int(device.removeprefix("cuda:")))


if __name__ == "__main__":
    main()
