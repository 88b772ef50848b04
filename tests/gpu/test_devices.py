"""`cpu`, `cuda:0` and `cuda:1` side by side on one server, over HTTP, each in a worker process of its own."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from support.live import serving
from support.models import MODELS, step_losses
from support.trainings import assert_trained_alike

import telegrad as tg

TESTS = str(Path(__file__).parent.parent)


@pytest.fixture(scope="module", params=["strict", pytest.param("emulated", marks=pytest.mark.gpu)])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TESTS + os.pathsep + os.environ.get("PYTHONPATH", ""))
        with serving([sys.executable, "-m", "gpu.cuda_server", request.param, "2"]) as url:
            yield url


@pytest.fixture
def client(server: str) -> Iterator[str]:
    tg.connect(server)
    yield server
    tg.set_default_device("cpu")
    tg.disconnect()


def test_tensors_are_made_moved_and_read_on_every_device(client: str) -> None:
    x = tg.arange(6, device="cuda").reshape(2, 3)
    assert str(x.device) == "cuda:0"
    assert (x + 1).tolist() == [[1, 2, 3], [4, 5, 6]]
    y = x.to("cuda:1") * 2
    assert (str(y.device), y.tolist()) == ("cuda:1", [[0, 2, 4], [6, 8, 10]])
    assert (y.cpu() + tg.ones(3)).tolist() == [[1, 3, 5], [7, 9, 11]]
    large = tg.ones(300, 300).cuda()  # its bytes travel beside the rows
    back = (large.to("cuda:1") * 3).cpu()
    assert float(back.sum()) == 270_000.0


def test_devices_do_not_mix_but_for_numbers_of_the_cpu(client: str) -> None:
    x = tg.ones(3, device="cuda")
    with pytest.raises(RuntimeError, match=r"at least two devices, cuda:0 and cpu"):
        x + tg.ones(3)
    assert (x * tg.tensor(2.0)).tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(RuntimeError, match="no device cuda:7"):
        tg.ones(1, device="cuda:7")
    x[tg.tensor([0, 2])] = 5.0
    assert x.tolist() == [5.0, 1.0, 5.0]


def test_gradients_flow_back_across_devices(client: str) -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    v = tg.tensor([3.0, 4.0], device="cuda", requires_grad=True)
    loss = ((w * 2).cuda() * v).sum().to("cuda:1") * 10
    loss.backward()
    assert w.grad is not None
    assert v.grad is not None
    assert w.grad.tolist() == [60.0, 80.0]
    assert v.grad.tolist() == [20.0, 40.0]
    assert (str(w.grad.device), str(v.grad.device)) == ("cpu", "cuda:0")


def test_a_failure_on_one_device_stops_the_others_too(client: str) -> None:
    x, y = tg.zeros(2), tg.zeros(2, device="cuda")
    tg.synchronize()
    index = tg.tensor([5]).cuda() + 0
    bad = y[index]
    assert bad.shape == (1,)  # known here, before anybody has looked at the index
    here = y.cpu()  # reads the device, which finds the index
    with pytest.raises(IndexError, match="out of bounds"):
        x.add_(1)  # which raises it, should it be known by then
        here.tolist()
    assert x.tolist() == [0.0, 0.0]
    assert (y + 1).tolist() == [1.0, 1.0]


def test_an_index_that_is_out_of_range_leaves_the_model_as_it_was(client: str) -> None:
    table = tg.nn.Embedding(4, 2).to("cuda")
    optimizer = tg.optim.Adam(table.parameters(), lr=0.1)
    before = table.weight.tolist()
    table(tg.tensor([9], device="cuda")).sum().backward()
    optimizer.step()
    with pytest.raises(IndexError):
        table.weight.tolist()
    assert table.weight.tolist() == before


def test_draws_on_a_device_follow_its_seed(client: str) -> None:
    tg.manual_seed(3)
    first = tg.randn(8, device="cuda")
    tg.manual_seed(3)
    assert tg.randn(8, device="cuda").tolist() == first.tolist()
    assert tg.randn(8).tolist() != first.tolist()
    own = tg.Generator("cuda").manual_seed(1)
    state = own.get_state()
    drawn = tg.rand(3, generator=own, device="cuda").tolist()
    own.set_state(state)
    assert tg.rand(3, generator=own, device="cuda").tolist() == drawn


def losses(device: str, name: str, dtype: str) -> list[float]:
    """Losses of twenty steps of a model, from the same weights on every device."""
    tg.set_default_device("cpu")
    tg.manual_seed(1)
    built = MODELS[name].build(tg)
    built[0].to(device)
    tg.set_default_device(device)
    return [float(loss) for loss in step_losses(tg, name, built, 20, dtype)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("mlp", "float32"),
        pytest.param("mlp", "float64", marks=pytest.mark.gpu),
        pytest.param("cnn", "float32", marks=pytest.mark.gpu),
        pytest.param("gpt", "float32", marks=pytest.mark.gpu),
    ],
)
def test_a_model_trains_on_a_device_as_on_the_cpu(client: str, name: str, dtype: str) -> None:
    assert_trained_alike(losses("cuda", name, dtype), losses("cpu", name, dtype), dtype)


def test_plain_http_works_on_a_device(server: str) -> None:
    with httpx.Client(base_url=server, verify=False) as http:
        session = http.post("/v1/sessions", json={"device": "cuda:1"}).raise_for_status().json()
        assert session["devices"] == ["cpu", "cuda:0", "cuda:1"]
        base = f"/v1/sessions/{session['session']}"
        http.post(f"{base}/tensors", json={"data": [1.0, 2.0]}).raise_for_status()
        http.post(f"{base}/ops/mul", json={"args": ["t1", 3]}).raise_for_status()
        assert http.get(f"{base}/tensors/t2/value").json()["data"] == [3.0, 6.0]
        http.delete(base)


def worker_of(device: str) -> psutil.Process:
    """The process that serves a device of this test's server."""
    (found,) = [
        process
        for process in psutil.Process().children(recursive=True)
        if "gpu.cuda_worker" in (command := process.cmdline()) and device in command
    ]
    return found


