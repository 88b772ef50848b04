"""The models train as in PyTorch: the same losses from the same seed without copying weights, and from copied ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.models import MODELS, step_losses, train
from support.trainings import TRAININGS, assert_trained_alike

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
@pytest.mark.parametrize(("name", "dtype"), [*TRAININGS, ("characters", "float32"), ("characters", "float64")])
def test_losses_equal_torchs_for_twenty_steps(client: str, torch: Any, name: str, dtype: str) -> None:
    theirs, _ = train(torch, name, 20, dtype)
    ours, _ = train(tg, name, 20, dtype)
    assert_trained_alike(ours, theirs, dtype)
    assert ours[-1] < ours[0]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "dtype"), TRAININGS)
def test_losses_from_copied_weights_equal_torchs_for_twenty_steps(
    client: str, torch: Any, name: str, dtype: str
) -> None:
    torch.manual_seed(1)
    tg.manual_seed(2)  # nothing in common but what is copied
    theirs, ours = MODELS[name].build(torch), MODELS[name].build(tg)
    copied = {key: tg.from_numpy(value.numpy()) for key, value in theirs[0].state_dict().items()}
    ours[0].load_state_dict(copied)
    found, wanted = (
        [float(loss) for loss in step_losses(lib, name, built, 20, dtype)]
        for lib, built in [(tg, ours), (torch, theirs)]
    )
    assert_trained_alike(found, wanted, dtype)


def test_a_script_that_never_imports_torch_learns(client: str) -> None:
    losses, model = train(tg, "characters", 60)
    assert losses[-1] < losses[0] - 0.3
    assert all(bool(p.isfinite().all()) for p in model.parameters())
