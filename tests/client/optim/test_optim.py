"""Optimizers: the steps of PyTorch's, what they keep, and what happens to that when a step fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support.inprocess import LocalSession
from support.local_engine import LocalEngine

import telegrad as tg
from telegrad._runtime.process import stream
from telegrad._tracing.rows import control
from telegrad.optim import optimizer

MAKE: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda o, p: o.SGD(p, 0.1),
    "momentum": lambda o, p: o.SGD(p, 0.1, 0.9, 0.3, 0.05, maximize=True),
    "nesterov": lambda o, p: o.SGD(p, 0.1, 0.9, nesterov=True),
    "adam": lambda o, p: o.Adam(p, 0.01),
    "amsgrad": lambda o, p: o.Adam(p, 0.01, (0.7, 0.8), weight_decay=0.1, amsgrad=True),
    "adamw": lambda o, p: o.AdamW(p, 0.01, weight_decay=0.3, maximize=True),
}
VALUES = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    stream.restart()
    before, stream.session = stream.session, LocalSession()
    yield
    stream.restart()
    stream.session = before


def parameter(lib: Any, dtype: str = "float32") -> Any:
    return lib.tensor(VALUES).to(getattr(lib, dtype)).requires_grad_()


def train(lib: Any, make: Callable[[Any, Any], Any], steps: int, dtype: str = "float32") -> tuple[Any, Any]:
    """Two groups, one parameter without a gradient, one with transposed memory."""
    p, unused, q = parameter(lib, dtype), parameter(lib, dtype), parameter(lib, dtype)
    flipped = lib.tensor(VALUES).to(p.dtype).t().requires_grad_()
    opt = make(lib.optim, [{"params": [p, unused]}, {"params": [q, flipped], "lr": 0.2}])
    for i in range(steps):
        opt.zero_grad(set_to_none=i % 2 == 0)
        ((p * q).sin().sum() + (flipped * flipped).sum() * (i - 1)).backward()
        opt.step()
    return opt, [t.detach().to(lib.float32).numpy() for t in (p, unused, q, flipped)]


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", MAKE)
def test_steps_equal_torchs(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    _, ours = train(tg, MAKE[name], 5, dtype)
    _, theirs = train(torch, MAKE[name], 5, dtype)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            mine, other, **({"rtol": 0.05, "atol": 0.05} if dtype == "bfloat16" else {"rtol": 1e-5})
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", MAKE)
def test_a_parameter_without_elements_is_stepped(name: str, dtype: str) -> None:
    kept, empty = parameter(tg, dtype), tg.zeros((0, 3), dtype=getattr(tg, dtype), requires_grad=True)
    opt = MAKE[name](tg.optim, [empty, kept])
    ((kept * 2).sum() + empty.sum()).backward()
    opt.step()
    assert empty.tolist() == []
    assert kept.tolist() != parameter(tg, dtype).tolist()


@pytest.mark.oracle
@pytest.mark.parametrize("name", MAKE)
def test_state_dicts_have_torchs_layout(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    ours, theirs = train(tg, MAKE[name], 2)[0].state_dict(), train(torch, MAKE[name], 2)[0].state_dict()
    assert [g["params"] for g in ours["param_groups"]] == [g["params"] for g in theirs["param_groups"]]
    assert list(ours["param_groups"][0]) == list(theirs["param_groups"][0])
    kept = {place: held for place, held in theirs["state"].items() if any(v is not None for v in held.values())}
    assert {place: list(held) for place, held in ours["state"].items()} == {k: list(v) for k, v in kept.items()}
    for place, held in kept.items():
        for slot, value in held.items():
            np.testing.assert_allclose(ours["state"][place][slot].numpy(), value.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", MAKE)
def test_a_loaded_state_steps_as_the_one_it_was_taken_from(name: str) -> None:
    def two() -> tuple[Any, Any]:
        p = parameter(tg)
        return p, MAKE[name](tg.optim, [p])

    def step(p: Any, opt: Any) -> None:
        opt.zero_grad()
        p.cos().sum().backward()
        opt.step()

    (p, opt), (q, other) = two(), two()
    step(p, opt)
    with tg.no_grad():
        q.copy_(p)
    other.load_state_dict(opt.state_dict())
    step(p, opt)
    step(q, other)
    assert tg.equal(p, q)


def test_a_step_is_one_row_per_group(monkeypatch: pytest.MonkeyPatch) -> None:
    opt, _ = train(tg, MAKE["adam"], 2)
    recorded: list[str] = []
    monkeypatch.setattr(optimizer, "append", lambda spec, *args, **kwargs: recorded.append(spec.name))
    opt.step()
    assert recorded == ["adam_step", "adam_step"]


def test_a_skipped_step_leaves_no_state_and_no_version() -> None:
    p = parameter(tg)
    opt = tg.optim.Adam([p], lr=0.5)
    p.sum().backward()
    version = p._version
    bad = tg.tensor([9])
    with pytest.raises(IndexError):
        tg.tensor([1.0, 2.0])[bad]
        opt.step()
        tg.synchronize()
    assert p._version == version
    assert not opt.state
    np.testing.assert_array_equal(p.detach().numpy(), VALUES)
    opt.step()
    np.testing.assert_allclose(p.detach().numpy(), VALUES - 0.5, rtol=1e-5)
    assert opt.state[p]["step"].item() == 1.0


def test_zero_grad_forgets_or_zeroes() -> None:
    p = parameter(tg)
    opt = tg.optim.SGD([p], lr=0.1)
    p.sum().backward()
    opt.zero_grad(set_to_none=False)
    assert not p.grad.any()
    opt.zero_grad()
    assert p.grad is None
    opt.step()
    np.testing.assert_array_equal(p.detach().numpy(), VALUES)


def test_a_closure_is_run_with_gradients_on() -> None:
    p = parameter(tg)
    opt = tg.optim.SGD([p], lr=0.1)

    def closure() -> Any:
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        loss = opt.step(closure)
    assert loss.item() == pytest.approx(float((VALUES**2).sum()), rel=1e-5)
    np.testing.assert_allclose(p.detach().numpy(), VALUES * 0.8, rtol=1e-5)


def test_a_value_that_was_asked_for_before_a_step_is_the_old_one() -> None:
    p = tg.zeros(300, 300).requires_grad_()
    opt = tg.optim.SGD([p], lr=1.0)
    p.sum().backward()
    seen = p.detach().read()
    opt.step()
    assert not seen.result().any()
    assert float(p.detach().max()) == -1.0


def test_a_step_invalidates_what_backward_saved() -> None:
    p = parameter(tg)
    opt = tg.optim.SGD([p], lr=1.0)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    opt.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
        tg.synchronize()


def test_what_cannot_be_optimized_is_refused() -> None:
    p, optim = parameter(tg), tg.optim
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="iterable of Tensors or dicts"):
        optim.SGD(p)
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD({p})
    with pytest.raises(TypeError, match="can only optimize Tensors"):
        optim.SGD([1])
    with pytest.raises(ValueError, match="non-leaf"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": [p]}, {"params": [p]}])
    with pytest.raises(ValueError, match="Invalid learning rate"):
        optim.SGD([p], lr=-1.0)
    with pytest.raises(ValueError, match="Invalid beta parameter at index 1"):
        optim.Adam([p], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="Nesterov momentum requires"):
        optim.SGD([p], nesterov=True)
    with pytest.raises(NotImplementedError, match="capturable"):
        optim.Adam([p], capturable=True)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.SGD([p]).load_state_dict(optim.SGD([p, parameter(tg)]).state_dict())


def test_a_step_without_room_for_its_state_changes_nothing() -> None:
    stream.restart()
    stream.session = LocalSession(LocalEngine(memory=1 << 20))
    p = tg.zeros(300, 300).requires_grad_()
    p.sum().backward()
    opt = tg.optim.Adam([p])
    with pytest.raises(RuntimeError, match="optimizer's state needs"):
        opt.step()
        tg.synchronize()
    assert not opt.state
    assert float(p.detach().min()) == float(p.detach().max()) == 0.0
    tg.optim.SGD([p], lr=1.0).step()
    assert float(p.detach().max()) == -1.0


def test_gradients_whose_clearing_was_skipped_are_still_there() -> None:
    p = parameter(tg)
    opt = tg.optim.SGD([p], lr=1.0)
    p.sum().backward()
    bad = tg.tensor([9])
    with pytest.raises(IndexError):
        tg.tensor([1.0, 2.0])[bad]
        opt.zero_grad()
        tg.synchronize()
    np.testing.assert_array_equal(p.grad.numpy(), np.ones_like(VALUES))


def test_a_step_on_a_parameter_that_lost_its_gradient_reaches_none() -> None:
    """The server checks before it writes: a row that the client would not send leaves all parameters alone."""
    p, q = parameter(tg), parameter(tg)
    p.sum().backward()
    tg.synchronize()
    with pytest.raises(RuntimeError, match="parameter 1 has no gradient"):
        control("sgd_step", (p, q), (), 1.0, 0.0, 0.0, 0.0, False, False)
        tg.synchronize()
    np.testing.assert_array_equal(p.detach().numpy(), VALUES)


class Signs(tg.optim.Optimizer):
    """A user's own optimizer, written as for PyTorch."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @tg.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                held = self.state[p]
                held["count"] = held.get("count", 0) + 1
                held["last"] = p.grad.sign()
                p.add_(held["last"], alpha=-group["lr"] * held["count"])


def test_a_users_own_optimizer_steps_and_keeps_its_state() -> None:
    p = parameter(tg)
    opt = Signs([p], 0.1)
    for _ in range(2):
        opt.zero_grad()
        p.sum().backward()
        opt.step()
    np.testing.assert_allclose(p.detach().numpy(), VALUES - 0.3, rtol=1e-5)
    later = Signs([p], 0.5)
    later.load_state_dict(opt.state_dict())
    assert later.state[p]["count"] == 2
    assert later.state[p]["last"].all()
    assert later.param_groups[0]["lr"] == 0.1
