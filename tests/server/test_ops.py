"""Every op on every sample: values, gradients, second order, finite differences, metadata, in-place forms."""

from __future__ import annotations

import numpy as np
import pytest
from support.engine import GENERATOR_OPS, Run, seeded, torch_call, weights

from telegrad_protocol.dtypes import can_cast
from telegrad_protocol.spec import OPS
from telegrad_server.checks.compare import slopes
from telegrad_server.kernels import IMPLS
from telegrad_server.samples import SAMPLES, Sample, T
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import apply_inplace
from telegrad_server.worker.tensor import Tensor

ALL = [sample for samples in SAMPLES.values() for sample in samples]
DIFFERENTIABLE = [s for s in ALL if OPS[s.op].differentiable and any(t.grad for t in s.tensors())]
SMOOTH = [s for s in DIFFERENTIABLE if s.smooth and s.op not in GENERATOR_OPS]
ORACLE = [s for s in ALL if s.oracle]


def tolerance(dtype: np.dtype) -> dict[str, float]:
    return {"rtol": 1e-10, "atol": 1e-11} if dtype == np.float64 else {"rtol": 2e-5, "atol": 2e-6}


def test_declarations_kernels_and_samples_are_the_same_set() -> None:
    ops = {name for name, spec in OPS.items() if not spec.control}
    assert ops == set(IMPLS)
    assert ops == set(SAMPLES)


@pytest.mark.parametrize("name", sorted(IMPLS))
def test_a_kernel_takes_what_is_declared(name: str) -> None:
    import inspect

    kernel, spec = IMPLS[name], OPS[name]
    for function in (kernel.run, kernel.decomposition):
        if function is not None:
            assert tuple(inspect.signature(function).parameters)[1:] == spec.names


