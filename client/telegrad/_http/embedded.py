"""The embedded default: with no URL given, a local server that belongs to this process alone."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Final

START_TIMEOUT: Final = 60.0
"""Seconds that a server may take to start."""


class Server:
    """A running server. It ends when its end of the socket pair is closed: by `close`, or by our death."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, url: str, token: str) -> None:
        self._process = process
        self._channel = channel
        self.url = url
        self.token = token
        self._owner = os.getpid()

    @property
    def ended(self) -> bool:
        """Whether the process is no more, by itself or killed."""
        return self._owner == os.getpid() and self._process.poll() is not None

    def close(self, *, wait: bool = True) -> None:
        """Let the server end, and `wait` for it. In a forked child, only let go of the copy of its socket."""
        self._channel.close()
        if os.getpid() != self._owner:
            # The child's copy of the handle would warn about a process that is not its own.
            self._process.returncode = 0
        elif wait:
            self._wait()
        else:
            with suppress(RuntimeError):  # Python is ending, and starts no threads any more
                threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start() -> Server:
    """Start a server on a free port of this machine, reachable with a token that only this process knows.

    Raises ModuleNotFoundError, with what to install, where `telegrad[server]` is missing.
    """
    if importlib.util.find_spec("telegrad_server") is None or importlib.util.find_spec("fastapi") is None:
        raise ModuleNotFoundError(
            "no server was named, and none can be started here: name one with tg.connect(url) or the environment "
            "variable TELEGRAD_URL, or install the local server with: pip install 'telegrad[server]'"
        )
    ours, theirs = socket.socketpair()
    token = secrets.token_urlsafe(32)
    process = subprocess.Popen(
        [sys.executable, "-m", "telegrad_server", "serve", "--port", "0", "--embedded-fd", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt at the terminal is for the script, not for its server
    )
    theirs.close()
    ours.sendall(f"{token}\n".encode())
    url = _first_line(ours, process)
    return Server(process, ours, url, token)


def _first_line(channel: socket.socket, process: subprocess.Popen[bytes]) -> str:
    channel.settimeout(START_TIMEOUT)
    line = b""
    while not line.endswith(b"\n"):
        piece = channel.recv(4096)
        if not piece:
            process.wait()
            raise ConnectionError(f"the local server ended with status {process.returncode}; its words are on stderr")
        line += piece
    channel.settimeout(None)
    return line.decode().strip()
