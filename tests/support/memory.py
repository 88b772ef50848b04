"""How much memory an op takes: samples made large, each run in a process of its own, forked off a warmed-up one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OutOfMemory
from telegrad_protocol.shapes import meta
from telegrad_protocol.spec import OPS
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.checks.run import Run
from telegrad_server.samples import SAMPLES, Sample, T
from telegrad_server.worker.engine import Engine
from telegrad_server.worker.memory import SLACK, Budget

MIB: Final = 1 << 20
LIMIT: Final = 500 * MIB
TARGET: Final = 128 * MIB
"""Bytes of a large sample's inputs or results, all elements counted."""

SECONDS: Final = 60
"""Seconds after which a case is given up."""


@dataclass
class Case:
    """A sample made large: its dimensions of size `size` become `factor` times as long; by strides of 0 if `expanded`."""

    sample: Sample
    size: int
    factor: int
    expanded: bool

    def __str__(self) -> str:
        return f"{self.sample} x{self.factor} of {self.size}{' expanded' if self.expanded else ''}"

    def args(self) -> tuple[Any, ...]:
        return _replaced(self.sample.args, self.size, self.size * self.factor)


@dataclass
class Taken:
    """The memory that a case took, in bytes: as the allocator counted it, and as the system saw it."""

    outcome: str
    admitted: int
    resident: int

    @property
    def within(self) -> bool:
        return self.resident <= 1.2 * min(self.admitted, LIMIT + SLACK) + 64 * MIB


def _replaced(value: Any, size: int, new: int, numbers: bool = False) -> Any:
    if isinstance(value, T):
        shape = tuple(new if n == size else n for n in value.shape)
        if shape == value.shape:
            return value
        values = None if value.values is None else np.resize(value.values, shape)
        return T(*shape, dtype=value.dtype, low=value.low, high=value.high, values=values, grad=value.grad)
    if isinstance(value, tuple):
        return tuple(_replaced(item, size, new, numbers) for item in value)
    return new if numbers and type(value) is int and value == size else value


def _bytes(sample: Sample) -> int:
    """The bytes of the inputs or of the results, whichever are more. Raises if the op does not take them."""
    engine = Engine(NumpyBackend(), Budget(1 << 60))
    small = np.zeros((), np.uint8)

    def stand_in(value: Any) -> Any:
        if isinstance(value, T):
            tensor = engine.wrap(small)
            tensor._meta = meta(value.shape, dtypes.BY_NAME[value.dtype], (0,) * len(value.shape))
            return tensor
        return tuple(map(stand_in, value)) if isinstance(value, tuple) else value

    spec = OPS[sample.op]
    args = spec.convert(tuple(map(stand_in, sample.args)))
    inputs = sum(int(np.prod(t.shape)) * np.dtype(np.float32).itemsize for t in sample.tensors())
    return max(inputs, sum(m.nbytes for m in spec.infer_afresh(args).metas) if spec.static_shape else 0)


def cases(op: str) -> Iterator[Case]:
    """Two samples of an op, each along one of its sizes, as large as `TARGET` lets them be; the first also dense."""
    found = 0
    for sample in SAMPLES[op]:
        if any(0 in t.shape for t in sample.tensors()):
            continue
        for size in sorted({n for t in sample.tensors() for n in t.shape if n > 1}):
            large = _enlarged(sample, size) if found < 2 else None
            if large is not None:
                yield Case(*large, True)
                if not found:
                    yield Case(*large, False)
                found += 1
                break  # the next sample, which may be of another dtype or have other arguments


def _enlarged(sample: Sample, size: int) -> tuple[Sample, int, int] | None:
    for numbers in (False, True):
        best, factor = None, 2
        while factor < TARGET:
            large = sample._replace(args=_replaced(sample.args, size, size * factor, numbers))
            try:
                if _bytes(large) > TARGET:
                    break
            except Exception:  # the op does not take it: try another size
                break
            best, factor = (large, size, factor), factor * 2
        if best is not None and best[2] >= 16:
            return best
    return None


def measure(case: Case) -> Taken:
    """Run a case, forward and backward, in a forked process that has `LIMIT` bytes."""
    told = in_a_process(lambda: _run(case))
    return Taken("given up", 0, 0) if told is None else Taken(*told)


def in_a_process(function: Callable[[], Any]) -> Any:
    """The function's result from a forked process, through JSON; None if the process does not end well."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.alarm(SECONDS)
            os.write(writer, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else None


def _run(case: Case) -> tuple[str, int, int]:
    xp = NumpyBackend()
    xp.count_memory()
    counted = xp._counted
    assert counted is not None
    xp.give_back()
    base, before = _status("VmRSS"), counted.used
    run = Run(case.sample, arrays=_arrays(case), engine=Engine(xp, Budget(LIMIT)))
    _expand(case, run)
    xp.give_back()
    Path("/proc/self/clear_refs").write_text("5")
    counted.reset_peak()
    xp.hold_to(before + LIMIT + SLACK)
    try:
        run.call()
        _backward(run, case.expanded)
        outcome = "done"
    except OutOfMemory:
        outcome = "refused"
    except (RuntimeError, ValueError, MemoryError) as error:
        outcome = f"{type(error).__name__}: {error}"[:100]
    return outcome, counted.peak - before, _status("VmHWM") - base


def _arrays(case: Case) -> list[np.ndarray]:
    """The inputs; those to be expanded have 1 where they will be large."""
    return [_narrowed(case, t).make(seed) for seed, t in enumerate(case.sample.tensors())]


def _narrowed(case: Case, t: T) -> T:
    long = case.size * case.factor
    if not case.expanded or long not in t.shape:
        return t
    shape = tuple(1 if n == long else n for n in t.shape)
    values = None if t.values is None else np.asarray(t.values)[tuple(slice(n) for n in shape)]
    return T(*shape, dtype=t.dtype, low=t.low, high=t.high, values=values)


def _expand(case: Case, run: Run) -> None:
    """Show the inputs in the sample's shapes, by strides of 0."""
    for tensor, t in zip(run.inputs, case.sample.tensors(), strict=True):
        if tensor.shape != t.shape:
            tensor.data = run.engine.xp.broadcast_to(tensor.data, t.shape)
            steps = tuple(step // tensor.data.itemsize for step in tensor.data.strides)
            tensor._meta = meta(t.shape, tensor.dtype, steps)


def _backward(run: Run, expanded: bool) -> None:
    xp = run.engine.xp
    roots = []
    for out in run.floating():
        one = xp.ones((), out.dtype)
        roots.append((out, xp.broadcast_to(one, out.shape) if expanded else xp.ones(out.shape, out.dtype)))
    if any(out.requires_grad for out, _ in roots):
        try:
            run.pull(roots)
        except MemoryError as error:
            raise OutOfMemory(str(error)) from None


def _status(name: str) -> int:
    """A figure of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


def table(rows: list[tuple[Case, Taken]]) -> str:
    """Op, admitted and peak over base in MiB, the outcome, the call; the worst first."""
    rows = sorted(rows, key=lambda row: 1.2 * row[1].admitted - row[1].resident)
    lines = [f"{'op':28}{'admitted':>10}{'peak':>10}  outcome  call"]
    for case, taken in rows:
        admitted, peak = taken.admitted / MIB, taken.resident / MIB
        lines.append(f"{case.sample.op:28}{admitted:10.1f}{peak:10.1f}  {taken.outcome}  {case}")
    return "\n".join(lines) + "\n"
