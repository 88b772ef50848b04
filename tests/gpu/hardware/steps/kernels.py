"""Every kernel in every instantiation that the backend asks for, compiled for the card, loaded, and weighed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from gpu.hardware.card import Card
from gpu.hardware.compiled import EMULATED, Kernel, card_architecture, compile_family, loaded
from gpu.hardware.findings import Findings
from gpu.instantiations import kernels, recorded

MANY: Final = 128
"""Registers a thread beyond which few warps fit on a multiprocessor."""


def run(card: Card, findings: Findings) -> None:
    asked = recorded()
    if not card.emulated:
        card.cp.cuda.Device(0).synchronize()  # makes the context into which modules are loaded
    architecture = EMULATED if card.emulated else card_architecture()
    findings.add("asked for", **_counts(asked), architecture=architecture[0].removeprefix("-arch="))
    heavy: list[Kernel] = []
    for family in sorted(asked):
        findings.attempt(family, _family, card, family, asked[family], architecture, heavy)
    for kernel in sorted(heavy, key=lambda kernel: -(kernel.spill_bytes or 0)):
        findings.add(f"heavy: {kernel.expression}", **_weight(kernel))


def _counts(asked: dict[str, set[str]]) -> dict[str, Any]:
    """How many kernels there are; wrong if the sources have one that nothing asks for, so that it is not compiled."""
    named = {expression.split("<")[0] for expressions in asked.values() for expression in expressions}
    missed = sorted(set().union(*kernels().values()) - named)
    why = {"why": f"nothing asks for {', '.join(missed)}"} if missed else {}
    return {"ok": not missed, "families": len(asked), "kernels": sum(map(len, asked.values())), **why}


def _family(
    card: Card, family: str, expressions: set[str], architecture: tuple[str, str], heavy: list[Kernel]
) -> dict[str, Any]:
    begun = time.perf_counter()
    compiled = compile_family(family, sorted(expressions), architecture)
    seconds = time.perf_counter() - begun
    found = compiled.kernels if card.emulated else loaded(compiled)
    heavy += [kernel for kernel in found if kernel.spill_bytes or kernel.registers > MANY]
    return {"ok": True, "kernels": len(found), "seconds": seconds, **_weights(found)}


def _weights(found: Sequence[Kernel]) -> dict[str, int]:
    """The largest figures of a family."""
    figures = {
        "most_registers": max(kernel.registers for kernel in found),
        "most_local_bytes": max(kernel.local_bytes for kernel in found),
        "most_shared_bytes": max(kernel.shared_bytes for kernel in found),
    }
    said = [kernel.spill_bytes for kernel in found if kernel.spill_bytes is not None]
    return {**figures, "that_spill": sum(spilled > 0 for spilled in said)} if said else figures


def _weight(kernel: Kernel) -> dict[str, int]:
    return {name: value for name, value in kernel._asdict().items() if name != "expression" and value is not None}
