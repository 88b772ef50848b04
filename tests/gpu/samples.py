"""Op samples on another backend, compared with NumPy: values, metadata and first gradients.

for case in cases(("reduce", "scan")):
    reason = skip_reason(case)
    ...
    compare(case, engine)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from support.engine import GENERATOR_OPS, Run

from telegrad_protocol.errors import TelegradError
from telegrad_protocol.spec import OPS
from telegrad_server.kernels import KERNELS
from telegrad_server.samples import SAMPLES, Sample
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import Engine
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.tensor import Tensor

# Sums in another order, elementary functions of another library. Half precision is rounded after every op, and NumPy
# rounds the terms of a sum where a device does not.
TOLERANCES: Final = {
    "float64": {"rtol": 1e-9, "atol": 1e-10},
    "float32": {"rtol": 1e-4, "atol": 1e-5},
    "float16": {"rtol": 1e-2, "atol": 1e-2},
    "bfloat16": {"rtol": 6e-2, "atol": 6e-2},
}


class Case(NamedTuple):
    """A sample with its floating tensors in `dtype`; None where it has none, and stands for itself."""

    sample: Sample
    dtype: str | None

    def __str__(self) -> str:
        return f"{self.dtype or 'own'}-{self.sample}"


class Result(NamedTuple):
    """What a run gave, on the host: values and gradients (None: no path), and their dtypes."""

    values: list[np.ndarray]
    gradients: list[np.ndarray | None]


def family_of(op: str) -> str:
    """The module that declares an op."""
    kernel = KERNELS[op]
    return (kernel.run or kernel.composite).__module__.rpartition(".")[2]  # type: ignore[union-attr]


def cases(families: Iterable[str], dtypes: Iterable[str] = FLOATING) -> Iterator[Case]:
    """Every sample of the families, in each dtype that it can have."""
    families, dtypes = set(families), tuple(dtypes)
    for op, samples in SAMPLES.items():
        if family_of(op) in families:
            for sample in samples:
                floating = any(t.dtype in FLOATING for t in sample.tensors())
                yield from (Case(sample, dtype) for dtype in (dtypes if floating else (None,)))


def skip_reason(case: Case) -> str | None:
    """Why a case is not compared: draws differ from generator to generator, or NumPy itself refuses the dtype."""
    if case.sample.op in GENERATOR_OPS:
        return "a draw: compared with the reference of its own generator"
    expected = _expected(case)
    return f"NumPy refuses {case.dtype}: {expected}" if isinstance(expected, str) else None


def compare(case: Case, xp: Any) -> None:
    """Run a case on `xp`, and raise AssertionError where it differs from NumPy."""
    expected = _expected(case)
    assert isinstance(expected, Result), expected
    run = Run(case.sample, case.dtype, engine=Engine(xp, Budget(1 << 30)))
    inferred = run.spec.infer(run.args)
    outs = run.call()
    if run.spec.settled:
        assert [(out.shape, out.dtype) for out in outs] == [(m.shape, m.dtype) for m in inferred.metas]
    for out in outs:
        _check_memory(run, out, inferred.offset is not None)
    tolerance = TOLERANCES[_precision(case, outs)]
    for out, want in zip(outs, expected.values, strict=True):
        _same(xp.to_host(out.data), want, tolerance)
    if not OPS[case.sample.op].differentiable:
        return
    for g, want, source in zip(run.grads(), expected.gradients, run.differentiable(), strict=True):
        assert (g is None) == (want is None)
        if want is not None:
            assert g.dtype == xp.dtype(source.dtype), f"a gradient in {g.dtype} for a tensor of {source.dtype.name}"
            _same(xp.to_host(g), want, _looser(tolerance))
    xp.raise_faults()


def _expected(case: Case) -> Result | str:
    """What NumPy gives, or what it refuses the case with."""
    run = Run(case.sample, case.dtype)
    try:
        outs = run.call()
        gradients = run.grads() if OPS[case.sample.op].differentiable else []
    except TelegradError as error:
        return error.message
    return Result([np.array(out.data) for out in outs], [None if g is None else np.array(g) for g in gradients])


def _check_memory(run: Run, out: Tensor, view: bool) -> None:
    assert out.data.shape == out.shape
    assert out.data.dtype == run.engine.xp.dtype(out.dtype), f"{out.data.dtype} where {out.dtype.name} was declared"
    if not view:
        assert out.data.flags.c_contiguous


def _precision(case: Case, outs: tuple[Tensor, ...]) -> str:
    """The least precise floating dtype at work."""
    named = [t.dtype for t in case.sample.tensors() if t.dtype in FLOATING]
    used = [case.dtype] if case.dtype else named
    used += [out.dtype.name for out in outs if out.dtype.is_floating_point]
    order = list(reversed(list(TOLERANCES)))
    return min((name for name in used if name), key=order.index, default="float64")


def _looser(tolerance: dict[str, float]) -> dict[str, float]:
    """For gradients, which are a chain of ops."""
    return {name: 4 * value for name, value in tolerance.items()}


def _same(found: np.ndarray, expected: np.ndarray, tolerance: dict[str, float]) -> None:
    if found.dtype.kind in "fV":
        np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64), **tolerance)
    else:
        np.testing.assert_array_equal(found, expected)
