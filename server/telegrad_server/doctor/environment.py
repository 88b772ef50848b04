"""What is here: the machine, what is installed, which devices can be used and why the others cannot."""

from __future__ import annotations

import os
import platform
from importlib.metadata import distributions, version
from pathlib import Path

import psutil

from telegrad_protocol.messages import PROTOCOL_VERSION
from telegrad_server.backend.probe import Found
from telegrad_server.settings import available_memory
from telegrad_server.worker.__main__ import backend_of

from .report import Part

GPU_PACKAGES = ("cupy", "nvidia-")
"""What the names of CuPy's distributions, and of CUDA's parts, start with."""


def environment() -> Part:
    """The machine and its Python."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_bytes": available_memory(),
        "memory_free_bytes": psutil.virtual_memory().available,
    }


def versions() -> Part:
    """What is installed. CuPy is not imported for it."""
    gpu = {d.name: d.version for d in distributions() if (d.name or "").lower().startswith(GPU_PACKAGES)}
    return {
        "telegrad": version("telegrad"),
        "protocol": str(PROTOCOL_VERSION),
        "numpy": version("numpy"),
        "numba": version("numba"),
        **(dict(sorted(gpu.items())) or {"cupy": "not installed"}),
    }


def opened(found: Found) -> Part:
    """A device for the report: its name and memory, or why it cannot be used."""
    if not found.usable:
        return {"usable": False, "reason": found.reason}
    free, total = backend_of(found.device).memory_info()
    name = _processor() if found.device == "cpu" else found.name
    return {"usable": True, "name": name, "memory_free_bytes": free, "memory_bytes": total}


def choose(found: list[Found], wanted: str | None) -> tuple[str | None, str]:
    """The device to try and why; None, and why not, for one that was asked for and cannot be used."""
    usable = [each.device for each in found if each.usable]
    why_not = {each.device: each.reason for each in found if not each.usable}
    if wanted is None:
        if usable:
            return usable[0], "the first GPU that can be used"
        return "cpu", "no GPU is used: " + "; ".join(f"{device}: {reason}" for device, reason in why_not.items())
    if wanted == "cpu" or wanted in usable:
        return wanted, "asked for"
    return None, why_not.get(wanted) or why_not.get("cuda") or f"there is no {wanted}; there are {', '.join(usable)}"


def describe(device: str) -> Part:
    """What a report from hardware is read with: driver and runtime, and how to look for races and wild accesses."""
    if device == "cpu":
        return {}
    runtime = backend_of(device).cp.cuda.runtime
    properties = runtime.getDeviceProperties(int(device.removeprefix("cuda:")))
    return {
        "driver": _cuda_version(runtime.driverGetVersion()),
        "runtime": _cuda_version(runtime.runtimeGetVersion()),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "hint": f"compute-sanitizer python -m telegrad_server doctor --device {device} --quick finds accesses out of "
        "bounds; --tool racecheck finds races",
    }


def _cuda_version(number: int) -> str:
    """
    >>> _cuda_version(13020)
    '13.2'
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def _processor() -> str:
    """What the CPU is called."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
