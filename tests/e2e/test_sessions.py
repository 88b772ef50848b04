"""Sessions as a client sees them: begun anew, lost, left behind, and ended with a block."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.live import live_server

import telegrad as tg
from telegrad._http.session import Session
from telegrad._runtime.defaults import defaults
from telegrad._runtime.process import stream
from telegrad_protocol.errors import SessionGone, WorkerDied


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    yield
    tg.disconnect()


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/docs", "/some/where"])
def test_a_url_with_a_path_is_told_without_it(server: str, path: str) -> None:
    with pytest.raises(ConnectionError) as caught:
        tg.connect(server + path)
    assert str(caught.value).endswith(f"named without a path: {server}")
    tg.connect(server + "/")
    assert tg.ones(1).add(1).tolist() == [2.0]


def test_a_block_has_a_session_of_its_own(server: str) -> None:
    with tg.connect(server) as connection:
        assert server in repr(connection)
        assert tg.ones(2).tolist() == [1.0, 1.0]
    assert "closed" in repr(connection)
    assert stream.session.url is None


def test_a_block_tells_what_failed_in_it(server: str) -> None:
    with pytest.raises(IndexError, match="out of bounds"), tg.connect(server):
        tg.ones(3).exp()[tg.tensor([7])]
    with pytest.raises(LookupError, match="mine"), tg.connect(server):
        tg.ones(3).exp()[tg.tensor([7])]
        raise LookupError("mine")


def test_a_blocks_device_is_the_default_within_it_only(server: str) -> None:
    defaults.device = "cpu"
    with tg.connect(server, device="cpu:0"):
        pass
    assert defaults.device == "cpu"


def test_a_block_leaves_a_later_connection_alone(server: str) -> None:
    with tg.connect(server):
        tg.connect(server)
        x = tg.ones(1)
    assert x.tolist() == [1.0]


def test_tensors_of_an_earlier_session_say_so(server: str) -> None:
    tg.connect(server)
    x, generator = tg.ones(2) + 1, tg.Generator()
    tg.synchronize()
    tg.connect(server)
    for use in (x.tolist, lambda: tg.cat([tg.ones(2), x]).tolist(), lambda: tg.rand(99, generator=generator).tolist()):
        with pytest.raises(SessionGone, match="earlier session"):
            use()
    assert tg.ones(1).add(1).tolist() == [2.0]


def test_a_lost_session_says_how_to_begin_anew(server: str) -> None:
    import httpx

    tg.connect(server)
    tg.ones(1).exp().tolist()
    httpx.delete(f"{server}/v1/sessions/{stream.session.open().session}")
    with pytest.raises(SessionGone) as caught:
        tg.ones(1).exp().tolist()
    assert f'tg.connect("{server}") begins a new session' in str(caught.value)


def test_a_hint_is_part_of_the_message(server: str) -> None:
    tg.connect(server)
    with pytest.raises(RuntimeError, match=r"leaf Variable that requires grad[^$]*Hint: write under"):
        tg.ones(1, requires_grad=True).add_(1)


def test_a_hint_is_shown_with_the_message_and_travels_apart_from_it() -> None:
    error = SessionGone("it is gone", hint="make another")
    assert str(error) == "it is gone\nHint: make another"
    assert error.to_dict() == {"code": "session_gone", "message": "it is gone", "hint": "make another"}
    assert str(SessionGone("it is gone")) == "it is gone"


def _worker(url: str) -> Any:
    import psutil

    port = int(url.rpartition(":")[2])
    fronts = [c for c in psutil.Process().children() if any(n.laddr.port == port for n in c.net_connections())]
    return fronts[0].children()[0]


@pytest.mark.parametrize("way", ["upload", "download"])
def test_a_worker_that_dies_amid_a_transfer_is_told_as_such(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with live_server() as url:
        tg.connect(url)
        worker = _worker(url)
        transfer = getattr(Session, way)

        def cut_off(*args: Any) -> None:
            os.kill(worker.pid, signal.SIGSTOP)  # so that the transfer is under way when it dies
            threading.Timer(0.7, worker.kill).start()
            transfer(*args)

        monkeypatch.setattr(Session, way, cut_off)
        with pytest.raises(WorkerDied) as caught:
            if way == "download":
                tg.ones(16 << 20).read().result()
            else:
                tg.tensor(np.ones(16 << 20, np.float32)).sum().item()
        assert "begins a new session" in str(caught.value)
        assert "answered 503" not in str(caught.value)
        time.sleep(0.1)
        tg.disconnect()


def test_a_failed_tensor_names_the_same_line_at_every_read(server: str) -> None:
    tg.connect(server)
    bad = tg.ones(3).exp()[tg.tensor([7])]  # the line at fault
    more = bad + 1
    for read in (bad.tolist, bad.tolist, more.tolist, (more * 2).tolist, bad.read().result):
        with pytest.raises(IndexError, match="out of bounds") as caught:
            read()
        assert ["the line at fault" in note for note in caught.value.__notes__] == [True]
    assert tg.ones(1).add(1).tolist() == [2.0]


def test_what_is_remembered_of_failed_tensors_goes_with_them(server: str) -> None:
    tg.connect(server)
    bad = tg.ones(3).exp()[tg.tensor([7])]
    with pytest.raises(IndexError):
        bad.tolist()
    assert stream.sender.failures.causes
    del bad
    tg.synchronize()
    assert not stream.sender.failures.causes
