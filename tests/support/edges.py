"""Inputs at the edge for every sample of a differentiable op, and where the engine and PyTorch differ on them.

Edges are zeros of both signs, ties, an op's own bounds, the largest and smallest numbers, infinities, nan.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from telegrad_protocol.spec import OPS
from telegrad_server.samples import Sample, T
from telegrad_server.samples.base import FLOATING

from .engine import Run, torch_call, weights

INF, NAN = math.inf, math.nan
HUGE = {"float64": 1e200, "float32": 1e30}
COMMON = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, -3.0, -3.5, 6.0, 20.0, 0.1)
EPSILON = {name: float(np.finfo(name).eps) for name in ("float64", "float32")}
TOLERANCE = {"float64": {"rtol": 1e-7, "atol": 1e-12}, "float32": {"rtol": 3e-5, "atol": 1e-6}}

# Ops with another name in PyTorch.
PEERS: dict[str, Callable[..., Any]] = {
    "_max_dim": lambda t, *args: t.max(*args),
    "_min_dim": lambda t, *args: t.min(*args),
    "_median_dim": lambda t, *args: t.median(*args),
    "_nanmedian_dim": lambda t, *args: t.nanmedian(*args),
    "_max_pool1d_with_indices": lambda t, *args: t.nn.functional.max_pool1d(*args, return_indices=True),
    "_max_pool2d_with_indices": lambda t, *args: t.nn.functional.max_pool2d(*args, return_indices=True),
    "_max_pool3d_with_indices": lambda t, *args: t.nn.functional.max_pool3d(*args, return_indices=True),
    "_adaptive_max_pool2d_with_indices": lambda t, *args: t.nn.functional.adaptive_max_pool2d_with_indices(*args),
    "_huber": lambda t, x, y, delta: t.nn.functional.huber_loss(x, y, reduction="none", delta=delta),
    "_bernoulli_nll": lambda t, x, y: t.nn.functional.binary_cross_entropy(x, y, reduction="none"),
    "_cross_entropy_rows": lambda t, x, y, weight, ignored, reduction, smoothing: t.nn.functional.cross_entropy(
        x, y, weight, ignore_index=ignored, reduction=reduction, label_smoothing=smoothing
    ),
    "_batch_norm_eval": lambda t, x, mean, var, weight, bias, eps: t.nn.functional.batch_norm(
        x, mean, var, weight, bias, eps=eps
    ),
    "_scatter_extremum": lambda t, x, dim, index, src, largest, include_self: x.scatter_reduce(
        dim, index, src, "amax" if largest else "amin", include_self=include_self
    ),
    "copy": lambda t, x, source: x.clone().copy_(source),
}


# PyTorch's vector code and its scalar code, which takes what is left over and is CUDA's too, part here at nan.
SCALAR = set("elu celu selu gelu hardswish hardtanh relu6 hardshrink softshrink".split())


class Case(NamedTuple):
    """One set of arrays for a sample's tensors."""

    name: str
    arrays: list[np.ndarray]


ELEMENTWISE = ("arithmetic", "comparison", "transcendental", "activation")
"""Families of functions that are computed element by element."""


def elementwise(sample: Sample) -> bool:
    """Whether operands may have any one shape: all pairs of edge values then fit one call."""
    elsewhere = sample.op in ("fill", "copy", "masked_fill")
    plain = (OPS[sample.op].family in ELEMENTWISE or elsewhere) and sample.op not in ("glu", "prelu", "_gelu_backward")
    tensors = sample.tensors()
    known = all(t.grad or t.dtype == "bool" for t in tensors)
    return plain and known and (len(tensors) == 1 or all(t.shape for t in tensors))


def numbers(sample: Sample) -> list[float]:
    """The numbers among the arguments, and their negatives: bounds, most likely."""
    found = [float(a) for a in sample.args if type(a) in (int, float)]
    return found + [-number for number in found]


def cases(sample: Sample, dtype: str, huge: bool = True) -> Iterator[Case]:
    """The sample's tensors with edge values, those that have no gradient left as they are."""
    if elementwise(sample):
        whole = _products(sample, dtype, huge)
        yield from _one_by_one(whole) if sample.op in SCALAR else (whole,)
        return
    tensors = sample.tensors()
    base = [t.make(seed, dtype) for seed, t in enumerate(tensors)]
    for value in (0.0, 0.5, 1.0, -1.0, INF, -INF, NAN):
        yield Case(
            f"all {value}", [np.full_like(b, value) if t.grad else b for b, t in zip(base, tensors, strict=True)]
        )
    for chosen in range(len(tensors) if len(tensors) > 1 else 0):
        if tensors[chosen].grad:
            yield Case(f"zeros in {chosen}", [np.zeros_like(b) if i == chosen else b for i, b in enumerate(base)])
    yield from _sprinkled(sample, tensors, base)


def _sprinkled(sample: Sample, tensors: list[T], base: list[np.ndarray]) -> Iterator[Case]:
    kinds = {
        "zeros": [0.0],
        "ties": [0.0, 1.0],
        "bounds": [1.0, -1.0, 0.0, *numbers(sample)],
        "inf": [INF],
        "-inf": [-INF],
        "nan": [NAN],
        "infinities": [0.0, 1.0, INF, -INF],
        "all kinds": [0.0, INF, NAN, -INF, 1.0],
    }
    for seed, (name, pool) in enumerate(kinds.items()):
        rng = np.random.default_rng(seed)
        mixed = [np.where(rng.random(b.shape) < 0.4, rng.choice(pool, b.shape), b).astype(b.dtype) for b in base]
        yield Case(f"some {name}", [m if t.grad else b for m, b, t in zip(mixed, base, tensors, strict=True)])


