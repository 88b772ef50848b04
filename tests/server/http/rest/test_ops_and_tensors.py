"""The REST routes as curl uses them: a live server, sessions, tensors, ops by name, gradients."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import httpx
import msgpack
import numpy as np
import pytest

from telegrad_protocol.spec import BY_INDEX

MSGPACK = {"content-type": "application/msgpack", "accept": "application/msgpack"}


def make(http: httpx.Client, data: Any, **fields: Any) -> dict[str, Any]:
    return ok(http.post("/tensors", json={"data": data, **fields}))


def ok(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def call(http: httpx.Client, name: str, *args: Any, **fields: Any) -> Any:
    return ok(http.post(f"/ops/{name}", json={"args": args, **fields}))["result"]


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    return dict(response.json())


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def fetch(http: httpx.Client, tensor: str) -> np.ndarray:
    response = http.get(f"/tensors/{tensor}/value", headers={"accept": "application/x-npy"})
    assert response.headers["content-type"] == "application/x-npy"
    return np.load(io.BytesIO(response.content))


def test_a_gradient_by_hand(http: httpx.Client) -> None:
    x = make(http, [[1, 2], [3, 4]], dtype="float32", requires_grad=True)
    assert x == {"id": "t1", "dtype": "float32", "shape": [2, 2], "requires_grad": True, "bytes": 16}
    y = call(http, "mul", "t1", "t1")
    loss = ok(http.post("/ops/sum", json={"args": {"input": y["id"]}}))["result"]
    assert ok(http.get(f"/tensors/{loss['id']}/value")) == {"dtype": "float32", "shape": [], "data": 30.0}
    assert ok(http.post(f"/tensors/{loss['id']}/backward", json={})) == {}
    assert ok(http.get("/tensors/t1/grad"))["data"] == [[2.0, 4.0], [6.0, 8.0]]
    grad = call(http, "get_grad", "t1")
    call(http, "sub", "t1", grad["id"], inplace=True, grad=False)
    assert ok(http.get("/tensors/t1/value"))["data"] == [[-1.0, -2.0], [-3.0, -4.0]]


def test_metadata_list_and_delete(http: httpx.Client) -> None:
    made = [make(http, 1.5), make(http, [True, False]), make(http, [])]
    assert [(t["dtype"], t["shape"]) for t in made] == [("float32", []), ("bool", [2]), ("float32", [0])]
    assert ok(http.get("/tensors")) == {"tensors": [{**t, "device": "cpu"} for t in made], "next": None}
    first = ok(http.get("/tensors?limit=2"))
    assert ([t["id"] for t in first["tensors"]], first["next"]) == (["t1", "t2"], "t2")
    rest = ok(http.get("/tensors?limit=2&after=t2"))
    assert ([t["id"] for t in rest["tensors"]], rest["next"]) == (["t3"], None)
    for query in ("limit=0", "limit=1001", "limit=x", "after=3"):
        refused(http.get(f"/tensors?{query}"), 400, "malformed")
    assert ok(http.delete("/tensors/t2")) == {}
    assert [t["id"] for t in ok(http.get("/tensors"))["tensors"]] == ["t1", "t3"]
    refused(http.delete("/tensors/t2"), 404, "unknown_tensor")
    refused(http.get("/tensors/t2"), 404, "unknown_tensor")
    refused(http.get("/tensors/two"), 400, "malformed")


def test_a_failed_call_holds_up_nobody_and_leaves_nothing(http: httpx.Client) -> None:
    make(http, [1.0, 2.0, 3.0])
    make(http, [1.0, 2.0])
    error = refused(http.post("/ops/add", json={"args": ["t1", "t2"]}), 422, "bad_shape")
    assert error["op"] == "add"
    assert [t["id"] for t in ok(http.get("/tensors"))["tensors"]] == ["t1", "t2"]
    assert call(http, "neg", "t2")["id"] == "t4"
    call(http, "neg", "t2", inplace=True)
    refused(http.post("/ops/log", json={"args": ["t9"], "inplace": True}), 404, "unknown_tensor")
    assert ok(http.get("/tensors/t2/value"))["data"] == [-1.0, -2.0]


def test_errors_say_what_to_do(http: httpx.Client) -> None:
    make(http, [1.0])
    assert "mul" in refused(http.post("/ops/mull", json={"args": []}), 404, "unknown_op")["hint"]
    wrong = refused(http.post("/ops/mul", json={"args": ["t1", "one"]}), 422, "bad_type")
    assert (wrong["op"], wrong["argument"], wrong["got"]) == ("mul", "other", "one")
    assert "'t5'" in wrong["expected"]
    refused(http.post("/ops/mul", json={"args": {"self": 1}}), 422, "bad_type")
    refused(http.post("/ops/mul", json={"args": ["t1", 2**70]}), 422, "bad_value")
    refused(http.post("/ops/sum", json={"args": ["t1"], "inplace": True}), 422, "unsupported")
    refused(http.post("/ops/sum", json={"args": ["t1"], "place": True}), 400, "malformed")
    assert http.get("/tensors/t9").json()["message"] == "there is no tensor 't9' in this session"
    assert "'t9'" in refused(http.post("/ops/neg", json={"args": ["t9"]}), 404, "unknown_tensor")["message"]
    refused(http.post("/ops/adam_step", json={"args": {"params": [], "state": [7], "lr": 0.1}}), 422, "bad_type")


DTYPE_WORDS = "bfloat16, bool, float16, float32"


def test_what_there_is_no_such_thing_as_lists_what_there_is(http: httpx.Client, url: str) -> None:
    for response in (
        http.post("/tensors", json={"data": [1], "dtype": "floot32"}),
        http.post("/ops/zeros", json={"args": {"size": [2], "dtype": "floot32"}}),
        http.post("/ops/full", json={"args": {"size": [2], "fill_value": 1, "dtype": "floot32"}}),
    ):
        record = refused(response, 422, "bad_type")
        assert "floot32" in record["message"]
        assert DTYPE_WORDS in record["message"]
        assert record["argument"] == "dtype"
    record = refused(httpx.post(f"{url}/v1/sessions", json={"device": "gpu"}), 422, "bad_device")
    assert "cpu" in record["hint"]
    assert refused(httpx.post(f"{url}/v1/sessions", json={"device": "cuda"}), 422, "bad_device")["expected"] == "cpu"
    refused(http.post("/ops/zeros", json={"args": {"size": [2], "device": "gpu"}}), 422, "bad_device")
    elsewhere = refused(http.post("/ops/zeros", json={"args": {"size": [2], "device": "cuda"}}), 422, "bad_device")
    assert (elsewhere["expected"], elsewhere["argument"]) == ("cpu", "device")
    assert ok(http.post("/ops/zeros", json={"args": {"size": [2], "device": "cpu"}}))["result"]["shape"] == [2]
    form = http.post("/tensors", content=b"{}", headers={"content-type": "application/x-www-form-urlencoded"})
    assert "Content-Type: application/json" in refused(form, 415, "wrong_content_type")["hint"]
    assert "application/x-npy" in form.json()["expected"]
    near = refused(http.post("/ops/add_", json={}), 404, "unknown_op")["hint"]
    assert (near, "inplace" in near) == ("call 'add' with \"inplace\": true", True)
    assert "matmul" in refused(http.post("/ops/matmull", json={}), 404, "unknown_op")["hint"]


PRIVATE = [op.name for op in BY_INDEX if op.name.startswith("_")]
ROWS = ["backward", "constant", "describe", "device_name", "empty_cache", "free", "memory_stats", "read"]
ROWS += [
    "reset_peak_memory",
    "send",
    "set_data",
    "unscale_grads",
    "upload",
    "has_grad",
    "exists",
    "watch",
    "begin_walk",
]
ROWS += ["begin_collecting_walk", "walk_to", "replace_gradient", "next_stop", "end_walk", "drop_walk"]


def test_what_is_not_public_is_unknown(http: httpx.Client) -> None:
    make(http, [1.0])
    listed = {op["name"] for op in httpx.get(f"{http.base_url.copy_with(path='/v1/ops')}").json()["ops"]}
    assert {name for name in listed if name.startswith("_")} == set()
    assert {op.name for op in BY_INDEX} - listed == {*PRIVATE, *ROWS}
    assert len(PRIVATE) > 40
    for name in (*PRIVATE, *ROWS):
        record = refused(http.post(f"/ops/{name}", json={"args": ["t1"]}), 404, "unknown_op")
        refused(httpx.get(f"{http.base_url.copy_with(path=f'/v1/ops/{name}')}"), 404, "unknown_op")
        suggested = re.findall(r"[a-z0-9_]+", record["hint"].partition("did you mean")[2])
        assert set(suggested) - {"or"} <= listed, record
    assert "GET" in refused(http.post("/ops/read", json={"args": ["t1"]}), 404, "unknown_op")["hint"]
    assert [t["id"] for t in ok(http.get("/tensors"))["tensors"]] == ["t1"]


@pytest.mark.parametrize("kind", ["json", "npy", "npy, turned", "npy, large"])
def test_what_cannot_require_grad_leaves_nothing(http: httpx.Client, kind: str) -> None:
    if kind == "json":
        response = http.post("/tensors", json={"data": [1, 2], "requires_grad": True})
    else:
        array = np.ones((300, 400) if "large" in kind else (2, 3), np.int64, order="F" if "turned" in kind else "C")
        headers = {"content-type": "application/x-npy"}
        response = http.post("/tensors?requires_grad=true", content=npy(array), headers=headers)
    assert "dtype" in refused(response, 422, "autograd")["hint"]
    assert ok(http.get("/tensors"))["tensors"] == []


def test_what_fails_half_way_leaves_nothing(http: httpx.Client) -> None:
    """Every way to make a tensor, each failing after something of it was there; asked at once, with no call between."""
    make(http, [[1.0, 2.0]], requires_grad=True)
    make(http, [1, 2, 3])
    headers = {"content-type": "application/x-npy"}
    whole = npy(np.ones((300, 400)))
    turned = npy(np.asfortranarray(np.ones((1 << 12, 1 << 12))))
    body = msgpack.packb({"data": b"1234", "dtype": "float32", "shape": [2]})
    attempts: list[Callable[[], httpx.Response]] = [
        lambda: http.post("/tensors", content=whole[:-8], headers=headers),
        lambda: http.post("/tensors", content=npy(np.ones(4))[:-8], headers=headers),
        lambda: http.post(
            "/tensors", content=turned, headers=headers
        ),  # it fits once, and not a second time to be turned
        lambda: http.post("/tensors", content=body, headers=MSGPACK),
        lambda: http.post("/ops/add", json={"args": ["t1", "t2"]}),
        lambda: http.post("/ops/sort", json={"args": ["t1", 5]}),
        lambda: http.post("/ops/split", json={"args": ["t1", -1]}),
        lambda: http.post("/ops/gradients", json={"args": [["t1"], ["t2"], [None]]}),
        lambda: http.post("/ops/get_grad", json={"args": ["t1"]}),
        lambda: http.post("/ops/rand", json={"args": {"size": [2], "generator": 99}}),
        lambda: http.post("/ops/set_requires_grad", json={"args": ["t2", True]}),
        lambda: http.get("/tensors/t1/grad"),
    ]
    for number, attempt in enumerate(attempts):
        assert attempt().status_code >= 400, number
        assert [t["id"] for t in ok(http.get("/tensors"))["tensors"]] == ["t1", "t2"], number


def test_gradients_that_are_not_there_say_why(http: httpx.Client) -> None:
    make(http, [1.0, 2.0], requires_grad=True)
    make(http, [1.0, 2.0])
    y = call(http, "mul", "t1", "t1")["id"]
    loss = call(http, "sum", y)["id"]
    assert "backward" in refused(http.get("/tensors/t1/grad"), 422, "op_failed")["hint"]
    assert "requires_grad" in refused(http.get("/tensors/t2/grad"), 422, "op_failed")["hint"]
    assert "gradient" in refused(http.post(f"/tensors/{y}/backward", json={}), 422, "autograd")["hint"]
    assert "requires_grad" in refused(http.post("/tensors/t2/backward", json={}), 422, "autograd")["hint"]
    assert ok(http.post(f"/tensors/{loss}/backward", json={})) == {}
    twice = refused(http.post(f"/tensors/{loss}/backward", json={}), 422, "graph_freed")
    assert "retain_graph" in twice["hint"]
    assert ok(http.get("/tensors/t1/grad"))["data"] == [2.0, 4.0]  # the second has added nothing
    assert "retain_grad" in refused(http.get(f"/tensors/{y}/grad"), 422, "op_failed")["hint"]
    z = call(http, "mul", "t1", 3.0)["id"]
    call(http, "retain_grad", z)
    assert ok(http.post(f"/tensors/{z}/backward", json={"gradient": "t2"})) == {}
    assert ok(http.get(f"/tensors/{z}/grad"))["data"] == [1.0, 2.0]


def test_text_ends_its_line(http: httpx.Client, url: str) -> None:
    make(http, [1.0])
    session = str(http.base_url).rstrip("/")
    for address in (
        "/v1/health",
        "/v1/info",
        "/v1/ops",
        "/v1/ops/mul",
        "/v1/rows",
        "/openapi.json",
        "/",
        "/v1/nothing",
    ):
        assert httpx.get(url + address).content.endswith(b"}\n"), address
    for address in ("/tensors", "/tensors/t1", "/tensors/t1/value", "/tensors/t1/grad", "/uploads/1"):
        assert httpx.get(session + address).content.endswith(b"}\n"), address
    for address, body in (("/ops/neg", {"args": ["t1"]}), ("/run", {"calls": [{"op": "neg", "args": ["t1"]}]})):
        assert httpx.post(session + address, json=body).content.endswith(b"}\n"), address
    assert httpx.post(session + "/lease").content.endswith(b"}\n")
    assert httpx.delete(session + "/reads/1").content == b"{}\n"
    upload = httpx.put(session + "/uploads/1", content=b"1234", headers={"content-type": "application/octet-stream"})
    assert upload.content == b"{}\n"
    packed = httpx.get(session + "/tensors/t1", headers={"accept": "application/msgpack"}).content
    assert msgpack.unpackb(packed)["id"] == "t1"


def test_numbers_that_json_has_no_word_for(http: httpx.Client) -> None:
    made = make(http, [1.0, "nan", "-inf"])
    assert ok(http.get(f"/tensors/{made['id']}/value"))["data"] == [1.0, "nan", "-inf"]
    out = call(http, "mul", made["id"], "inf")
    assert ok(http.get(f"/tensors/{out['id']}/value"))["data"] == ["inf", "nan", "-inf"]
    refused(
        http.post("/tensors", content=b'{"data": NaN}', headers={"content-type": "application/json"}), 400, "malformed"
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int8", "uint8", "bool"])
def test_every_kind_of_element_comes_back(http: httpx.Client, dtype: str) -> None:
    data = [[True, False]] if dtype == "bool" else [[1, 0]]
    made = make(http, data, dtype=dtype)
    value = ok(http.get(f"/tensors/{made['id']}/value"))
    assert (value["dtype"], value["data"]) == (dtype, data)
    packed = http.get(f"/tensors/{made['id']}/value", headers={"accept": "application/msgpack"}).content
    again = http.post("/tensors", content=packed, headers=MSGPACK)
    assert msgpack.unpackb(again.content)["dtype"] == dtype
    plain = http.get(f"/tensors/{made['id']}/value", headers={"accept": "application/octet-stream"})
    assert (plain.headers["x-dtype"], plain.headers["x-shape"]) == (dtype, "1,2")
    assert plain.content == msgpack.unpackb(packed)["data"]


@pytest.mark.parametrize("shape", [(), (0, 3), (5, 7), (300, 500)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_both_ways(http: httpx.Client, shape: tuple[int, ...], order: Any) -> None:
    array = np.asarray(np.random.default_rng(0).normal(size=shape), order=order)
    sent = http.post("/tensors?requires_grad=true", content=npy(array), headers={"content-type": "application/x-npy"})
    assert ok(sent)["requires_grad"] is True
    assert len(ok(http.get("/tensors"))["tensors"]) == 1
    np.testing.assert_array_equal(fetch(http, ok(sent)["id"]), array)


def test_large_values_stream_and_json_is_bounded(http: httpx.Client) -> None:
    array = np.arange(3_000_000, dtype=np.float32)  # several slots of the arena
    made = ok(http.post("/tensors", content=npy(array), headers={"content-type": "application/x-npy"}))
    np.testing.assert_array_equal(fetch(http, made["id"]), array)
    refused(http.get(f"/tensors/{made['id']}/value"), 413, "too_large")
    nested = make(http, array[:50_000].tolist())
    assert ok(http.get(f"/tensors/{nested['id']}/value"))["data"] == array[:50_000].tolist()
    cut_off = http.post("/tensors", content=npy(array)[:-4], headers={"content-type": "application/x-npy"})
    refused(cut_off, 400, "malformed")
    refused(http.post("/ops/zeros", json={"args": [[1 << 30]]}), 507, "out_of_memory")


def test_content_is_negotiated(http: httpx.Client) -> None:
    make(http, 1.0, dtype="bfloat16")
    refused(http.post("/tensors", content=b"x", headers={"content-type": "text/plain"}), 415, "wrong_content_type")
    refused(http.get("/tensors/t1", headers={"accept": "text/html"}), 406, "not_acceptable")
    refused(http.get("/tensors/t1/value", headers={"accept": "application/x-npy"}), 406, "not_acceptable")
    preferred = "text/html, application/json;q=0.5, application/msgpack"
    assert msgpack.unpackb(http.get("/tensors/t1", headers={"accept": preferred}).content)["id"] == "t1"
    body = msgpack.packb({"args": ["t1", 2]})
    answered = http.post("/ops/mul", content=body, headers={"content-type": "application/msgpack"})
    assert msgpack.unpackb(answered.content)["result"]["dtype"] == "bfloat16"


def test_several_results_and_none(http: httpx.Client) -> None:
    make(http, [2.0, 3.0], requires_grad=True)
    loss = call(http, "sum", call(http, "mul", "t1", "t1")["id"])
    found = call(http, "gradients", [loss["id"]], ["t1"], [None])
    assert [ok(http.get(f"/tensors/{t['id']}/value"))["data"] for t in found] == [[4.0, 6.0]]
    assert call(http, "manual_seed", 1) is None
    assert set(call(http, "new_generator", 1)) == {"generator"}


def test_sessions_are_apart(http: httpx.Client, url: str) -> None:
    make(http, 1.0)
    other = httpx.post(f"{url}/v1/sessions", json={}).json()["session"]
    refused(httpx.get(f"{url}/v1/sessions/{other}/tensors/t1"), 404, "unknown_tensor")
    refused(httpx.get(f"{url}/v1/sessions/{'0' * 48}/tensors"), 410, "session_gone")


def test_nesting_is_bounded(http: httpx.Client) -> None:
    for depth in (80, 2000, 200_000):
        body = b'{"data": ' + b"[" * depth + b"]" * depth + b"}"
        response = http.post("/tensors", content=body, headers={"content-type": "application/json"})
        refused(response, 400, "malformed")
    refused(
        http.post("/tensors", content=b'{"data": "\\ud800"}', headers={"content-type": "application/json"}),
        400,
        "malformed",
    )


def test_methods_that_a_path_does_not_take(http: httpx.Client) -> None:
    response = http.put("/tensors/t1")
    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "DELETE, GET"
