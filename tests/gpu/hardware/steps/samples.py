"""Every op's samples and their gradients in every dtype against NumPy, family by family."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from gpu.hardware.card import Card
from gpu.hardware.findings import Findings

from telegrad_protocol import dtypes
from telegrad_protocol.spec import OPS
from telegrad_server.checks.compare import Case, cases, compare, skip_reason
from telegrad_server.samples import SAMPLES

FIRST: Final = ("linalg", "matmul", "convolution", "attention", "normalization", "loss", "reduction", "sorting", "scan")
"""Families whose kernels, or libraries, no emulation shows as they are."""

REHEARSED: Final = ("scan",)
TOLD: Final = 8
MEMORY: Final = 4 << 30


class Lost(Exception):
    """The device no longer answers."""


def run(card: Card, findings: Findings) -> None:
    backend = card.backend
    xp = backend.for_session(min(MEMORY, backend.memory_info()[0] // 2))
    names = ["float32"] if card.emulated else [dtype.name for dtype in dtypes.ALL]
    with xp.active():
        for family in REHEARSED if card.emulated else _families():
            try:
                findings.add(family, **_tried(xp, list(cases([family], names))))
            except Lost as error:
                findings.add(family, False, why=f"{error}: no further family was tried")
                return


def _families() -> list[str]:
    found = {OPS[op].family for op in SAMPLES}
    return [*(family for family in FIRST if family in found), *sorted(found.difference(FIRST))]


def _tried(xp: Any, chosen: list[Case]) -> dict[str, Any]:
    """How many samples of a family passed, and how the others failed."""
    counts: Counter[str] = Counter()
    failures = []
    for case in chosen:
        outcome = _outcome(case, xp)
        counts["passed" if outcome is None else "skipped" if outcome == "" else "failed"] += 1
        failures += [f"{case}: {outcome}"] if outcome else []
    why = {"why": "; ".join(failures[:TOLD])} if failures else {}
    return {"ok": not failures, **{name: counts[name] for name in ("passed", "skipped", "failed")}, **why}


def _outcome(case: Case, xp: Any) -> str | None:
    """None for a sample that agrees, an empty text for one that cannot be compared, else how it differs."""
    try:
        if skip_reason(case) is not None:
            return ""
        compare(case, xp)
    except Exception as error:  # a sample may fail in any way; go on with the others
        text = f"{type(error).__name__}: {error}"[:500]
        try:
            xp.synchronize()
        except Exception as last:  # some CUDA errors are final for the process
            raise Lost(f"{case}: {text}; then {last}") from error
        return text
    return None
