"""Every op's samples and their gradients in every floating dtype against NumPy, family by family.

A process for each family, several at a time: on a card that ran nothing before, compiling a thousand small kernels
takes longer than running them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final

from gpu.hardware.card import Card
from gpu.hardware.findings import Findings

from telegrad_protocol.spec import OPS
from telegrad_server.samples import SAMPLES
from telegrad_server.samples.base import FLOATING

FIRST: Final = (
    *("linalg", "matmul", "convolution", "attention", "normalization", "pooling", "embedding", "loss", "activation"),
    *("reduction", "sorting", "scan"),
)
"""Families of libraries that no emulation has, of networks, and of kernels that no emulation shows as they are."""

REHEARSED: Final = ("attention", "embedding", "scan")
PROCESSES: Final = 8
PATIENCE: Final = 75.0
"""Seconds that a family may take."""


def run(card: Card, findings: Findings) -> None:
    families = REHEARSED if card.emulated else _families()
    with ThreadPoolExecutor(min(PROCESSES, len(os.sched_getaffinity(0)))) as pool:
        begun = {pool.submit(_tried, family, card.emulated): family for family in families}
        for done in as_completed(begun):
            findings.attempt(begun[done], done.result)


def _families() -> list[str]:
    found = {OPS[op].family for op in SAMPLES}
    return [*(family for family in FIRST if family in found), *sorted(found.difference(FIRST))]


def _tried(family: str, emulated: bool) -> dict[str, Any]:
    """What a family's process finds. Raises what it says last where it does not come to its end."""
    command = [sys.executable, "-P", "-m", "gpu.hardware.sampled", family]
    command += ["float32", "--emulated"] if emulated else FLOATING
    begun = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"not done after {PATIENCE:.0f} s, at {_last((error.stderr or b'').decode())}") from error
    if not done.stdout:
        raise RuntimeError(f"its process ended with status {done.returncode}, at {_last(done.stderr)}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "seconds": time.monotonic() - begun}


def _last(text: str) -> str:
    return " / ".join(text.splitlines()[-3:])[-500:]