@pytest.mark.parametrize("sample", ALL, ids=str)
def test_metadata_is_what_was_inferred(sample: Sample) -> None:
    run = Run(sample)
    inferred = run.spec.infer(run.args)
    outs = run.call()
    if run.spec.static_shape:
        assert [out._meta for out in outs] == list(inferred.metas)
    for out in outs:
        assert out.data.shape == out._meta.shape
        assert out.data.dtype == run.engine.xp.dtype(out._meta.dtype)
        steps = [s // out.data.itemsize for s, n in zip(out.data.strides, out.shape, strict=True) if n > 1]
        if out._meta.numel:
            assert steps == [s for s, n in zip(out._meta.strides, out.shape, strict=True) if n > 1]
        if inferred.offset is None:
            assert out._meta.contiguous
            assert not any(np.may_share_memory(out.data, t.data) for t in run.inputs)


@pytest.mark.parametrize("sample", [s for s in ALL if any(t.shape for t in s.tensors())], ids=str)
def test_layout_of_the_inputs_does_not_matter(sample: Sample) -> None:
    if sample.op in ("view", "as_strided"):
        pytest.skip("defined by the memory layout")
    plain, strided = Run(sample), Run(sample)
    for t in strided.inputs:
        if t.ndim:
            wide = np.repeat(t.data, 2, axis=-1)
            t.data = wide[..., ::2] if t.ndim < 2 else np.ascontiguousarray(wide[..., ::2].T).T
            steps = tuple(s // t.data.itemsize for s in t.data.strides)
            from telegrad_protocol.shapes import meta

            t._meta = meta(t.shape, t.dtype, steps)
    for a, b in zip(plain.call(), strided.call(), strict=True):
        np.testing.assert_allclose(_numbers(a), _numbers(b), rtol=1e-5, atol=1e-6)
    for a, b in zip(plain.grads(), strided.grads(), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sample", SMOOTH, ids=str)
def test_gradients_agree_with_finite_differences(sample: Sample) -> None:
    slope, measured = slopes(sample)
    assert slope == pytest.approx(measured, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("sample", [s for s in ALL if OPS[s.op].inplace and isinstance(s.args[0], T)], ids=str)
def test_the_inplace_form_writes_the_same_values(sample: Sample) -> None:
    run = Run(sample)
    (out,) = run.call()
    again = Run(sample)
    target: Tensor = again.args[0]
    if out.shape != target.shape or not can_cast(out.dtype, target.dtype):
        with pytest.raises(RuntimeError):
            apply_inplace(again.engine, IMPLS[sample.op], again.args, grad=False)
        return
    apply_inplace(again.engine, IMPLS[sample.op], again.args, grad=False)
    np.testing.assert_array_equal(target.data, out.data.astype(target.data.dtype))
    assert target.storage.version == 1


@pytest.mark.parametrize("sample", [s for s in ALL if IMPLS[s.op].fused_backward is not None], ids=str)
def test_a_fused_pair_agrees_with_its_definition(sample: Sample) -> None:
    fused, defined = Run(sample, "float64"), Run(sample, "float64")
    outs = fused.call()
    made = IMPLS[sample.op].decomposition(defined.engine.recorded, *defined.args)
    defined.outs = made if isinstance(made, tuple) else (made,)
    for a, b in zip(outs, defined.outs, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-10, atol=1e-12)
    for a, b in zip(fused.grads(), defined.grads(), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.data.astype(np.float64)


def _torch_inputs(sample: Sample, dtype: str | None = None) -> list:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    made = []
    for array, t in zip(seeded(sample, dtype), sample.tensors(), strict=True):
        name = dtype if dtype and t.dtype in FLOATING else t.dtype
        native = array.astype(np.float32) if name == "bfloat16" else array
        made.append(torch.tensor(native, dtype=getattr(torch, name)).requires_grad_(t.grad))
    return made


@pytest.mark.oracle
@pytest.mark.parametrize("sample", ORACLE, ids=str)
def test_values_and_gradients_agree_with_torch(sample: Sample) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    torch.manual_seed(67280421310721)
    inputs = _torch_inputs(sample)
    expected = torch_call(sample, inputs)
    run = Run(sample)
    outs = run.call()
    assert len(outs) == len(expected)
    for out, want in zip(outs, expected, strict=True):
        assert out.shape == tuple(want.shape)
        assert out.dtype.name == str(want.dtype).removeprefix("torch.")
        np.testing.assert_allclose(_numbers(out), want.detach().double().numpy(), **_loose(out))
    if OPS[sample.op].differentiable:
        _compare_gradients(run, expected, inputs)


def _loose(out: Tensor) -> dict[str, float]:
    return {"rtol": 1e-2, "atol": 1e-2} if out.dtype.itemsize == 2 else tolerance(out.data.dtype)


def _compare_gradients(run: Run, expected: tuple, inputs: list) -> None:
    import torch

    roots = [
        (want, torch.from_numpy(weights(tuple(want.shape), i, np.float64)).to(want.dtype))
        for i, want in enumerate(w for w in expected if w.is_floating_point())
    ]
    roots = [(want, w) for want, w in roots if want.requires_grad]
    leaves = [t for t in inputs if t.requires_grad]
    if not roots or not leaves:
        return
    wanted = torch.autograd.grad([o for o, _ in roots], leaves, [w for _, w in roots], allow_unused=True)
    for g, want in zip(run.grads(), wanted, strict=True):
        if want is None and g is not None and not np.any(g):
            continue  # zeros where PyTorch has None, as of a norm of order 0
        assert (g is None) == (want is None)
        if want is not None:
            loose = {"rtol": 2e-2, "atol": 1e-2} if want.itemsize == 2 else {"rtol": 1e-4, "atol": 1e-5}
            np.testing.assert_allclose(np.asarray(g, np.float64), want.double().numpy(force=True), **loose)


@pytest.mark.oracle
@pytest.mark.parametrize("sample", [s for s in DIFFERENTIABLE if s.oracle and s.second], ids=str)
def test_second_order_agrees_with_torch(sample: Sample) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    torch.manual_seed(67280421310721)
    inputs = _torch_inputs(sample, "float64")
    run = Run(sample, "float64")
    run.call()
    ours = _second(run)
    outs = [w for w in torch_call(sample, inputs) if w.is_floating_point()]
    leaves = [t for t in inputs if t.requires_grad]
    theirs = _torch_second(torch, outs, leaves)
    for mine, want in zip(ours, theirs, strict=True):
        a = np.zeros(()) if mine is None else mine
        b = np.zeros(()) if want is None else want.numpy(force=True)
        np.testing.assert_allclose(
            np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape)),
            np.broadcast_to(b, np.broadcast_shapes(a.shape, b.shape)),
            rtol=1e-8,
            atol=1e-9,
        )


def _second(run: Run) -> list:
    first = [g for g in run.grads(create_graph=True) if g is not None]
    return run.pull([(g, weights(g.shape, 50 + i, np.float64)) for i, g in enumerate(first)])


def _torch_second(torch, outs: list, leaves: list) -> list:
    roots = [(o, torch.from_numpy(weights(tuple(o.shape), i, np.float64))) for i, o in enumerate(outs)]
    roots = [(o, w) for o, w in roots if o.requires_grad]
    if not roots:
        return [None] * len(leaves)
    first = torch.autograd.grad(
        [o for o, _ in roots], leaves, [w for _, w in roots], create_graph=True, allow_unused=True
    )
    again = [
        (g, torch.from_numpy(weights(tuple(g.shape), 50 + i, np.float64)))
        for i, g in enumerate(g for g in first if g is not None)
    ]
    again = [(g, w) for g, w in again if g.requires_grad]
    if not again:
        return [None] * len(leaves)
    return list(torch.autograd.grad([g for g, _ in again], leaves, [w for _, w in again], allow_unused=True))


@pytest.mark.parametrize(
    "sample", [s for s in DIFFERENTIABLE if s.op in ("mul", "add", "div", "pow", "where")], ids=str
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_what_was_declared(sample: Sample, dtype: str) -> None:
    """NumPy makes float32 of bfloat16 and a Python number."""
    run = Run(sample, dtype)
    for out in run.call():
        assert out.data.dtype == run.engine.xp.dtype(out._meta.dtype)
    for g, t in zip(run.grads(), run.differentiable(), strict=True):
        assert g is None or g.dtype == t.data.dtype
