"""A server of its own, in a process of its own, on a free loopback port."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def live_server(*options: str) -> Iterator[str]:
    """The URL of a server that lives as long as the block."""
    command = [sys.executable, "-m", "telegrad_server", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "listening on" in line, f"the server said {line!r}"
            yield line.split()[-1]
        finally:
            process.terminate()
            assert process.wait(20) == 0
