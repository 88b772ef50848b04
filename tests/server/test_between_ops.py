"""Interplay of ops, for every op: shared memory, which inputs have gradients, in-place forms, backward twice.

The random programs of `tests/client/test_random_programs.py` try the same on whole graphs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.engine import GENERATOR_OPS, Run, seeded, torch_call

from telegrad_protocol.dtypes import can_cast
from telegrad_protocol.errors import GraphFreed, TelegradError
from telegrad_protocol.spec import OPS
from telegrad_server.checks.run import weights
from telegrad_server.kernels import IMPLS
from telegrad_server.samples import SAMPLES, Sample, T
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import apply_inplace, backward_pass
from telegrad_server.worker.tensor import Node, Tensor, edge_of

ALL = [sample for samples in SAMPLES.values() for sample in samples]
DIFFERENTIABLE = [s for s in ALL if OPS[s.op].differentiable and any(t.grad for t in s.tensors())]
INPLACE = [s for s in ALL if OPS[s.op].inplace and isinstance(s.args[0], T) and s.args[0].dtype in FLOATING]


def arrays_of(value: Any) -> list[np.ndarray]:
    """The arrays in a structure of tuples."""
    if isinstance(value, tuple | list):
        return [array for item in value for array in arrays_of(item)]
    return [value] if isinstance(value, np.ndarray) else []


@pytest.mark.parametrize("sample", ALL, ids=str)
def test_what_a_forward_sets_aside_is_nobody_elses(sample: Sample) -> None:
    run = Run(sample)
    for out in run.call():
        if out.node is None:
            continue
        for kept in arrays_of(out.node.aux):
            assert not any(np.may_share_memory(kept, t.data) for t in (*run.inputs, *run.outs))


INSIDE = {"_relu_backward", "_batch_norm_train"}
"""Ops that only gradients and `batch_norm` call; the callers use the results as the ops expect."""


@pytest.mark.parametrize("sample", [s for s in DIFFERENTIABLE if s.op not in INSIDE], ids=str)
def test_every_result_has_a_gradient_for_every_input(sample: Sample) -> None:
    """The client relies on it: a result's leaves are those of all its arguments."""
    for index, declared in enumerate(sample.tensors()):
        if not declared.grad:
            continue
        run = Run(sample)
        for i, tensor in enumerate(run.inputs):
            tensor.requires_grad = i == index
        for number, out in enumerate(run.call()):
            if not out.dtype.is_floating_point or (run.spec.separate and number != index):
                continue
            assert out.requires_grad, f"result {number} does not know input {index}"
            backward = backward_pass(run.engine, create_graph=False, retain=True)
            backward.start(edge_of(out), weights(out.shape, 0, out.data.dtype), out._meta)
            backward.run()
            assert backward.gradient_at(edge_of(run.inputs[index])) is not None, (
                f"input {index} has no gradient from result {number}"
            )


@pytest.mark.parametrize("sample", DIFFERENTIABLE, ids=str)
def test_a_gradient_that_is_handed_on_is_never_written(sample: Sample) -> None:
    """Two backward passes meet at every leaf; the given gradients and the saved values do not change."""
    run = Run(sample, "float64")
    outs = [out for out in run.call() if out.requires_grad]
    given = [weights(out.shape, i, out.data.dtype) for i, out in enumerate(outs)]
    saved = [array for out in outs if out.node is not None for array in _saved(out.node)]
    before = [array.copy() for array in (*given, *saved)]
    once = _leaves(run, outs, given)
    for leaf, g in once.items():
        leaf.grad = run.engine.wrap(np.array(g, copy=True))
    _backward(run, outs, given).write_grads()
    for array, was in zip((*given, *saved), before, strict=True):
        np.testing.assert_array_equal(array, was)
    for leaf, g in once.items():
        assert leaf.grad is not None
        np.testing.assert_allclose(leaf.grad.data, 2 * np.asarray(g), rtol=1e-12)


@pytest.mark.parametrize("sample", DIFFERENTIABLE, ids=str)
def test_gradients_that_are_kept_share_no_memory(sample: Sample) -> None:
    run = Run(sample, "float64")
    outs = [out for out in run.call() if out.requires_grad]
    given = [weights(out.shape, i, out.data.dtype) for i, out in enumerate(outs)]
    _backward(run, outs, given).write_grads()
    kept = [t.grad.data for t in run.inputs if t.grad is not None]
    others = [*given, *[t.data for t in run.inputs], *[out.data for out in outs]]
    for i, array in enumerate(kept):
        assert not any(np.may_share_memory(array, other) for other in (*others, *kept[:i]))


def _saved(node: Node) -> list[np.ndarray]:
    tensors = [t for value in node.args for t in (value if isinstance(value, tuple) else (value,))]
    return [t.data for t in tensors if isinstance(t, Tensor)] + arrays_of(node.aux) + [o[0] for o in node.outs or ()]


def _backward(run: Run, outs: list[Tensor], given: list[np.ndarray]) -> Any:
    backward = backward_pass(run.engine, create_graph=False, retain=True)
    for out, g in zip(outs, given, strict=True):
        backward.start(edge_of(out), g, out._meta)
    backward.run()
    return backward


def _leaves(run: Run, outs: list[Tensor], given: list[np.ndarray]) -> dict[Tensor, Any]:
    backward = _backward(run, outs, given)
    return {t: g for t in run.inputs if (g := backward.gradient_at(edge_of(t))) is not None}


