"""Autocast and loss scaling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.inprocess import LocalSession

import telegrad as tg
import telegrad.nn.functional as F
from telegrad import nn
from telegrad._runtime.process import stream
from telegrad._tracing.binders import SCOPES
from telegrad.amp.autocast_mode import _POLICIES
from telegrad_protocol.spec import OPS


@pytest.fixture(autouse=True)
def session() -> Iterator[LocalSession]:
    made = LocalSession()
    stream.restart(made)
    yield made
    stream.restart()


@pytest.fixture
def x() -> tg.Tensor:
    return tg.tensor([[1.0, 2.0], [3.0, 4.0]])


def test_every_op_that_is_cast_has_a_policy_and_is_recorded() -> None:
    cast = {name: spec.autocast for name, spec in OPS.items() if spec.autocast}
    assert set(cast.values()) == set(_POLICIES)
    assert set(cast) <= set(SCOPES)


LOW_CALLS: list[Callable[[Any], Any]] = [
    lambda x: x @ x,
    lambda x: x.mm(x),
    lambda x: tg.matmul(x, x),
    lambda x: F.linear(x, x, x[0]),
    lambda x: tg.einsum("ij,jk->ik", x, x),
    lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]),
    lambda x: F.conv1d(x[None], x[..., None]),
    lambda x: tg.addmm(x, x, x),
]


@pytest.mark.parametrize("call", LOW_CALLS)
def test_products_are_computed_in_the_low_precision(x: tg.Tensor, call: Callable[[Any], Any]) -> None:
    with tg.autocast("cpu"):
        assert call(x).dtype is tg.bfloat16
        assert call(x.double()).dtype is tg.float64
    with tg.autocast("cpu", tg.float16):
        assert call(x).dtype is tg.float16
    with tg.autocast("cuda"):
        assert call(x).dtype is tg.float32
    assert call(x).dtype is tg.float32


FLOAT32_CALLS: list[Callable[[Any], Any]] = [
    lambda x: x.exp(),
    lambda x: x**2,
    lambda x: x.sum(),
    lambda x: x.softmax(0),
    lambda x: x.norm(),
    lambda x: F.layer_norm(x, (2,), tg.ones(2), tg.zeros(2)),
    lambda x: F.mse_loss(x, tg.zeros(2, 2)),
    lambda x: F.cross_entropy(x, tg.tensor([0, 1])),
]


@pytest.mark.parametrize("call", FLOAT32_CALLS)
def test_what_needs_digits_is_computed_in_float32(x: tg.Tensor, call: Callable[[Any], Any]) -> None:
    with tg.autocast("cpu"):
        assert call(x.bfloat16()).dtype is tg.float32
    assert x.bfloat16().exp().dtype is tg.bfloat16


def test_a_dtype_that_the_call_names_is_kept(x: tg.Tensor) -> None:
    with tg.autocast("cpu"):
        assert x.bfloat16().sum(dtype=tg.bfloat16).dtype is tg.bfloat16


def test_what_joins_tensors_takes_the_widest(x: tg.Tensor) -> None:
    with tg.autocast("cpu"):
        assert tg.cat([x.bfloat16(), x]).dtype is tg.float32
        assert tg.cat([x.bfloat16(), x.bfloat16()]).dtype is tg.bfloat16
        assert tg.dot(x[0].bfloat16(), x[0]).dtype is tg.float32
        assert (x.bfloat16() + x.bfloat16()).dtype is tg.bfloat16


def test_blocks_nest_and_decorate(x: tg.Tensor) -> None:
    @tg.autocast("cpu")
    def product(x: tg.Tensor) -> tg.Tensor:
        return x @ x

    assert not tg.is_autocast_enabled("cpu")
    with tg.amp.autocast("cpu"):
        assert tg.is_autocast_enabled("cpu")
        assert not tg.is_autocast_enabled()
        assert tg.get_autocast_dtype("cpu") is tg.bfloat16
        with tg.autocast("cpu", enabled=False):
            assert (x @ x).dtype is tg.float32
        with tg.cuda.amp.autocast():
            assert tg.is_autocast_enabled()
            assert (x @ x).dtype is tg.bfloat16
    assert product(x).dtype is tg.bfloat16
    assert not tg.is_autocast_enabled("cpu")
    with pytest.raises(RuntimeError, match="unsupported autocast device_type"):
        tg.autocast("tpu")
    with pytest.warns(UserWarning, match="not supported"), tg.autocast("cpu", tg.float64):
        assert (x @ x).dtype is tg.float32


def test_calls_are_as_quick_as_before_once_no_block_is_open(x: tg.Tensor) -> None:
    with pytest.raises(ZeroDivisionError), tg.autocast("cpu"):
        assert all(scope["known"] == {} for scope in SCOPES["matmul"])
        raise ZeroDivisionError
    assert all(scope["known"] is OPS["matmul"].known for scope in SCOPES["matmul"])


def test_other_threads_compute_as_they_did(x: tg.Tensor) -> None:
    found = []
    with tg.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((x @ x).dtype))
        thread.start()
        thread.join()
    assert found == [tg.float32]


def test_a_model_trains_in_one_block(x: tg.Tensor) -> None:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 1))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with tg.autocast("cpu"):
        for _ in range(20):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), tg.ones(2, 1))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
    assert all(p.dtype is tg.float32 and p.grad is not None for p in model.parameters())


# Loss scaling ---------------------------------------------------------------------------------------------------


def scaled_step(scaler: Any, optimizer: Any, loss: tg.Tensor) -> None:
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()


def test_a_scaled_step_is_a_step() -> None:
    w, v = tg.ones(2, requires_grad=True), tg.ones((), requires_grad=True)
    optimizer, scaler = tg.optim.SGD([w, v], lr=0.5), tg.amp.GradScaler("cpu", growth_interval=2)
    scaled_step(scaler, optimizer, (w * 2).sum() + v)
    assert (w.tolist(), v.item()) == ([0.0, 0.0], 0.5)
    assert w.grad is not None
    assert w.grad.tolist() == [2.0, 2.0]
    assert scaler.get_scale() == 2.0**16
    scaled_step(scaler, optimizer, w.sum())
    assert scaler.get_scale() == 2.0**17


def test_a_step_with_infinite_gradients_is_left_out() -> None:
    w = tg.ones(2, requires_grad=True)
    optimizer, scaler = tg.optim.Adam([w], lr=0.5), tg.amp.GradScaler("cpu")
    scaled_step(scaler, optimizer, (w * tg.tensor([1.0, float("inf")])).sum())
    assert w.tolist() == [1.0, 1.0]
    assert scaler.get_scale() == 2.0**15


def test_gradients_are_unscaled_once() -> None:
    w = tg.ones(2, requires_grad=True)
    optimizer, scaler = tg.optim.SGD([w], lr=1.0), tg.amp.GradScaler("cpu", init_scale=4.0)
    with pytest.raises(RuntimeError, match="No inf checks"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="No inf checks"):
        scaler.update()
    scaler.scale([w.sum()])[0].backward()
    kept = w.grad
    scaler.unscale_(optimizer)
    assert kept is not None
    assert kept.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert w.tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    scaler.update(8.0)
    assert scaler.get_scale() == 8.0
    half = tg.ones(2, dtype=tg.float16, requires_grad=True)
    half.sum().backward()
    with pytest.raises(ValueError, match="FP16"):
        scaler.unscale_(tg.optim.SGD([half], lr=1.0))


def test_states_are_saved_and_loaded() -> None:
    scaler = tg.amp.GradScaler("cpu", init_scale=4.0)
    state = scaler.state_dict()
    assert set(state) == {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
    other = tg.amp.GradScaler("cpu")
    other.load_state_dict(state)
    assert other.get_scale() == 4.0
    with pytest.raises(RuntimeError, match="empty"):
        other.load_state_dict({})


def test_without_a_gpu_scaling_for_one_is_switched_off() -> None:
    with pytest.warns(UserWarning, match="Disabling"):
        scaler = tg.cuda.amp.GradScaler()
    assert not scaler.is_enabled()
    w = tg.ones(2, requires_grad=True)
    scaled_step(scaler, tg.optim.SGD([w], lr=0.5), w.sum())
    assert w.tolist() == [0.5, 0.5]
    assert scaler.get_scale() == 1.0
    assert scaler.state_dict() == {}
