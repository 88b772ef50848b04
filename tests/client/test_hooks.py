"""Hooks on tensors: what they see, what they may return, when they are called, and that they make nobody wait."""

from __future__ import annotations

from typing import Any

import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.process import stream

pytestmark = pytest.mark.usefixtures("here")


def leaf(*shape: int) -> tg.Tensor:
    return tg.ones(*shape, requires_grad=True)


def test_hooks_see_whole_gradients_in_the_order_of_the_walk_and_replace_them() -> None:
    x = leaf(2)
    y = x * 2
    z = y * 3
    seen: list[tuple[str, Any]] = []
    x.register_hook(lambda g: seen.append(("x", g)))
    y.register_hook(lambda g: seen.append(("y", g)))
    y.register_hook(lambda g: g * 10)
    z.register_hook(lambda g: seen.append(("z", g)))
    (z + y).sum().backward()
    assert [(name, g.tolist()) for name, g in seen] == [("z", [1.0, 1.0]), ("y", [4.0, 4.0]), ("x", [80.0, 80.0])]
    assert x.grad.tolist() == [80.0, 80.0]


def test_a_hook_that_reads_nothing_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = leaf(2)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)

    def refuse(*_: Any) -> None:
        raise AssertionError("somebody asked")

    monkeypatch.setattr(stream, "ask", refuse)
    y.sum().backward()
    monkeypatch.undo()
    assert x.grad.tolist() == [21.0, 21.0]


def test_a_hook_taken_away_is_not_called() -> None:
    x = leaf(2)
    handle = x.register_hook(lambda g: g * 10)
    handle.remove()
    with x.register_hook(lambda g: g * 2):
        x.sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_hook_registered_late_or_not_reached() -> None:
    x, other = leaf(2), leaf(2)
    y, z = x * 2, other * 5
    called: list[str] = []
    total = (y * 3).sum()
    y.register_hook(lambda g: called.append("y"))
    z.register_hook(lambda g: called.append("z"))
    total.backward()
    assert called == ["y"]


def test_hooks_stay_with_what_they_were_registered_on() -> None:
    """An in-place op gives the tensor another history: the hook sees the gradient of the value before it."""
    x = leaf(2)
    y = x * 2
    seen: list[Any] = []
    y.register_hook(seen.append)
    y.mul_(3)
    y.register_hook(seen.append)
    (y * 5).sum().backward()
    assert [g.tolist() for g in seen] == [[5.0, 5.0], [15.0, 15.0]]


def test_hooks_run_for_grad_and_for_inputs() -> None:
    x, w = leaf(2), leaf(2)
    y = x * w
    y.register_hook(lambda g: g * 4)
    (g,) = tg.autograd.grad(y.sum(), x, retain_graph=True)
    assert g.tolist() == [4.0, 4.0]
    y.sum().backward(inputs=[w])
    assert (x.grad, w.grad.tolist()) == (None, [4.0, 4.0])


def test_hooks_are_recorded_under_create_graph() -> None:
    x = tg.tensor([2.0], requires_grad=True)
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = tg.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [8.0]  # 2x * x
    (second,) = tg.autograd.grad(g.sum(), x)
    assert second.tolist() == [8.0]  # 4x
    modes: list[bool] = []
    z = x * 3
    z.register_hook(lambda g: modes.append(tg.is_grad_enabled()))
    z.backward(retain_graph=True)
    z.backward(create_graph=True)
    assert modes == [False, True]


def test_a_hook_that_raises_ends_the_walk_and_leaves_no_gradient(here: LocalSession) -> None:
    x = leaf(2)
    y = x * 2

    def broken(_: Any) -> None:
        raise ZeroDivisionError

    y.register_hook(broken)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    assert x.grad is None
    tg.synchronize()
    assert not here.engine.executor.sessions["local"].autograd_calls


@pytest.mark.parametrize(
    ("returned", "error", "words"),
    [
        (lambda g: g[:1], RuntimeError, "hook '<lambda>' has changed the size of value"),
        (lambda g: g.double(), RuntimeError, "hook '<lambda>' has changed the type of value"),
        (lambda g: 5, TypeError, "expected Variable, but hook returned 'int'"),
    ],
)
def test_a_hook_cannot_return_anything_else(returned: Any, error: type[Exception], words: str) -> None:
    x = leaf(2)
    x.register_hook(returned)
    with pytest.raises(error, match=words):
        x.sum().backward()
    assert x.grad is None


def test_only_what_requires_grad_has_hooks() -> None:
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        tg.ones(2).register_hook(print)
