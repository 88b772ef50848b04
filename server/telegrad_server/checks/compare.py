"""Op samples on another backend, compared with NumPy: values, metadata and first gradients; and on NumPy itself,
gradients compared with finite differences.

for case in cases(("reduction", "scan")):
    reason = skip_reason(case)
    ...
    compare(case, xp)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np

from telegrad_protocol.devices import ProcessDevice
from telegrad_protocol.errors import TelegradError
from telegrad_protocol.spec import OPS
from telegrad_server.samples import SAMPLES, Sample
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import Engine
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.tensor import Tensor

from .run import GENERATOR_OPS, Run, seeded, weights

# Sums in another order, elementary functions of another library. Half precision is rounded after every op, and NumPy
# rounds the terms of a sum where a device does not.
TOLERANCES: Final = {
    "float64": {"rtol": 1e-9, "atol": 1e-10},
    "float32": {"rtol": 1e-4, "atol": 1e-5},
    "float16": {"rtol": 1e-2, "atol": 1e-2},
    "bfloat16": {"rtol": 6e-2, "atol": 6e-2},
}


class Differs(AssertionError):
    """A sample gives a wrong result."""


class Case(NamedTuple):
    """A sample with its floating tensors in `dtype`; None for a sample without floating tensors."""

    sample: Sample
    dtype: str | None

    def __str__(self) -> str:
        return f"{self.dtype or 'own'}-{self.sample}"


class Result(NamedTuple):
    """The values and gradients (None: no path) of a run, on the host."""

    values: list[np.ndarray]
    gradients: list[np.ndarray | None]


def cases(families: Iterable[str], dtypes: Iterable[str] = FLOATING) -> Iterator[Case]:
    """Every sample of the families, in each dtype that it can have."""
    families, dtypes = set(families), tuple(dtypes)
    unknown = families - {spec.family for spec in OPS.values()}
    if unknown:
        raise ValueError(f"no op is of the families {sorted(unknown)}")
    for op, samples in SAMPLES.items():
        if OPS[op].family in families:
            for sample in samples:
                yield from cases_of(sample, dtypes)


def cases_of(sample: Sample, dtypes: Iterable[str]) -> Iterator[Case]:
    """A sample in each dtype that it can have."""
    floating = any(t.dtype in FLOATING for t in sample.tensors())
    yield from (Case(sample, dtype) for dtype in (dtypes if floating else (None,)))


def skip_reason(case: Case) -> str | None:
    """Why a case is not compared, or None: generators draw different numbers; NumPy refuses some dtypes."""
    if case.sample.op in GENERATOR_OPS:
        return "a draw: another generator gives other numbers"
    expected = _expected(case)
    return f"NumPy refuses {case.dtype}: {expected}" if isinstance(expected, str) else None


def compare(case: Case, xp: Any) -> None:
    """Run a case on `xp`, and raise `Differs` where it differs from NumPy."""
    expected = _expected(case)
    if isinstance(expected, str):
        raise Differs(f"NumPy refuses {case.dtype}: {expected}")
    run = Run(case.sample, case.dtype, engine=Engine(xp, Budget(1 << 30)))
    outs = checked_call(run)
    tolerance = TOLERANCES[_precision(case, outs)]
    for i, (out, want) in enumerate(zip(outs, expected.values, strict=True)):
        _check_same(f"result {i}", xp.to_host(out.data), want, tolerance)
    if OPS[case.sample.op].differentiable:
        _compare_gradients(run, expected.gradients, _looser(tolerance))
    xp.raise_faults()


def checked_call(run: Run) -> tuple[Tensor, ...]:
    """The results of a run. Raises `Differs` where metadata or memory is not as declared."""
    inferred = run.spec.infer(run.args)
    outs = run.call()
    if run.spec.static_shape:
        found, declared = [(o.shape, o.dtype) for o in outs], [(m.shape, m.dtype) for m in inferred.metas]
        if found != declared:
            raise Differs(f"results are {found} where {declared} were inferred")
    for out in outs:
        _check_memory(run, out, inferred.offset is not None)
    return outs


def _compare_gradients(run: Run, expected: list[np.ndarray | None], tolerance: dict[str, float]) -> None:
    xp = run.engine.xp
    for i, (g, want, source) in enumerate(zip(run.grads(), expected, run.differentiable(), strict=True)):
        if (g is None) != (want is None):
            raise Differs(f"gradient {i}: {'none' if g is None else 'one'}, unlike NumPy")
        if want is None:
            continue
        if g.dtype != xp.dtype(source.dtype):
            raise Differs(f"gradient {i} is in {g.dtype} for a tensor of {source.dtype.name}")
        _check_same(f"gradient {i}", xp.to_host(g), want, tolerance)


def slopes(sample: Sample) -> tuple[float, float]:
    """The slope along a random direction by gradients and by finite differences, on NumPy in float64.

    (L(x + h d) - L(x - h d)) / 2h = <grad, d>, with L the weighted sum of all floating results.
    """
    run = Run(sample, "float64")
    run.call()
    grads = iter(run.grads())
    rng = np.random.default_rng(7)
    arrays, steps, slope = seeded(sample, "float64"), [], 0.0
    for array, t in zip(arrays, sample.tensors(), strict=True):
        direction = rng.uniform(-1, 1, array.shape) if t.grad else np.zeros(array.shape)
        steps.append(direction)
        if t.grad and (g := next(grads)) is not None:
            slope += float(np.sum(g * direction))
    h = 1e-6
    ahead = _objective(sample, [_stepped(a, h, d) for a, d in zip(arrays, steps, strict=True)])
    behind = _objective(sample, [_stepped(a, -h, d) for a, d in zip(arrays, steps, strict=True)])
    return slope, (ahead - behind) / (2 * h)


def _stepped(array: np.ndarray, h: float, direction: np.ndarray) -> np.ndarray:
    return array + h * direction if array.dtype == np.float64 else array


def _objective(sample: Sample, arrays: list[np.ndarray]) -> float:
    run = Run(sample, arrays=arrays)
    run.call()
    return sum(float(np.sum(o.data * weights(o.shape, i, o.data.dtype))) for i, o in enumerate(run.floating()))


def _expected(case: Case) -> Result | str:
    """NumPy's result, or the message of its error."""
    with located("cpu"):
        run = Run(case.sample, case.dtype)
        try:
            outs = run.call()
            gradients = run.grads() if OPS[case.sample.op].differentiable else []
        except TelegradError as error:
            return error.message
    return Result([np.array(out.data) for out in outs], [None if g is None else np.array(g) for g in gradients])


