"""A server with devices that are no GPUs, or with those that are and that SIGUSR1 breaks:
`python -m gpu.cuda_server strict|emulated|real COUNT [options of serve]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from telegrad_server import serve
from telegrad_server.backend.probe import Found
from telegrad_server.channel.process import WorkerProcess


def main() -> int:
    kind, count, *rest = sys.argv[1:]

    def process(device: str, memory: int, on_death: Callable[[Any], None]) -> Any:
        if device == "cpu":
            return WorkerProcess(device, memory, on_death)
        return WorkerProcess(device, memory, on_death, ("-m", "gpu.cuda_worker", kind))

    serve.WorkerProcess = process  # type: ignore[misc, assignment]
    serve.found_devices = lambda: [Found(f"cuda:{k}", True, "", kind, 1 << 31) for k in range(int(count))]
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    devices = [word for k in range(int(count)) for word in ("--device", f"cuda:{k}")]
    return serve.run(parser.parse_args(["--port", "0", *devices, *rest]))


if __name__ == "__main__":
    sys.exit(main())