@pytest.mark.gpu
def test_a_device_that_is_lost_ends_its_worker_which_says_why_and_a_new_one_serves(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TESTS + os.pathsep + os.environ.get("PYTHONPATH", ""))
        with serving([sys.executable, "-m", "gpu.cuda_server", "emulated", "3"]) as url:
            tg.connect(url)
            x = tg.ones(2, device="cuda:2")
            assert x.tolist() == [1.0, 1.0]
            worker_of("cuda:2").send_signal(signal.SIGUSR1)
            with pytest.raises(RuntimeError, match="the worker process ended"):
                (x + 1).tolist()
            tg.disconnect()
            tg.connect(url)
            assert (tg.ones(2, device="cuda:2") + 1).tolist() == [2.0, 2.0]
            tg.disconnect()
    told = capfd.readouterr().err
    assert re.search(r"error +device lost device=cuda:2 cause=cudaErrorIllegalAddress", told), told
    assert "worker died device=cuda:2 cause=exit status 70" in told


def test_a_dead_device_costs_the_sessions_that_used_it_alone(server: str) -> None:
    tg.connect(server)
    x = tg.ones(2, device="cuda:1")
    assert x.tolist() == [1.0, 1.0]
    with httpx.Client(base_url=server, verify=False) as http:
        other = http.post("/v1/sessions", json={}).json()["session"]
        http.post(f"/v1/sessions/{other}/tensors", json={"data": [7.0]}).raise_for_status()
        worker_of("cuda:1").kill()
        with pytest.raises(RuntimeError, match=r"gone|no such session|being started"):
            for _ in range(100):
                x.add_(1)
                tg.synchronize()
        assert http.get(f"/v1/sessions/{other}/tensors/t1/value").json()["data"] == [7.0]
    tg.disconnect()
