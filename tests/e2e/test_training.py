"""The models train as in PyTorch: the same losses from the same seed without copying weights, and from copied ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support.models import MODELS, train

import telegrad as tg


@pytest.fixture
def torch() -> Iterator[Any]:
    """The oracle, on one thread: several wait for each other by spinning, which takes minutes on busy cores."""
    oracle = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    before = oracle.get_num_threads()
    oracle.set_num_threads(1)
    yield oracle
    oracle.set_num_threads(before)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt", "characters"])
def test_losses_equal_torchs_for_twenty_steps(client: str, torch: Any, name: str) -> None:
    theirs, _ = train(torch, name, 20)
    ours, _ = train(tg, name, 20)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert ours[-1] < ours[0]


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt"])
def test_losses_from_copied_weights_equal_torchs_for_twenty_steps(client: str, torch: Any, name: str) -> None:
    torch.manual_seed(1)
    tg.manual_seed(2)  # nothing in common but what is copied
    theirs, ours = MODELS[name].build(torch), MODELS[name].build(tg)
    copied = {key: tg.from_numpy(value.numpy()) for key, value in theirs[0].state_dict().items()}
    ours[0].load_state_dict(copied)
    # Absolute: Adam turns the rounding of gradients near zero into steps, in PyTorch itself (in float32 the MLP is up to
    # 5e-5 away from float64 after twenty).
    np.testing.assert_allclose(losses(tg, name, ours), losses(torch, name, theirs), rtol=0, atol=1e-4)


def losses(torch: Any, name: str, built: tuple[Any, Any, Callable[..., Any]]) -> list[float]:
    """Losses of twenty steps, on four batches in turn."""
    _, optimizer, loss_of = built
    rng = np.random.default_rng(0)
    data = [[torch.tensor(array) for array in MODELS[name].batch(rng)] for _ in range(4)]
    found = []
    for step in range(20):
        loss = loss_of(*data[step % 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.detach())
    return [float(loss) for loss in found]


def test_a_script_that_never_imports_torch_learns(client: str) -> None:
    losses, model = train(tg, "characters", 60)
    assert losses[-1] < losses[0] - 0.3
    assert all(bool(p.isfinite().all()) for p in model.parameters())
