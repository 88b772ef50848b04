"""`telegrad.cuda` on a server without a GPU: it answers where PyTorch does, and says what is missing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.process import stream


@pytest.fixture(autouse=True)
def session() -> Iterator[LocalSession]:
    made = LocalSession()
    stream.restart(made)
    yield made
    stream.restart()


def test_there_is_no_gpu() -> None:
    assert not tg.cuda.is_initialized()
    assert not tg.cuda.is_available()
    assert not tg.cuda.is_initialized()
    assert not tg.cuda.is_bf16_supported()
    assert tg.cuda.device_count() == 0


def test_what_pytorch_answers_without_a_gpu() -> None:
    tg.cuda.manual_seed(1)
    tg.cuda.manual_seed_all(1)
    tg.cuda.empty_cache()
    assert tg.cuda.memory_allocated() == tg.cuda.max_memory_allocated() == tg.cuda.memory_reserved() == 0


@pytest.mark.parametrize(
    "call",
    [
        tg.cuda.current_device,
        tg.cuda.get_device_name,
        tg.cuda.get_device_properties,
        tg.cuda.synchronize,
        tg.cuda.mem_get_info,
        tg.cuda.reset_peak_memory_stats,
        tg.cuda.get_rng_state,
        lambda: tg.cuda.set_device(0),
        lambda: tg.cuda.device(0).__enter__(),
    ],
)
def test_all_else_raises(call: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match="uses no CUDA device"):
        call()
    assert (tg.ones(2) + 1).tolist() == [2.0, 2.0]


def test_a_negative_index_changes_nothing(session: LocalSession) -> None:
    session.opened = session.open()._replace(devices=("cpu", "cuda:0", "cuda:1"))
    with tg.cuda.device(1):
        tg.cuda.set_device(-1)
        assert tg.cuda.current_device() == 1
        with tg.cuda.device(-1):
            assert tg.cuda.current_device() == 1
        assert tg.cuda.current_device() == 1
    assert tg.cuda.current_device() == 0


def test_a_negative_index_is_taken_without_a_gpu() -> None:
    tg.cuda.set_device(-1)
    with tg.cuda.device(-1):
        assert (tg.ones(2) + 1).tolist() == [2.0, 2.0]


def test_a_seed_that_does_not_fit_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Overflow"):
        tg.cuda.manual_seed(1 << 65)
