"""Values and first gradients at the edges of every op, where there is no derivative or no number: PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.edges import ELEMENTWISE, PEERS, Case, cases, differences, elementwise, refused_by_torch
from support.engine import GENERATOR_OPS, Run, new_engine

from telegrad_protocol.spec import OPS
from telegrad_server.kernels import IMPLS
from telegrad_server.samples import SAMPLES, Sample, T
from telegrad_server.worker.engine import backward_pass
from telegrad_server.worker.tensor import edge_of

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
np.seterr(all="ignore")


def extra(op: str, *args: Any, **kwargs: Any) -> Sample:
    return Sample(op, OPS[op].bind(*args, **kwargs))


X = T(3, 4)
EXTRA = [
    *[extra("pow", base, X) for base in (0.0, -2.0, 1.0, math.inf)],
    *[extra("pow", X, exponent) for exponent in (0, 0.0, 1, 0.5, 3, -1, -0.5)],
    *[
        extra("clamp", X, X, None),
        extra("clamp", X, None, X),
        extra("clamp", X, -1.0, 1.0),
        extra("clamp", X, 2.0, 1.0),
    ],
    *[extra("lerp", X, X, weight) for weight in (0.0, 0.5, 1.0, -0.7)],
    *[extra("hardtanh", X, 0.0, 0.0), extra("threshold", X, 0.0, 0.0), extra("leaky_relu", X, -0.5)],
    *[extra("vector_norm", X, norm, dim) for norm in (0.5, 1.0, 1.5, 2.0, 3.0, math.inf, -math.inf) for dim in (0, 1)],
    *[extra(measure, X, 0, correction=correction) for measure in ("var", "std") for correction in (0, 1, 3, 4)],
    *[
        extra(extremum, X, dim, keepdim)
        for extremum in ("amax", "amin")
        for dim in (0, (0, 1))
        for keepdim in (False, True)
    ],
    *[extra("logsumexp", X, 0), extra("prod", X, 0), extra("softmax", X, 0), extra("log_softmax", X, 0)],
    *[extra("normalize", X, norm, 0) for norm in (1.0, 2.0, 3.0)],
    extra("cosine_similarity", T(3, 4), T(1, 4), 0),
]
EVERY = [
    sample
    for sample in [sample for samples in SAMPLES.values() for sample in samples] + EXTRA
    if OPS[sample.op].differentiable
    and sample.op not in GENERATOR_OPS
    and (sample.oracle or sample.op in PEERS)
    and any(t.grad for t in sample.tensors())
]

# Parts of ops that are tested under their own names: gradients and decompositions.
PARTS = set(
    """_gelu_backward _attention _conv _conv_input_grad _conv_weight_grad _embedding_backward _embedding_rows
    _index_backward _masked_scatter_backward _scatter_multiply _relu_backward _max_pool2d_backward _take_from_planes
    _avg_pool2d_backward _adaptive_avg_pool2d_backward _softmax_backward _batch_norm_train _recurrence
    _as_strided_backward _slice_backward _diagonal_backward _unfold_windows_backward _cast_like _checked_targets
    _tensordot""".split()
)
# Ops that only move or cast elements and that PyTorch reaches by indexing or by another call.
MOVES = set(
    """_block_diagonal meshgrid _repeat_interleave_each _slice_scatter _index _index_mask _pad_constant _interpolate
    as_strided_scatter _to_dtype _cast_to _slice _unfold_windows""".split()
)
# Undefined for equal eigenvalues.
UNDEFINED = {"eigh"}


def finite(case: Case) -> bool:
    return all(np.isfinite(a).all() for a in case.arrays if a.dtype.kind == "f")


def no_nan(case: Case) -> bool:
    return not any(np.isnan(a).any() for a in case.arrays if a.dtype.kind == "f")


def first_apart(case: Case) -> bool:
    """No ties in the input."""
    rows = case.arrays[0]
    return len(np.unique(rows)) == rows.size


# Ops that PyTorch leaves undefined at some edges: the cases that are compared, and why.
COMPARED: dict[str, tuple[Callable[[Case], bool], str]] = {
    "topk": (first_apart, "PyTorch names no order among equal elements"),
    "kthvalue": (first_apart, "PyTorch names no order among equal elements"),
    "mode": (no_nan, "PyTorch counts nan by the accidents of its sorting"),
    "_nanmedian_dim": (no_nan, "PyTorch names no order among nans"),
    "cosine_similarity": (lambda case: "bounds" not in case.name, "numbers around 1e8 that cancel out"),
    "prod": (finite, "PyTorch divides by the element, inf / inf"),
    "cumprod": (finite, "PyTorch divides by the element, inf / inf"),
    "scatter_reduce": (finite, "PyTorch divides by the element, inf / inf, for products"),
    "logcumsumexp": (finite, "PyTorch subtracts infinities"),
    "trapezoid": (finite, "PyTorch takes the ends away from the sum, inf - inf"),
    "cdist": (finite, "PyTorch's kernel for distances has rules of its own for inf - inf"),
    "layer_norm": (finite, "PyTorch folds an infinite weight into the mean"),
    "group_norm": (finite, "PyTorch folds an infinite weight into the mean"),
    "einsum": (finite, "PyTorch sums a dimension first that the other operand broadcasts over"),
    "cross_entropy": (finite, "PyTorch lets an infinity in an ignored row through when it smooths labels"),
    "_cross_entropy_rows": (finite, "PyTorch lets an infinity in an ignored row through when it smooths labels"),
    "binary_cross_entropy": (finite, "PyTorch refuses what is not in [0, 1]"),
    "binary_cross_entropy_with_logits": (finite, "PyTorch's terms for the target differ, inf - inf"),
    **dict.fromkeys(("inv", "det", "solve"), (finite, "LAPACK's pivots among infinities")),
    **dict.fromkeys(
        ("cholesky", "slogdet"), (lambda case: False, "PyTorch's gradients of singular matrices are accidental")
    ),
}
# Products and quotients that leave the dtype's range half-way, in one order of the factors and not in another.
NOT_HUGE = {"addcmul", "addcdiv", "remainder", "fmod"}
# Where an infinite gradient meets a mask: elements that it does not reach stay 0.
SELECTING = {*ELEMENTWISE, "sorting", "pooling", "resampling", "padding", "layout", "slicing", "joining", "embedding"}
SELECTS = {name for name, spec in OPS.items() if spec.family in SELECTING} | {"fill", "masked_fill", "kron"}
NOT_WILD = {"topk", "kthvalue", "mode", "quantile", "nanquantile", "xlogy", "local_response_norm"}


def test_families_are_named_as_declared() -> None:
    assert {spec.family for spec in OPS.values()} > SELECTING


def compared(sample: Sample, case: Case) -> bool:
    return sample.op not in COMPARED or COMPARED[sample.op][0](case)


def told(found: list[str]) -> str:
    return "\n".join([f"{len(found)} differences", *found[:20]])


def test_every_differentiable_op_is_compared_or_says_why_not() -> None:
    differentiable = {
        op
        for op, samples in SAMPLES.items()
        if OPS[op].differentiable and op not in GENERATOR_OPS and any(t.grad for s in samples for t in s.tensors())
    }
    assert differentiable - {s.op for s in EVERY} == (PARTS | MOVES | UNDEFINED) & differentiable
    assert set(COMPARED) | NOT_HUGE | NOT_WILD <= differentiable


@pytest.mark.parametrize("sample", EVERY, ids=str)
def test_values_and_gradients_at_the_edge_are_those_of_torch(sample: Sample) -> None:
    found: list[str] = []
    for case in cases(sample, "float64", huge=sample.op not in NOT_HUGE):
        if compared(sample, case):
            found += differences(sample, case, "float64")
    assert not found, told(found)


@pytest.mark.parametrize("sample", [s for s in EVERY if elementwise(s)], ids=str)
def test_single_precision_at_the_edge_is_that_of_torch(sample: Sample) -> None:
    found: list[str] = []
    for case in cases(sample, "float32", huge=sample.op not in NOT_HUGE):
        found += differences(sample, case, "float32")
    assert not found, told(found)


@pytest.mark.parametrize("sample", [s for s in EVERY if s.op in SELECTS - NOT_WILD], ids=str)
def test_gradients_that_are_no_numbers_reach_what_they_reach_in_torch(sample: Sample) -> None:
    found: list[str] = []
    for case in cases(sample, "float64", huge=False):
        if compared(sample, case):
            found += differences(sample, case, "float64", wild=True)
    assert not found, told(found)


# Known by name ----------------------------------------------------------------------------------------------------


def gradient(function: Callable[[Any], Any], values: Any, dtype: str = "float64") -> np.ndarray:
    x = torch.tensor(values, dtype=getattr(torch, dtype), requires_grad=True)
    function(x).sum().backward()
    return np.asarray(x.grad)


def ours(samples: list[Sample], values: Any, dtype: str = "float64") -> np.ndarray:
    """The gradient of the sum of ops in a row, each on the result of the one before."""
    engine = new_engine()
    leaf = engine.wrap(np.array(values, dtype))
    leaf.requires_grad = True
    out = leaf
    for sample in samples:
        args = tuple(
            [out if isinstance(a, T) and a.grad else a.make(0) if isinstance(a, T) else a for a in sample.args]
        )
        args = tuple([engine.wrap(a) if isinstance(a, np.ndarray) else a for a in args])
        out = engine.apply(IMPLS[sample.op], OPS[sample.op].convert(args), grad=True)
    backward = backward_pass(engine, create_graph=False, retain=False)
    backward.want([edge_of(leaf)], [edge_of(out)])
    backward.start(edge_of(out), np.ones_like(out.data), out._meta)
    backward.run()
    return np.asarray(backward.gradient_at(edge_of(leaf)))


def _chain(value: Any) -> str:
    chain = value if isinstance(value, list) and isinstance(value[0], Sample) else []
    return " of ".join(sample.op for sample in reversed(chain))


ONE = T(values=[1.0, 1.0], dtype="float64", grad=False)
F = torch.nn.functional


@pytest.mark.parametrize(
    ("samples", "function", "values"),
    [
        (
            [extra("sigmoid", X), extra("binary_cross_entropy", X, ONE)],
            lambda x: F.binary_cross_entropy(x.sigmoid(), torch.ones(2, dtype=x.dtype)),
            [17.0, 800.0],
        ),
        (
            [extra("binary_cross_entropy_with_logits", X, ONE)],
            lambda x: F.binary_cross_entropy_with_logits(x, torch.ones(2, dtype=x.dtype)),
            [0.0, -0.0],
        ),
        ([extra("std", X)], lambda x: x.std(), [2.0, 2.0, 2.0]),
        ([extra("std", X, 0)], lambda x: x.std(0), [[2.0, 1.0], [2.0, 3.0]]),
        ([extra("vector_norm", X, 3.0)], lambda x: x.norm(p=3), [0.0, 0.0]),
        ([extra("vector_norm", X, 0.5)], lambda x: x.norm(p=0.5), [0.0, 4.0]),
        ([extra("pow", X, 0.0)], lambda x: x**0.0, [0.0, math.inf, math.nan]),
        ([extra("pow", 0.0, X)], lambda x: 0.0**x, [0.0, 1.0, -1.0, math.nan]),
        ([extra("pow", -2.0, X)], lambda x: (-2.0) ** x, [0.0, 1.0, 0.5]),
        ([extra("relu", X)], lambda x: x.relu(), [math.nan, 0.0, -0.0, -math.inf]),
        ([extra("amax", X, 0)], lambda x: x.amax(0), [[1.0, 4.0, math.nan], [3.0, 4.0, 0.0]]),
        ([extra("softplus", X)], F.softplus, [0.0, -0.0, math.nan]),
        ([extra("logsigmoid", X)], F.logsigmoid, [0.0, math.inf, -math.inf]),
        ([extra("det", X)], torch.linalg.det, [[1.0, 2.0], [2.0, 4.0]]),
    ],
    ids=_chain,
)
def test_gradient_known_to_have_been_wrong(samples: list[Sample], function: Callable[[Any], Any], values: Any) -> None:
    np.testing.assert_allclose(ours(samples, values), gradient(function, values), rtol=1e-7)


def test_the_gradient_of_a_singular_matrix_is_no_failure() -> None:
    run = Run(extra("slogdet", X), "float64", [np.zeros((2, 2))])
    run.call()
    (found,) = run.grads()
    assert np.isinf(found[0, 0])


# 0 is a number ----------------------------------------------------------------------------------------------------


def zeroed(sample: Sample) -> list[Sample]:
    """The sample with one number, dimension or flag after the other replaced by 0, (0, ...), () or its opposite."""
    spec, found = OPS[sample.op], []
    for slot, (param, value) in enumerate(zip(spec.params, sample.args, strict=True)):
        if slot in spec.tensor_slots or isinstance(value, str) or param.name in ("dtype", "device", "rounding_mode"):
            continue
        for other in _zeros(param.name, value):
            if repr(other) != repr(value):
                args = tuple([other if i == slot else a for i, a in enumerate(sample.args)])
                found.append(sample._replace(args=args))
    return found


def _zeros(name: str, value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, tuple):
        return [(), tuple([0 for _ in value])] if all(type(v) is int for v in value) else []
    if value is None:
        return [0, ()] if name in ("dim", "dims") else [0]
    return [type(value)(0)] if type(value) in (int, float) else []


ZEROED = list(
    {
        str(sample): sample
        for samples in SAMPLES.values()
        for first in samples
        if first.oracle and first.op not in GENERATOR_OPS
        for sample in zeroed(first)
    }.values()
)
# Cases where 0, () or a flag is refused by one side alone, or leaves the result undefined.
NOT_ZEROED = {
    "embedding": "its max_norm and sparse are not supported",
    "take_along_dim": "PyTorch reads beyond its input there",
    "topk": "without `sorted`, PyTorch names no order",
    "adaptive_avg_pool1d": "PyTorch has no gradient of a result without elements",
    "adaptive_avg_pool2d": "PyTorch has no gradient of a result without elements",
    "adaptive_avg_pool3d": "PyTorch has no gradient of a result without elements",
    "adaptive_max_pool1d": "PyTorch has no gradient of a result without elements",
    "adaptive_max_pool2d": "PyTorch has no gradient of a result without elements",
    "conv2d": "PyTorch takes a dilation of 0 for an empty batch",
    "var": "PyTorch's gradient over no dimensions, (), is infinite",
    "std": "PyTorch's gradient over no dimensions, (), is infinite",
}


@pytest.mark.parametrize("sample", [s for s in ZEROED if s.op not in NOT_ZEROED], ids=str)
def test_zero_is_not_taken_for_absent(sample: Sample) -> None:
    case = Case("as drawn", [t.make(seed, "float64") for seed, t in enumerate(sample.tensors())])
    if refused_by_torch(sample, case):
        with pytest.raises((RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)):
            Run(sample, "float64", case.arrays).call()
        return
    found = differences(sample, case, "float64")
    assert not found, told(found)


# Without gradients ------------------------------------------------------------------------------------------------

FLAT = [
    sample
    for samples in SAMPLES.values()
    for sample in samples
    if not OPS[sample.op].differentiable
    and sample.oracle
    and sample.op not in GENERATOR_OPS
    and any(t.grad for t in sample.tensors())
]


@pytest.mark.parametrize("sample", FLAT, ids=str)
def test_values_without_gradients_at_the_edge_are_those_of_torch(sample: Sample) -> None:
    found: list[str] = []
    for case in cases(sample, "float64", huge=False):
        found += differences(sample, case, "float64")
    assert not found, told(found)
