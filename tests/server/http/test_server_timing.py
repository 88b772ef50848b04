"""`Server-Timing` on what runs rows, and the time of each row of a submission that asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from support.live import http_session, live_server

from telegrad_protocol import wire
from telegrad_protocol.errors import Malformed
from telegrad_protocol.spec import OPS

MSGPACK = {"content-type": wire.CONTENT_TYPE, "accept": wire.CONTENT_TYPE}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with live_server() as url:
        yield url


@pytest.fixture
def http(server: str) -> Iterator[httpx.Client]:
    with http_session(server) as client:
        yield client


def timing(response: httpx.Response) -> tuple[float, float]:
    """Milliseconds in the queue, and of the kernels."""
    header = response.raise_for_status().headers["server-timing"]
    match = re.fullmatch(r"queue;dur=(\d+\.\d{3}), kernel;dur=(\d+\.\d{3})", header)
    assert match is not None, header
    return float(match[1]), float(match[2])


def test_json_calls_say_where_their_time_went(http: httpx.Client) -> None:
    made = http.post("/ops/rand", json={"args": [[700, 700]]})
    timing(made)
    name = made.json()["result"]["id"]
    _, quick = timing(http.post("/ops/sum", json={"args": [name]}))
    _, slow = timing(http.post("/ops/matmul", json={"args": [name, name]}))
    assert 0 < quick < slow
    timing(http.get(f"/tensors/{name}/value"))
    timing(http.post("/run", json={"calls": [{"op": "sum", "args": [name], "name": "s"}], "read": ["s"]}))


def test_requests_that_run_no_rows_have_no_such_header(http: httpx.Client, server: str) -> None:
    assert "server-timing" not in http.get("/tensors").headers
    assert "server-timing" not in httpx.get(f"{server}/v1/health").headers
    refused = http.post("/ops/no_such_op", json={"args": []})
    assert refused.status_code == 404
    assert "server-timing" not in refused.headers


class Rows:
    """A stream of submissions."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.stream, self.first = wire.unpack(http.post("/streams", headers=MSGPACK).content)
        self.number = 0

    def rows(self, *calls: tuple[str, Any, tuple[Any, ...]]) -> bytes:
        return wire.encode_rows([(OPS[op].index, 0, outs, args) for op, outs, args in calls])

    def put(self, body: bytes, query: str = "", number: int | None = None, epoch: int = 0) -> httpx.Response:
        n = self.number if number is None else number
        response = self.http.put(
            f"/streams/{self.stream}/submissions/{n}?epoch={epoch}{query}", content=body, headers=MSGPACK
        )
        self.number += response.status_code == 200 and number is None
        return response


def test_each_row_has_a_time_where_the_query_asks_for_it(http: httpx.Client) -> None:
    stream = Rows(http)
    a = stream.first
    body = stream.rows(
        ("ones", a, ((500, 500), "float32", None)),
        ("matmul", a + 1, (a, a)),
        ("sum", a + 2, (a + 1, None, False, None)),
    )
    plain = stream.put(body)
    timing(plain)
    assert wire.unpack(plain.content) == ((), None), "nothing more than without"
    body = stream.rows(("matmul", a + 3, (a, a)), ("read", a + 4, (a + 2,)))
    timed = stream.put(body, "&timing=rows")
    _, kernel = timing(timed)
    reply, times = wire.decode_timed_reply(timed.content)
    assert np.frombuffer(reply.results[0].data, np.float32) == 500**3
    assert len(times) == 2
    assert 0 < sum(times) / 1e6 <= kernel
    assert times[0] > times[1]
    again = stream.put(body, "&timing=rows", number=1)
    assert again.content == timed.content, "a retry has the kept reply"
    assert stream.put(body, number=1).content == timed.content


def test_rows_from_a_failing_one_on_have_no_time(http: httpx.Client) -> None:
    stream = Rows(http)
    a = stream.first
    body = stream.rows(("ones", a, ((2, 2), "float32", None)), ("matmul", a + 1, (a, a + 9)), ("matmul", a + 2, (a, a)))
    reply, times = wire.decode_timed_reply(stream.put(body, "&timing=rows").content)
    assert reply.error is not None
    assert reply.error["row"] == 1
    assert len(times) == 1


@pytest.mark.parametrize("query", ["&timing=", "&timing=all", "&timing=rows,rows"])
def test_another_timing_is_refused(http: httpx.Client, query: str) -> None:
    refused = Rows(http).put(wire.encode_rows([]), query)
    assert refused.status_code == 400
    assert wire.unpack(refused.content)["expected"] == "rows"


def test_the_value_of_a_read_has_it_too(http: httpx.Client) -> None:
    stream = Rows(http)
    a = stream.first
    stream.put(stream.rows(("ones", a, ((300, 300), "float32", None)), ("read", a + 1, (a,))))
    assert timing(http.get(f"/reads/{a + 1}"))[1] == 0


@pytest.mark.parametrize("times", [5, (1, -2), ("1",), (1.5,)])
def test_times_of_another_form_are_malformed(times: Any) -> None:
    with pytest.raises(Malformed, match="nanoseconds"):
        wire.decode_timed_reply(wire.pack(((), None, times)))
