"""Through a network that drops, doubles, delays, reorders and truncates: the same weights, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.models import MODELS
from support.proxies import FaultProxy

import telegrad as tg
from telegrad._runtime.process import stream
from telegrad._stream import batching

FAULTS = {"drop": 0.04, "duplicate": 0.04, "delay": 0.04, "reorder": 0.04, "truncate": 0.04}


def final_weights(steps: int) -> list[np.ndarray]:
    """The character model's weights after training; the loss is read now and then, as loops do."""
    tg.manual_seed(3)
    rng = np.random.default_rng(3)
    data = [[tg.tensor(array) for array in MODELS["characters"].batch(rng)] for _ in range(4)]
    model, optimizer, loss_of = MODELS["characters"].build(tg)
    for step in range(steps):
        loss = loss_of(*data[step % 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            loss.item()
    return [p.detach().numpy() for p in model.parameters()]


@pytest.fixture(scope="module")
def undisturbed(server: str) -> list[np.ndarray]:
    tg.connect(server)
    weights = final_weights(200)
    tg.disconnect()
    return weights


@pytest.fixture
def small_submissions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many requests, so that faults have something to hit and submissions overtake each other."""
    monkeypatch.setattr(batching, "MAX_ROWS", 40)


def check_seed(server: str, undisturbed: list[np.ndarray], seed: int) -> dict[str, int]:
    with FaultProxy(server, seed, hold_s=0.1, delay_s=0.01, **FAULTS) as proxy:
        tg.connect(proxy.url)
        try:
            for got, wanted in zip(final_weights(200), undisturbed, strict=True):
                np.testing.assert_array_equal(got, wanted)
        finally:
            tg.disconnect()
        return dict(proxy.counts)


@pytest.mark.usefixtures("small_submissions")
@pytest.mark.parametrize("seed", range(3))
def test_faults_do_not_change_a_bit(server: str, undisturbed: list[np.ndarray], seed: int) -> None:
    counts = check_seed(server, undisturbed, seed)
    assert sum(n for kind, n in counts.items() if kind not in ("requests", "reorder_alone")) > 0, counts


@pytest.mark.slow
@pytest.mark.usefixtures("small_submissions")
@pytest.mark.timeout(900)
def test_twenty_seeds_of_faults_do_not_change_a_bit(server: str, undisturbed: list[np.ndarray]) -> None:
    total: dict[str, int] = {}
    for seed in range(100, 120):
        for kind, n in check_seed(server, undisturbed, seed).items():
            total[kind] = total.get(kind, 0) + n
    for kind in ("drop_request", "drop_response", "duplicate", "delay", "reorder", "truncate_request"):
        assert total.get(kind, 0) > 0, total


@pytest.mark.parametrize("rows", [1, 7])
def test_where_submissions_are_cut_does_not_change_a_bit(
    server: str, undisturbed: list[np.ndarray], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MAX_ROWS", rows)
    tg.connect(server)
    for got, wanted in zip(final_weights(200), undisturbed, strict=True):
        np.testing.assert_array_equal(got, wanted)
    tg.disconnect()


def test_another_busy_session_does_not_change_a_bit(server: str, undisturbed: list[np.ndarray]) -> None:
    import subprocess
    import sys

    busy = "import telegrad as tg\nx = tg.randn(300, 300)\nwhile True:\n    x = (x @ x).tanh(); x.sum().item()"
    environment: dict[str, Any] = {"TELEGRAD_URL": server, "PATH": ""}
    with subprocess.Popen([sys.executable, "-c", busy], env=environment) as other:
        try:
            tg.connect(server)
            for got, wanted in zip(final_weights(200), undisturbed, strict=True):
                np.testing.assert_array_equal(got, wanted)
            tg.disconnect()
            assert other.poll() is None, "the other session ended early"
        finally:
            other.kill()
    assert stream.sender.broken is None
