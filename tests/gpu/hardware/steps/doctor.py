"""`telegrad doctor --quick`, part by part."""

from __future__ import annotations

import platform
from importlib.metadata import distributions
from typing import Any, Final

import numpy as np
from gpu.hardware.card import Card
from gpu.hardware.findings import Findings

from telegrad_server.samples import SAMPLES

TOLD: Final = 5
"""Failures that a part repeats."""

REHEARSED: Final = (
    "exp add sum linear softmax layer_norm gelu relu conv2d max_pool2d embedding cross_entropy matmul "
    "scaled_dot_product_attention cumsum sort gather where dropout"
).split()
"""The ops whose samples an emulated device runs: its threads are slow, and each kernel takes g++ a second."""

PACKAGES: Final = ("cupy", "torch", "numba")
"""What the names of packages start with whose versions the report is read with."""


def run(card: Card, findings: Findings) -> None:
    findings.attempt("card", describe, card)  # first: the report's head is made of it
    from telegrad_server.doctor import examination

    if card.emulated:
        reduce(card)
    for name, part in examination.examine(card.name, True):
        findings.add(name, part.get("ok"), **_figures(part))


def describe(card: Card) -> dict[str, Any]:
    """What the report is read with."""
    from telegrad_server.doctor import environment

    free, total = card.backend.memory_info()
    properties = card.cp.cuda.runtime.getDeviceProperties(0)
    names = ((d.name or "", d.version) for d in distributions())  # one without metadata has no name
    return {
        "name": properties["name"].decode(),
        "memory_gb": total / 1e9,
        "free_gb": free / 1e9,
        **{what: value for what, value in environment.describe(card.name).items() if what != "hint"},
        "python": platform.python_version(),
        "numpy": np.__version__,
        **{name: version for name, version in names if name.lower().startswith(PACKAGES)},
    }


def reduce(card: Card) -> None:
    """Let the doctor look at few ops of an emulated device, and measure little."""
    from telegrad_server.backend.cupy import describe_device
    from telegrad_server.backend.probe import Found
    from telegrad_server.doctor import examination, samples, speed

    name, memory = describe_device(0)
    examination.found_devices = lambda: [Found(card.name, True, "", name, memory)]
    speed.SIZES = {**speed.SIZES, "cuda": (64, 64)}
    speed.BYTES = (1 << 20, 1 << 20)
    samples.SAMPLES = {op: SAMPLES[op] for op in REHEARSED}


def _figures(part: dict[str, Any]) -> dict[str, Any]:
    """A part's numbers and texts, and its first failures."""
    found: dict[str, Any] = {}
    failures = [str(part["error"])] if "error" in part else []
    for name, value in part.items():
        if isinstance(value, dict) and "failures" in value:
            counts = value["counts"].values()
            found[name] = {kind: sum(each[kind] for each in counts) for kind in ("passed", "failed", "skipped")}
            failures += [f"{failure['sample']}: {failure['error']}" for failure in value["failures"]]
        elif name not in ("ok", "error", "hint"):
            found[name] = value
    if failures:
        found["why"] = "; ".join(failures[:TOLD])
    return found