# Against PyTorch ------------------------------------------------------------------------------------------------


def _in_torch(sample: Sample) -> list[Any]:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    made = []
    for array, t in zip(seeded(sample, "float64"), sample.tensors(), strict=True):
        dtype = torch.float64 if t.dtype in FLOATING else getattr(torch, t.dtype)
        made.append(torch.tensor(array, dtype=dtype).requires_grad_(t.grad))
    return made


@pytest.mark.oracle
@pytest.mark.parametrize("sample", [s for s in INPLACE if s.oracle and OPS[s.op].name != "copy"], ids=str)
def test_what_is_overwritten_has_the_gradient_that_torch_gives(sample: Sample) -> None:
    """y = x * 1; y.op_(...); the gradient of x, and of the other operands."""
    inputs = _in_torch(sample)
    method = f"{sample.op}_"
    if not hasattr(inputs[0], method) or sample.op == "floor_divide":
        pytest.skip("PyTorch has no such method, or no derivative of it")
    run = Run(sample, "float64")
    spec, kernel = run.spec, IMPLS[sample.op]
    inferred = spec.infer(run.args).metas[0]
    if inferred.shape != run.args[0].shape or not can_cast(inferred.dtype, run.args[0].dtype):
        pytest.skip("the result does not fit")
    for tensor, theirs in zip(run.inputs, inputs, strict=True):
        tensor.requires_grad = theirs.requires_grad
    run.inputs[0].requires_grad = True
    inputs[0].requires_grad_()
    target = run.engine.recorded.mul(run.args[0], 1.0)
    apply_inplace(run.engine, kernel, (target, *run.args[1:]), grad=True)
    y = inputs[0] * 1.0
    torch_call(sample, [y, *inputs[1:]], method=method)
    weight = weights(target.shape, 0, np.float64)
    backward = backward_pass(run.engine, create_graph=False, retain=False)
    backward.start(edge_of(target), weight, target._meta)
    backward.run()
    import torch

    y.backward(torch.tensor(weight))
    if sample.op not in GENERATOR_OPS:
        np.testing.assert_allclose(target.data, y.detach().numpy(), rtol=1e-9, atol=1e-11)
    for mine, theirs in zip(run.inputs, inputs, strict=True):
        g = backward.gradient_at(edge_of(mine))
        assert (g is None) == (theirs.grad is None)
        if g is not None and sample.op not in GENERATOR_OPS:
            np.testing.assert_allclose(g, theirs.grad.numpy(), rtol=1e-9, atol=1e-11)


SAVES_THERE = {"pad", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"}
SAVES_THERE |= {"adaptive_avg_pool3d"}
"""PyTorch saves the input of these for its shape; here a second backward is allowed."""

SAVES_HERE = {"lerp", "trapezoid", "cumulative_trapezoid", "diagonal_scatter", "vector_norm"}
"""Decompositions that save a value, multiplying by a number or writing into a copy; PyTorch's own op saves none."""


@pytest.mark.oracle
@pytest.mark.parametrize("sample", [s for s in DIFFERENTIABLE if s.oracle], ids=str)
def test_backward_twice_is_allowed_where_torch_allows_it(sample: Sample) -> None:
    inputs = _in_torch(sample)
    outs = [out for out in torch_call(sample, inputs) if out.requires_grad]
    if not outs or any(out.grad_fn is None for out in outs):
        pytest.skip("nothing to walk over")
    run = Run(sample, "float64")
    ours = [out for out in run.call() if out.requires_grad]
    here, there = _twice_here(run, ours), _twice_there(outs)
    if (here, there) == ("twice", "once"):
        assert sample.op in SAVES_THERE
    elif (here, there) == ("once", "twice"):
        assert sample.op in SAVES_HERE


def _twice_here(run: Run, outs: list[Tensor]) -> str:
    for _ in range(2):
        backward = backward_pass(run.engine, create_graph=False, retain=False)
        for i, out in enumerate(outs):
            backward.start(edge_of(out), weights(out.shape, i, out.data.dtype), out._meta)
        try:
            backward.run()
        except GraphFreed:
            return "once"
    return "twice"


def _twice_there(outs: list[Any]) -> str:
    import torch

    for _ in range(2):
        try:
            torch.autograd.backward(outs, [torch.ones_like(out) for out in outs])
        except RuntimeError:
            return "once"
    return "twice"


def test_the_engine_refuses_what_the_client_refuses() -> None:
    """For any caller: an in-place write to a view of a leaf, to a fixed view, to elements that overlap."""
    run = Run(next(s for s in ALL if s.op == "unbind"))
    engine = run.engine
    leaf = engine.wrap(np.ones((2, 2), np.float32))
    leaf.requires_grad = True
    for view in (engine.recorded.view(leaf, (4,)), leaf):
        with pytest.raises(TelegradError, match="leaf Variable that requires grad"):
            apply_inplace(engine, IMPLS["fill"], (view, 0.0), grad=True)
    made = engine.recorded.mul(leaf, 2.0)
    with pytest.raises(TelegradError, match="Output 0 of UnbindBackward0"):
        apply_inplace(engine, IMPLS["fill"], (engine.recorded.unbind(made, 0)[0], 0.0), grad=True)
    with pytest.raises(TelegradError, match="more than one element of the written-to tensor"):
        apply_inplace(
            engine, IMPLS["add"], (engine.recorded.expand(engine.recorded.view(made, (1, 4)), (3, 4)), 1, 1), grad=True
        )
