"""Every kernel in every instantiation that the backend asks for, compiled for the card, loaded, and weighed."""

from __future__ import annotations

import time
from typing import Any, Final

from gpu.hardware.card import Card
from gpu.hardware.compiled import Compiled, Kernel, compile_family
from gpu.hardware.findings import Findings
from gpu.instantiations import recorded

MANY: Final = 128
"""Registers a thread beyond which few warps fit on a multiprocessor."""


def run(card: Card, findings: Findings) -> None:
    asked = recorded()
    architecture = "90" if card.emulated else str(card.cp.cuda.Device(0).compute_capability)
    findings.add("asked for", kernels=sum(map(len, asked.values())), families=len(asked), architecture=architecture)
    heavy: list[Kernel] = []
    for family in sorted(asked):
        findings.attempt(family, _family, card, family, asked[family], architecture, heavy)
    for kernel in sorted(heavy, key=lambda kernel: -kernel.spill_bytes):
        findings.add(f"heavy: {kernel.expression}", **_weight(kernel))


def _family(card: Card, family: str, expressions: set[str], architecture: str, heavy: list[Kernel]) -> dict[str, Any]:
    begun = time.perf_counter()
    compiled = compile_family(family, sorted(expressions), architecture)
    if not card.emulated:
        _load(card, compiled)
    kernels = compiled.kernels
    heavy += [kernel for kernel in kernels if kernel.spill_bytes or kernel.registers > MANY]
    return {
        "ok": True,
        "kernels": len(kernels),
        "seconds": time.perf_counter() - begun,
        "most_registers": max(kernel.registers for kernel in kernels),
        "that_spill": sum(kernel.spill_bytes > 0 for kernel in kernels),
        "most_shared_bytes": max(kernel.shared_bytes for kernel in kernels),
    }


def _load(card: Card, compiled: Compiled) -> None:
    """Take every kernel to the card. Raises CUDA's error for one that it refuses."""
    module = card.cp.cuda.function.Module()
    module.load(compiled.cubin)
    for name in compiled.lowered.values():
        module.get_function(name)


def _weight(kernel: Kernel) -> dict[str, int]:
    return {name: value for name, value in kernel._asdict().items() if name != "expression"}
