"""The settings of a server."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import psutil

DEFAULT_PORT = 7465
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Settings:
    """`tokens` empty means that no token is asked for, which only a loopback address may do. Durations in seconds.

    `devices`: the devices to serve, with the bytes of memory of each; `memory` of each is for tensors. The bounds per
    address do not count this machine's own addresses.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    tokens: frozenset[str] = frozenset()
    allow_hosts: frozenset[str] = frozenset()
    allow_origins: frozenset[str] = frozenset()
    devices: Mapping[str, int] = field(default_factory=lambda: {"cpu": available_memory()})
    memory: str = "80%"
    lease: float = 60.0
    sessions: int = 256
    sessions_per_token: int = 128
    sessions_per_address: int = 64
    connections: int = 1024
    connections_per_address: int = 256
    log_format: str = "text"

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    def check(self) -> None:
        """Raise ValueError for a server that would be open without a token, or could not work."""
        for total in self.devices.values():
            parse_memory(self.memory, total)
        if self.lease <= 0:
            raise ValueError(f"a lease lasts longer than {self.lease} seconds")
        if not self.loopback and not self.tokens:
            raise ValueError(
                f"refusing to listen on {self.host} without a token: anybody who reaches it could use it. Make one:\n"
                "  python3 -c 'import secrets; print(secrets.token_urlsafe(32))' > token\n"
                "and start with --token-file token; clients give it to tg.connect(url, token) or in TELEGRAD_TOKEN"
            )


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read_tokens(path: str | None) -> frozenset[str]:
    """Tokens of a file, one a line, # for comments; without a file, TELEGRAD_TOKEN. Raises ValueError for a weak one."""
    if path is None:
        lines = [os.environ.get("TELEGRAD_TOKEN", "")]
    else:
        lines = Path(path).read_text().splitlines()
    tokens = {line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")}
    if path is not None and not tokens:
        raise ValueError(f"the token file {path} holds no token")
    for token in tokens:
        if len(token) < 16:
            raise ValueError(f"a token has at least 16 characters; use one like {secrets.token_urlsafe(32)}")
    return frozenset(tokens)


def parse_memory(text: str, total: int) -> int:
    """Bytes of `4G`, `512M` or `80%` of a total.

    >>> parse_memory("2K", 0), parse_memory("50%", 100)
    (2048, 50)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?|(\d+(?:\.\d+)?)%", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"memory is given as 4G, 512M or 80%, not {text!r}")
    if match[3] is not None:
        return int(total * float(match[3]) / 100)
    return int(float(match[1]) * _UNITS[match[2].upper()])


def available_memory() -> int:
    """Bytes of memory: the machine's, or the control group's where that is less."""
    total: int = psutil.virtual_memory().total
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(path).read_text().strip()
        except OSError:
            continue
        if limit.isdigit():
            total = min(total, int(limit))
    return total
