"""The op samples on a device, against NumPy, and on the CPU against finite differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from telegrad_protocol.spec import OPS
from telegrad_server.checks.compare import Case, Differs, cases_of, checked_call, compare, skip_reason, slopes
from telegrad_server.checks.run import GENERATOR_OPS, Run
from telegrad_server.samples import SAMPLES
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import Engine
from telegrad_server.worker.memory import Budget

from .report import Part

OUTCOMES: Final = ("passed", "failed", "skipped")


class Tally:
    """Results of one check: counts by dtype, reasons for skipping, failures with their errors."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.skipped: Counter[str] = Counter()
        self.failures: list[dict[str, str]] = []

    def done(self, case: Case, skipped: str | None) -> None:
        """Count a sample that passed, or was skipped for a reason."""
        self._count(case, "passed" if skipped is None else "skipped")
        if skipped is not None:
            self.skipped[skipped] += 1

    def fail(self, case: Case, error: Exception) -> None:
        self._count(case, "failed")
        self.failures.append({"sample": str(case), "error": f"{type(error).__name__}: {error}"})

    def abandon(self, rest: list[Case]) -> None:
        """Skip the remaining cases: the device no longer answers."""
        for case in rest:
            self.done(case, "the device no longer answers after the last failure")

    def _count(self, case: Case, outcome: str) -> None:
        self.counts.setdefault(case.dtype or "other dtypes", Counter())[outcome] += 1

    def part(self) -> Part:
        counts = {
            dtype: {"run": found["passed"] + found["failed"], **{kind: found[kind] for kind in OUTCOMES}}
            for dtype, found in self.counts.items()
        }
        return {"counts": counts, "skipped": dict(self.skipped.most_common()), "failures": self.failures}


def try_samples(xp: Any, quick: bool) -> Part:
    """Check every sample in every dtype; when `quick`, the first sample of each op in float32.

    On the CPU, which is the NumPy backend itself, the comparison shows that nothing fails and that results are as
    declared; its gradients are compared with finite differences.
    """
    samples = [sample for listed in SAMPLES.values() for sample in listed[: 1 if quick else None]]
    dtypes = ("float32",) if quick else FLOATING
    every = [case for sample in samples for case in cases_of(sample, dtypes)]
    draws = [case for case in every if case.sample.op in GENERATOR_OPS]
    checks = {
        "against NumPy": _tally(every, skip_reason, lambda case: compare(case, xp), xp),
        "draws, repeated": _tally(draws, lambda case: None, lambda case: _check_draw(case, xp), xp),
    }
    if xp.name == "cpu":
        sloped = [Case(s, "float64") for s in samples if OPS[s.op].differentiable and any(t.grad for t in s.tensors())]
        checks["gradients against finite differences"] = _tally(sloped, _no_slope, _check_slope, xp)
    return {"ok": not any(tally.failures for tally in checks.values()), **{n: t.part() for n, t in checks.items()}}


def _tally(
    chosen: list[Case], reason_of: Callable[[Case], str | None], check: Callable[[Case], None], xp: Any
) -> Tally:
    tally = Tally()
    for number, case in enumerate(chosen, 1):
        try:
            reason = reason_of(case)
            if reason is None:
                check(case)
        except Exception as error:  # a sample may fail in any way; go on with the others
            tally.fail(case, error)
            if not _answers(xp):
                tally.abandon(chosen[number:])
                break
        else:
            tally.done(case, reason)
    return tally


def _check_draw(case: Case, xp: Any) -> None:
    """Raise unless a draw is as declared, and repeats once its generator's state is restored."""
    run = Run(case.sample, case.dtype, engine=Engine(xp, Budget(1 << 30)))
    assert run.spec.generator_slot is not None
    generator = run.args[run.spec.generator_slot]
    before = generator.snapshot()
    first = [xp.to_host(out.data).tobytes() for out in checked_call(run)]
    generator.restore(before)
    if [xp.to_host(out.data).tobytes() for out in run.call()] != first:
        raise Differs("another draw from the same place of the generator's stream")


def _no_slope(case: Case) -> str | None:
    if case.sample.op in GENERATOR_OPS:
        return "a draw"
    return None if case.sample.smooth else "not smooth there"


def _check_slope(case: Case) -> None:
    slope, measured = slopes(case.sample)
    if not math.isclose(slope, measured, rel_tol=1e-5, abs_tol=1e-6):
        raise Differs(f"the gradient gives a slope of {slope}, finite differences {measured}")


def _answers(xp: Any) -> bool:
    """Whether the device still works after a failure: some CUDA errors are final for the process."""
    try:
        xp.synchronize()
    except Exception:  # any CUDA error: the failure itself is already reported
        return False
    return True
