"""`telegrad doctor --quick`, part by part."""

from __future__ import annotations

import platform
from importlib.metadata import distributions
from typing import Any

import numpy as np
from gpu.hardware.card import Card
from gpu.hardware.findings import Findings

from telegrad_server.samples import SAMPLES

TOLD = 5
"""Failures that a part repeats."""

REHEARSED = ("exp", "add", "sum", "linear", "softmax", "conv2d", "gelu", "embedding", "cumsum", "sort")
"""The ops whose samples an emulated device runs: its threads are slow."""


def run(card: Card, findings: Findings) -> None:
    findings.add("card", **describe(card))
    from telegrad_server.doctor import examination

    if card.emulated:
        reduce()
        parts = examination.try_device(card.name, True)
    else:
        parts = examination.examine(card.name, True)
    for name, part in parts:
        findings.add(name, part.get("ok"), **_figures(part))


def describe(card: Card) -> dict[str, Any]:
    """What the report is read with."""
    runtime = card.cp.cuda.runtime
    free, total = card.backend.memory_info()
    properties = runtime.getDeviceProperties(0)
    packages = {d.name: d.version for d in distributions() if d.name.lower().startswith(("cupy", "torch", "numba"))}
    return {
        "name": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "memory_gb": total / 1e9,
        "free_gb": free / 1e9,
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        **packages,
    }


def reduce() -> None:
    """Let the doctor look at few ops, and measure little."""
    from telegrad_server.doctor import samples, speed, training

    speed.SIZES = {**speed.SIZES, "cuda": (64, 64)}
    speed.BYTES = (1 << 20, 1 << 20)
    training.ROWS, training.HIDDEN = 64, 16
    samples.SAMPLES = {op: SAMPLES[op] for op in REHEARSED}


def _figures(part: dict[str, Any]) -> dict[str, Any]:
    """A part's numbers and texts, and its first failures."""
    found = {name: value for name, value in part.items() if not isinstance(value, dict) and name not in ("ok", "error")}
    failures = [str(part["error"])] if "error" in part else []
    for name, check in part.items():
        if isinstance(check, dict) and "failures" in check:
            run = sum(counts["run"] for counts in check["counts"].values())
            found[name] = f"{run} run, {len(check['failures'])} failed"
            failures += [f"{failure['sample']}: {failure['error']}" for failure in check["failures"]]
        elif isinstance(check, dict):
            found[name] = check
    if failures:
        found["why"] = "; ".join(failures[:TOLD])
    return found
