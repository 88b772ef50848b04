"""`telegrad.cuda` on a server with two devices that are no GPUs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.live import serving

import telegrad as tg

TESTS = str(Path(__file__).parent.parent)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TESTS + os.pathsep + os.environ.get("PYTHONPATH", ""))
        with serving([sys.executable, "-m", "gpu.cuda_server", "strict", "2"]) as url:
            yield url


@pytest.fixture(autouse=True)
def client(server: str) -> Iterator[None]:
    tg.connect(server)
    yield
    tg.cuda.set_device(0)
    tg.disconnect()


def test_devices_are_counted_and_named() -> None:
    assert tg.cuda.is_available()
    assert tg.cuda.is_initialized()
    assert tg.cuda.is_bf16_supported()
    assert tg.cuda.device_count() == 2
    assert tg.cuda.get_device_name() == tg.cuda.get_device_name("cuda:1") == "Strict GPU"
    properties = tg.cuda.get_device_properties(1)
    assert properties.name == "Strict GPU"
    assert properties.total_memory == tg.cuda.mem_get_info(1)[1] > 0
    with pytest.raises(RuntimeError, match="no device cuda:7"):
        tg.cuda.get_device_name(7)
    with pytest.raises(ValueError, match="Expected a cuda device"):
        tg.cuda.synchronize("cpu")


def test_the_current_device_is_what_cuda_means() -> None:
    assert tg.cuda.current_device() == 0
    with tg.cuda.device(1):
        assert tg.cuda.current_device() == 1
        assert str(tg.ones(1, device="cuda").device) == "cuda:1"
        with tg.cuda.device("cuda:0"):
            assert tg.cuda.current_device() == 0
        tg.cuda.set_device(-1)
        with tg.cuda.device(-1):
            assert tg.cuda.current_device() == 1
    assert tg.cuda.current_device() == 0
    tg.cuda.set_device("cuda:1")
    assert str(tg.ones(1).cuda().device) == "cuda:1"


def test_memory_is_counted_per_device() -> None:
    before = [tg.cuda.memory_allocated(k) for k in range(2)]
    x = tg.zeros(1000, 1000, device="cuda:1")
    assert tg.cuda.memory_allocated(1) - before[1] == x.nbytes
    assert tg.cuda.memory_allocated(0) == before[0]
    assert tg.cuda.memory_reserved(1) >= x.nbytes
    del x
    assert tg.cuda.memory_allocated(1) == before[1]
    assert tg.cuda.max_memory_allocated(1) >= before[1] + 4_000_000
    tg.cuda.reset_peak_memory_stats(1)
    assert tg.cuda.max_memory_allocated(1) == before[1]
    tg.cuda.empty_cache()
    assert tg.cuda.memory_reserved(1) < 4_000_000


def test_synchronizing_raises_what_the_device_found() -> None:
    tg.cuda.synchronize()
    y = tg.zeros(2, device="cuda")
    bad = y[tg.tensor([5]).cuda()]
    assert bad.shape == (1,)
    with pytest.raises(IndexError, match="out of bounds"):
        tg.cuda.synchronize()


def test_seeds_and_states_belong_to_a_device() -> None:
    tg.cuda.manual_seed_all(3)
    first = [tg.randn(4, device=f"cuda:{k}").tolist() for k in range(2)]
    tg.cuda.manual_seed(3)
    again = [tg.randn(4, device=f"cuda:{k}").tolist() for k in range(2)]
    assert again[0] == first[0]
    assert again[1] != first[1]
    state = tg.cuda.get_rng_state(1)
    assert str(state.device) == "cpu"
    assert state.dtype is tg.uint8
    drawn = tg.randn(4, device="cuda:1").tolist()
    tg.cuda.set_rng_state(state, "cuda:1")
    assert tg.randn(4, device="cuda:1").tolist() == drawn


def test_autocast_and_loss_scaling_work_on_a_device() -> None:
    model = tg.nn.Linear(2, 1, device="cuda")
    optimizer, scaler = tg.optim.SGD(model.parameters(), lr=0.1), tg.cuda.amp.GradScaler(init_scale=8.0)
    before = model.weight.tolist()
    for good in (True, False):
        optimizer.zero_grad()
        with tg.autocast("cuda"):
            out = model(tg.ones(4, 2, device="cuda"))
            loss = (out * (1.0 if good else float("inf"))).sum()
        assert (out.dtype, loss.dtype) == (tg.float16, tg.float32)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert scaler.get_scale() == (8.0 if good else 4.0)
        moved = [[value - 0.4 for value in row] for row in before]
        assert tg.allclose(model.weight.cpu(), tg.tensor(moved), atol=1e-2)
