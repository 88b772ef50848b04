"""Large bodies and answers: read and written beside the event loop, with the same result, while others are answered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from telegrad_server.http.rest import codec, offload

JSON = {"content-type": "application/json"}


def ok(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, code: str) -> dict[str, Any]:
    assert response.json()["code"] == code, response.text
    return dict(response.json())


def slowest_health(url: str, work: Callable[[], Any]) -> float:
    """Seconds that health takes at most, of the quicker half of tries, while something else is done."""
    taken: list[float] = []
    working = threading.Thread(target=work)
    with httpx.Client(base_url=url) as client:
        client.get("/v1/health")
        working.start()
        while working.is_alive():
            begun = time.perf_counter()
            client.get("/v1/health")
            taken.append(time.perf_counter() - begun)
    return max(taken)


def test_many_elements_come_and_go_as_few_do(http: httpx.Client) -> None:
    values = [[float(n), "nan", n / 7] for n in range(20_000)]
    made = ok(http.post("/tensors", json={"data": values, "dtype": "float64", "requires_grad": True}))
    assert (made["shape"], made["requires_grad"]) == ([20_000, 3], True)
    assert ok(http.get("/tensors/t1/value"))["data"] == values
    listed = {"calls": [{"data": values, "dtype": "float64", "name": "x"}], "read": ["x"], "free": ["x"]}
    assert ok(http.post("/run", json=listed))["values"]["x"]["data"] == values
    ragged = {"calls": [{"data": [1.0]}, {"data": [*values, [1.0]]}]}
    error = refused(http.post("/run", json=ragged), "bad_value")
    assert [call["status"] for call in error["calls"]] == ["done", "failed"] or error["calls"][1]["status"] == "failed"
    refused(http.post("/tensors", json={"data": values, "dtype": "float33"}), "bad_type")
    refused(http.post("/tensors", json={"data": values, "shape": [3]}), "malformed")


@pytest.mark.parametrize("shape", [(), (0,), (5000,), (3, 5000), (5000, 3), (2, 0, 5), (1, 1, 9000)])
def test_elements_are_written_in_pieces_as_at_once(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    value = codec.Value(codec.dtype_named("float32"), shape, array.tobytes())
    assert json.loads(codec.render({"a": 1, "data": value, "b": {}}, codec.JSON)) == {
        "a": 1,
        "data": array.tolist(),
        "b": {},
    }


def test_what_is_beside_elements_is_bounded(http: httpx.Client) -> None:
    for path, body in (
        ("/ops/cat", {"args": [["t1"] * (offload.OTHER_ITEMS + 1)]}),
        ("/run", {"calls": [{"op": "neg", "args": ["t1"]}] * offload.OTHER_ITEMS}),
    ):
        refused(http.post(path, json=body), "too_large")


def test_results_that_a_caller_is_told_of_are_bounded(http: httpx.Client) -> None:
    ok(http.post("/tensors", json={"data": [1.0]}))
    ok(http.post("/ops/expand", json={"args": ["t1", [4_000_000]]}))
    for op, args in (
        ("unbind", ["t2"]),
        ("tensor_split", ["t2", 4_000_000]),
        ("split", ["t2", 1]),
        ("split", ["t2", 500]),
    ):
        begun = time.perf_counter()
        refused(http.post(f"/ops/{op}", json={"args": args}), "too_large")
        assert time.perf_counter() - begun < 1.0


@pytest.mark.parametrize(
    "head", ["{'descr': '<f4', 'shape': (2,", "{'descr': (", "{'descr': '''", "(" * 5000, "\x00", "[]", "1"]
)
def test_an_npy_header_that_is_none_is_malformed(http: httpx.Client, head: str) -> None:
    packed = head.encode("latin-1")
    body = b"\x93NUMPY\x01\x00" + len(packed).to_bytes(2, "little") + packed + bytes(8)
    refused(http.post("/tensors", content=body, headers={"content-type": "application/x-npy"}), "malformed")


@pytest.mark.slow
def test_health_is_answered_while_bodies_of_megabytes_are_read_and_written(url: str, http: httpx.Client) -> None:
    body = json.dumps({"data": [1.5] * 900_000}).encode()
    ok(http.post("/tensors", content=body, headers=JSON))
    works: list[Callable[[], Any]] = [
        lambda: http.post("/tensors", content=body, headers=JSON),
        lambda: http.post("/tensors", content=b'{"data":[' + b"[]," * 2_000_000 + b"[]]}", headers=JSON, timeout=60),
        lambda: http.get("/tensors/t1/value"),
    ]
    for work in works:
        assert min(slowest_health(url, work) for _ in range(3)) < 0.25