def _products(sample: Sample, dtype: str, huge: bool) -> Case:
    """Every value with every other."""
    limit = HUGE[dtype]
    extreme = (limit, -limit, 1 / limit) if huge else ()
    pool = list({str(v): v for v in (*COMMON, *extreme, *numbers(sample), INF, -INF, NAN)}.values())
    pools = [pool if t.dtype in FLOATING else [0.0, 1.0] for t in sample.tensors()]
    table = np.array(list(itertools.product(*pools)))
    return Case(
        "all pairs",
        [table[:, i].astype(dtype if t.dtype in FLOATING else t.dtype) for i, t in enumerate(sample.tensors())],
    )


def _one_by_one(case: Case) -> Iterator[Case]:
    for i in range(len(case.arrays[0])):
        yield Case(f"{case.name}, {i}", [a[i : i + 1] for a in case.arrays])


def peer(sample: Sample, values: list[Any]) -> tuple[Any, ...]:
    """PyTorch's results of the sample's call on these tensors."""
    if sample.op not in PEERS:
        return torch_call(sample, values)
    import torch

    queue = iter(values)
    result = PEERS[sample.op](torch, *[next(queue) if isinstance(a, T) else a for a in sample.args])
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def incoming(shape: tuple[int, ...], salt: int, wild: bool) -> np.ndarray:
    """The gradient of a result: no two alike, and every other one zero, infinite or nan if `wild`."""
    plain = weights(shape, salt, np.float64)
    rng = np.random.default_rng(salt)
    return np.where(rng.random(shape) < 0.5, rng.choice([INF, -INF, NAN, 0.0], shape), plain) if wild else plain


def differences(sample: Sample, case: Case, dtype: str, wild: bool = False, values: bool = True) -> list[str]:
    """Where results and gradients differ from PyTorch's; nothing where PyTorch refuses the values."""
    import torch

    inputs = [torch.tensor(a).requires_grad_(t.grad) for a, t in zip(case.arrays, sample.tensors(), strict=True)]
    try:
        with warnings.catch_warnings(action="ignore"):
            expected = peer(sample, inputs)
    except (RuntimeError, ValueError, IndexError):
        return []
    run = Run(sample, dtype, case.arrays)
    found = []
    for i, (out, want) in enumerate(zip(run.call(), expected, strict=sample.op not in PEERS)):
        if values or want.is_floating_point():
            found += _apart(f"{case.name}: result {i}", out.data, want, case, dtype)
    if not run.spec.differentiable:
        return found
    return found + _gradient_differences(run, expected, inputs, case, dtype, wild)


def _gradient_differences(
    run: Run, expected: tuple[Any, ...], inputs: list[Any], case: Case, dtype: str, wild: bool
) -> list[str]:
    import torch

    floats = [want for want in expected if want.is_floating_point()]
    given = [incoming(tuple(want.shape), i, wild) for i, want in enumerate(floats)]
    theirs = [(want, torch.from_numpy(g).to(want.dtype)) for want, g in zip(floats, given, strict=True)]
    theirs = [(want, g) for want, g in theirs if want.requires_grad]
    leaves = [t for t in inputs if t.requires_grad]
    if not theirs or not leaves:
        return []
    wanted = torch.autograd.grad([o for o, _ in theirs], leaves, [g for _, g in theirs], allow_unused=True)
    ours = [(out, g.astype(out.data.dtype)) for out, g in zip(run.floating(), given, strict=False)]
    found = []
    for i, (got, want) in enumerate(zip(run.pull(ours), wanted, strict=True)):
        name = f"{case.name}: gradient {i}"
        if want is None and got is not None and not got.any():
            continue  # zeros where PyTorch has None, as of a norm of order 0
        if (got is None) != (want is None):
            found.append(f"{name} is {'absent' if got is None else 'there'}")
        elif got is not None:
            found += _apart(name, got, want, case, dtype)
    return found


def _apart(name: str, got: Any, want: Any, case: Case, dtype: str) -> list[str]:
    ours, theirs = np.asarray(got, np.float64), want.detach().double().numpy()
    if ours.shape != theirs.shape:
        return [f"{name} has shape {ours.shape}, not {theirs.shape}"]
    # What cancels out leaves an error as large as the numbers were.
    scale = np.max(np.abs(theirs[np.isfinite(theirs)]), initial=0.0)
    near = {"rtol": TOLERANCE[dtype]["rtol"], "atol": max(TOLERANCE[dtype]["atol"], 8 * EPSILON[dtype] * scale)}
    differ = np.argwhere(~np.isclose(ours, theirs, equal_nan=True, **near))
    return [
        f"{name}{list(map(int, at))} is {ours[tuple(at)]}, not {theirs[tuple(at)]}, "
        f"at {[float(a[tuple(at)]) for a in case.arrays if a.shape == ours.shape]}"
        for at in differ
    ]


def refused_by_torch(sample: Sample, case: Case) -> bool:
    """Whether PyTorch raises; a TypeError tells of how the call is spelt, which this cannot, and skips the test."""
    import pytest
    import torch

    inputs = [torch.tensor(a).requires_grad_(t.grad) for a, t in zip(case.arrays, sample.tensors(), strict=True)]
    try:
        with warnings.catch_warnings(action="ignore"):
            peer(sample, inputs)
    except TypeError as error:
        pytest.skip(f"not called so in PyTorch: {str(error)[:80]}")
    except (RuntimeError, ValueError, IndexError, ZeroDivisionError):
        return True
    return False
