"""Mutated requests over sockets, of every format: an error of the caller's at most, and health answers all the while."""

from __future__ import annotations

import io
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import httpx
import msgpack
import numpy as np
import psutil
import pytest
from support.fuzz import HUGE, NESTED, Flat, Valid, mutated_call, mutated_session, new_random
from support.live import live_server

from telegrad_protocol import wire
from telegrad_protocol.spec import OPS

JSON: Final = "application/json"
MSGPACK: Final = "application/msgpack"
NPY: Final = "application/x-npy"
WORDS: Final = (
    "",
    "t1",
    "t9",
    "t",
    "nan",
    "inf",
    "float32",
    "x" * 300,
    "\u00e9",
    "\ud800",
    "float32\x00",
    "cpu",
    "cuda:0",
)
ODD: Final = (None, True, 1.5, 1e400, -0.0, 10**400, *WORDS, *HUGE, *NESTED)

BODIES: Final[dict[str, list[Any]]] = {
    "/tensors": [
        {"data": [[1.0, 2.0], [3.0, 4.0]], "dtype": "float32", "requires_grad": True},
        {"data": "nan"},
        {"data": [], "shape": [2]},
    ],
    "/tensors/t1/backward": [{"gradient": "t1", "retain_graph": True, "create_graph": False}],
    "/ops/mul": [{"args": ["t1", 2.0], "inplace": True, "grad": False, "free": ["t2"]}, {"args": {"input": "t1"}}],
    "/ops/sgd_step": [{"args": {"params": ["t1"], "state": ["t9"], "lr": 0.1, "momentum": 0.9}}],
    "/ops/gradients": [{"args": {"outputs": ["t1"], "inputs": ["t1"], "grad_outputs": [None]}}],
    "/ops/set_grad": [{"args": ["t1", "t1"]}],
    "/ops/get_grad": [{"args": ["t1"]}],
    "/ops/set_requires_grad": [{"args": ["t1", True]}],
    "/ops/clear_grads": [{"args": [["t1"]]}],
    "/ops/retain_grad": [{"args": ["t1"]}],
    "/ops/manual_seed": [{"args": [1, None]}],
    "/ops/new_generator": [{"args": [1]}],
    "/ops/set_generator_state": [{"args": ["t1", None]}],
    "/run": [
        {
            "calls": [
                {"data": [1.0, 2.0], "requires_grad": True, "name": "x"},
                {"op": "mul", "args": ["x", "x"], "name": "y"},
                {"op": "sum", "args": {"input": "y"}, "name": "z", "free": ["y"]},
                {"backward": "z"},
            ],
            "read": ["z"],
            "free": ["x", "z"],
        }
    ],
}


