"""Samples against NumPy: `python -m gpu.hardware.sampled FAMILY DTYPE...` does a family's, as one line of JSON.

In a process of its own, because some CUDA errors are final for a process, and because processes compile beside each
other. The sample that is at work is named on standard error.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from gpu.hardware.card import Card

from telegrad_server.checks.compare import Case, cases, compare, skip_reason
from telegrad_server.samples.base import FLOATING

TOLD: Final = 8
"""Failures that are repeated."""

MEMORY: Final = 4 << 30
"""Bytes that the samples may take, at most half of what is free."""


def tried(xp: Any, chosen: Sequence[Case], seconds: float = math.inf) -> dict[str, Any]:
    """How many samples agree with NumPy, and how the others do not. What is left after `seconds` is not begun."""
    counts, failures = Counter(passed=0, skipped=0, failed=0), []
    deadline = time.monotonic() + seconds
    for number, case in enumerate(chosen):
        if time.monotonic() > deadline:
            counts["not_begun"] = len(chosen) - number
            break
        print(case, file=sys.stderr, flush=True)
        failure = _failure(case, xp)
        counts["passed" if failure is None else "failed" if failure else "skipped"] += 1
        if failure:
            failures.append(f"{case}: {failure}")
            if dead := _dead(xp):
                failures.insert(0, f"the device no longer answers ({dead}), last after {case}: {failure}")
                counts["not_begun"] = len(chosen) - number - 1
                break
    why = {"why": "; ".join(failures[:TOLD])} if failures else {}
    return {"ok": not failures, **counts, **why}


def _failure(case: Case, xp: Any) -> str | None:
    """None for a sample that agrees, an empty text for one that cannot be compared, else how it differs."""
    try:
        if skip_reason(case) is not None:
            return ""
        compare(case, xp)
    except Exception as error:  # a sample may fail in any way; go on with the others
        return f"{type(error).__name__}: {error}"[:500]
    return None


def _dead(xp: Any) -> str:
    """What the device says if it no longer works: some CUDA errors are final for the process."""
    try:
        xp.synchronize()
    except Exception as error:  # any CUDA error
        return str(error)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("family")
    parser.add_argument("dtypes", nargs="+", choices=FLOATING)
    parser.add_argument("--emulated", action="store_true")
    options = parser.parse_args()
    backend = Card(emulated=options.emulated).backend
    xp = backend.for_session(min(MEMORY, backend.memory_info()[0] // 2))
    with xp.active():
        found = tried(xp, list(cases([options.family], options.dtypes)))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