@contextmanager
def located(device: str) -> Iterator[None]:
    """In the block, a tensor without a named device is on `device`."""
    before, ProcessDevice.device = ProcessDevice.device, device
    try:
        yield
    finally:
        ProcessDevice.device = before


def _check_memory(run: Run, out: Tensor, view: bool) -> None:
    if out.data.shape != out.shape:
        raise Differs(f"an array of shape {out.data.shape} where {out.shape} was declared")
    if out.data.dtype != run.engine.xp.dtype(out.dtype):
        raise Differs(f"{out.data.dtype} where {out.dtype.name} was declared")
    if not (view or out.data.flags.c_contiguous):
        raise Differs("a result is not contiguous")


def _precision(case: Case, outs: tuple[Tensor, ...]) -> str:
    """The least precise floating dtype of a case's inputs and results."""
    named = [t.dtype for t in case.sample.tensors() if t.dtype in FLOATING]
    used = [case.dtype] if case.dtype else named
    used += [out.dtype.name for out in outs if out.dtype.is_floating_point]
    order = list(reversed(list(TOLERANCES)))
    return min((name for name in used if name), key=order.index, default="float64")


def _looser(tolerance: dict[str, float]) -> dict[str, float]:
    """The tolerance for gradients, which come from a chain of ops."""
    return {name: 4 * value for name, value in tolerance.items()}


def _check_same(what: str, found: np.ndarray, expected: np.ndarray, tolerance: dict[str, float]) -> None:
    """Raise `Differs` for arrays that are not equal, or not close where they are floating."""
    if found.shape != expected.shape:
        raise Differs(f"{what} has shape {found.shape}, not {expected.shape}")
    if found.dtype.kind in "fV":
        found, expected = found.astype(np.float64), expected.astype(np.float64)
        wrong = ~np.isclose(found, expected, **tolerance, equal_nan=True)
    else:
        wrong = found != expected
    if np.any(wrong):
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise Differs(
            f"{what} differs at {np.count_nonzero(wrong)} of {wrong.size} places, first at {list(first)}: "
            f"{found[first]} where NumPy gives {expected[first]}"
        )