class Requests:
    """Requests of one session, each a valid one that was changed somewhere."""

    def __init__(self, client: httpx.Client, rng: random.Random) -> None:
        self.client = client
        self.rng = rng
        self.rows = Valid()
        self.open()

    def open(self) -> None:
        opened = self.client.post("/v1/sessions", json={}).raise_for_status().json()
        self.path = f"/v1/sessions/{opened['session']}"
        self.client.post(f"{self.path}/tensors", json={"data": [1.0, 2.0], "requires_grad": True}).raise_for_status()
        self.streams = 0
        self.open_stream()

    def open_stream(self) -> None:
        self.streams += 1
        if self.streams > 60:
            self.close()
            self.open()
            return
        stream = self.client.post(f"{self.path}/streams").raise_for_status().json()["stream"]
        self.rows_path, self.number = f"{self.path}/streams/{stream}/submissions", 0

    def close(self) -> None:
        self.client.delete(self.path).raise_for_status()

    def send(self) -> httpx.Response:
        kinds: list[Callable[[], httpx.Response]] = [
            self.plain,
            self.plain,
            self.npy,
            self.submission,
            self.odd,
            self.read,
        ]
        return self.rng.choice(kinds)()

    def plain(self) -> httpx.Response:
        path = self.rng.choice(list(BODIES))
        body = deepcopy(self.rng.choice(BODIES[path]))
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            _change(body, self.rng)
        if self.rng.random() < 0.3:
            content, kind = msgpack.packb(_packable(body), unicode_errors="surrogatepass"), MSGPACK
        else:
            content, kind = json.dumps(body, ensure_ascii=self.rng.random() < 0.5).encode(errors="surrogatepass"), JSON
        return self.post(path, self._broken(content), {"content-type": kind})

    def _broken(self, content: bytes) -> bytes:
        """The same bytes, or now and then some that are no such thing."""
        choice = self.rng.random()
        if choice < 0.05:
            return content[: self.rng.randrange(len(content) + 1)]
        if choice < 0.1 and content:
            at = self.rng.randrange(len(content))
            return content[:at] + bytes([self.rng.randrange(256)]) + content[at + 1 :]
        if choice < 0.12:
            return b"[" * self.rng.choice((10, 1000, 100_000))
        return content

    def npy(self) -> httpx.Response:
        file = io.BytesIO()
        np.save(
            file,
            np.ones(self.rng.choice(((), (2,), (2, 3), (0, 3))), self.rng.choice(("f4", "i8", "?", "c8", "M8[s]"))),
        )
        content = file.getvalue()
        head = bytearray(content[:128])
        for _ in range(self.rng.choice((0, 1, 3))):
            head[self.rng.randrange(len(head))] = self.rng.choice(
                b"()[]{}',:\x00\n9#\\\"-LFT" + bytes([self.rng.randrange(256)])
            )
        return self.post("/tensors?requires_grad=1", bytes(head) + content[128:], {"content-type": NPY})

    def submission(self) -> httpx.Response:
        rng, rows = self.rng, self.rows
        calls = rng.random() < 0.5
        made = mutated_call(rows.call(rng), rng) if calls else mutated_session(rows.session(rng), rng)
        made = [row for row in made if row[0] != OPS["upload"].index]  # it would wait
        good = f"?epoch={self.number}&ack={self.number}"
        query = (
            good if rng.random() < 0.9 else rng.choice(("", "?epoch=x", "?ack=99999", "?device=cuda:0", "?device=%00"))
        )
        number = self.number if rng.random() < 0.95 else rng.choice((self.number + 70, 10**15, 10**16))
        content, path = self._broken(wire.pack(made)), f"{self.rows_path}/{number}{query}"
        response = self.client.put(path, content=content, headers={"content-type": MSGPACK})
        if response.status_code == 200:
            error = wire.decode_reply(response.content).error
            assert error is None or error["code"] != "internal", (error, made)
            self.number += 1
        else:
            self.open_stream()
        return response

    def odd(self) -> httpx.Response:
        """Paths, methods, queries and headers."""
        rng = self.rng
        tails = (
            "/tensors",
            "/tensors/t1",
            "/tensors/t1/value",
            "/uploads/1",
            "/reads/1",
            "/lease",
            "/streams",
            "/ops",
            "",
        )
        path = (
            self.path + rng.choice(tails) if rng.random() < 0.8 else rng.choice(("/v1/ops", "/v1/info", "/", "/docs"))
        )
        path += rng.choice(
            ("", "?limit=2", "?limit=-1", "?after=t0", "?after=%ff", "?device=%00", "/%2e%2e", "?a=" + "x" * 3000)
        )
        headers = {
            "accept": rng.choice((JSON, MSGPACK, NPY, "*/*", "text/html;q=x", ",,;", "application/octet-stream")),
            "content-type": rng.choice(
                (JSON, MSGPACK, "application/octet-stream", "", "a/b; c", "multipart/form-data")
            ),
            "range": rng.choice(("bytes=0-", "bytes=-5", "x", "bytes=999999999999-")),
        }
        methods = ("GET", "POST", "PUT", "PATCH", "OPTIONS", "HEAD")
        content = rng.choice((b"", b"{}", b"\x80", b"x" * 100))
        return self.client.request(rng.choice(methods), path, content=content, headers=headers)

    def read(self) -> httpx.Response:
        name = self.rng.choice(("t1", "t2", "t999999999999999", "t1234567890123456", "tx", "t-1"))
        tail = self.rng.choice(("", "/value", "/grad"))
        return self.client.get(
            f"{self.path}/tensors/{name}{tail}", headers={"accept": self.rng.choice((JSON, NPY, MSGPACK))}
        )

    def post(self, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.client.post(self.path + path, content=content, headers=headers)


def _change(value: Any, rng: random.Random) -> None:
    """Replace, remove or add one thing somewhere in plain data."""
    while isinstance(value, dict | list) and value:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.7:
            value = value[key]
            continue
        change = rng.random()
        if change < 0.15:
            del value[key]
        elif change < 0.25 and isinstance(value, dict):
            value[rng.choice(("data", "op", "backward", "args", "name", "extra"))] = deepcopy(rng.choice(ODD))
        else:
            value[key] = deepcopy(rng.choice(ODD))
        return


def _packable(value: Any) -> Any:
    """As msgpack can write it."""
    if isinstance(value, dict):
        return {name: _packable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_packable(item) for item in value]
    return str(value) if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64 else value


class Watch:
    """Asks for health all the while; `worst` is the longest that it took, in seconds."""

    def __init__(self, url: str) -> None:
        self.url, self.worst, self.stopped = url, 0.0, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.stopped.wait(0.01):
                begun = time.perf_counter()
                assert client.get("/v1/health").json() == {"status": "ok"}
                self.worst = max(self.worst, time.perf_counter() - begun)


@dataclass
class Server:
    url: str
    processes: list[psutil.Process]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    before = set(psutil.Process().children(recursive=True))
    with live_server("--memory", "256M") as url:
        yield Server(url, [p for p in psutil.Process().children(recursive=True) if p not in before])


def fuzz(server: Server, name: str, seconds: float) -> None:
    begun, count, flat = time.monotonic(), 0, None
    with httpx.Client(base_url=server.url, timeout=30) as client, Watch(server.url) as watch:
        sender = Requests(client, new_random(name))
        while time.monotonic() < begun + seconds:
            count += 1
            if count % 500 == 0:
                sender.close()
                sender.open()
            if flat is None and time.monotonic() > begun + seconds / 4:
                flat = Flat(*server.processes)
            response = sender.send()
            sent = (response.request.method, str(response.request.url), response.request.content[:1000])
            assert response.status_code < 500 or response.status_code == 507, (
                response.status_code,
                response.text,
                sent,
            )
            assert '"code":"internal"' not in response.text, (response.text, sent)
        sender.close()
    assert flat is not None, f"one request took more than {seconds} seconds"
    print(f"{name}: {count} requests, health within {watch.worst * 1000:.0f} ms, {flat.check()}")
    assert watch.worst < 1.0
    assert watch.worst > 0.0, "health was never asked"


def test_mutated_requests_are_the_callers_errors(server: Server) -> None:
    fuzz(server, "requests", 5.0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_mutated_requests_are_the_callers_errors(server: Server) -> None:
    fuzz(server, "many requests", float(os.environ.get("FUZZ_SECONDS", "60")))
