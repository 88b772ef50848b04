"""A server of its own, in a process of its own, on a free loopback port."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import httpx

NO_TLS = False
"""Loopback has no certificates, and loading the authorities' takes longer than most tests."""


@contextlib.contextmanager
def live_server(*options: str) -> Iterator[str]:
    """The URL of a server that lives as long as the block."""
    with serving([sys.executable, "-m", "telegrad_server", "serve", "--port", "0", "--device", "cpu", *options]) as url:
        yield url


@contextlib.contextmanager
def serving(command: list[str]) -> Iterator[str]:
    """The URL that a server's command prints; it is ended after the block."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "listening on" in line, f"the server said {line!r}"
            yield line.split()[-1]
        finally:
            process.terminate()
            assert process.wait(20) == 0


@contextlib.contextmanager
def http_session(url: str) -> Iterator[httpx.Client]:
    """A client of a session of its own: paths are those below the session's."""
    with httpx.Client(base_url=url, verify=NO_TLS, timeout=30) as client:
        opened = client.post("/v1/sessions", json={}).raise_for_status().json()
        client.base_url = f"{url}/v1/sessions/{opened['session']}"
        try:
            yield client
        finally:
            client.delete(f"{url}/v1/sessions/{opened['session']}").raise_for_status()
