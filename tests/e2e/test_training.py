"""The three models train as in PyTorch: the same losses from the same seed, without copying weights."""

from __future__ import annotations

import numpy as np
import pytest
from support.models import train

import telegrad as tg


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt", "characters"])
def test_losses_equal_torchs_for_twenty_steps(client: str, name: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    theirs, _ = train(torch, name, 20)
    ours, _ = train(tg, name, 20)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert ours[-1] < ours[0]


def test_a_script_that_never_imports_torch_learns(client: str) -> None:
    losses, model = train(tg, "characters", 60)
    assert losses[-1] < losses[0] - 0.3
    assert all(bool(p.isfinite().all()) for p in model.parameters())
