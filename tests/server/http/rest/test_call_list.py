"""Several calls in one request: what they give, what they leave, and what is told where one of them fails."""

from __future__ import annotations

from typing import Any

import httpx
import msgpack
import numpy as np
import pytest

STEP = {
    "calls": [
        {"op": "matmul", "args": ["t1", "t3"], "name": "found"},
        {"op": "mse_loss", "args": ["found", "t2"], "name": "loss"},
        {"backward": "loss"},
        {"op": "sgd_step", "args": {"params": ["t3"], "state": [], "lr": 0.1}},
        {"op": "clear_grads", "args": [["t3"]]},
    ],
    "read": ["loss"],
    "free": ["found", "loss"],
}


def make(http: httpx.Client, data: Any, **fields: Any) -> str:
    return str(http.post("/tensors", json={"data": data, **fields}).raise_for_status().json()["id"])


def run(http: httpx.Client, *calls: Any, **fields: Any) -> Any:
    response = http.post("/run", json={"calls": calls, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def refused(http: httpx.Client, status: int, code: str, *calls: Any, **fields: Any) -> dict[str, Any]:
    response = http.post("/run", json={"calls": calls, **fields})
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    return dict(response.json())


def told(record: dict[str, Any]) -> list[str]:
    return [call["status"] for call in record["calls"]]


def value(http: httpx.Client, tensor: str) -> Any:
    return http.get(f"/tensors/{tensor}/value").raise_for_status().json()["data"]


def ids(http: httpx.Client) -> list[str]:
    return [tensor["id"] for tensor in http.get("/tensors").json()["tensors"]]


def linear_problem(http: httpx.Client) -> None:
    x = np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)
    make(http, x.tolist())
    make(http, (x @ [[2.0], [-1.0]]).tolist())
    make(http, [[0.0], [0.0]], requires_grad=True)


def test_a_training_step_is_one_request_and_leaves_nothing(http: httpx.Client) -> None:
    linear_problem(http)
    first = run(http, *STEP["calls"], read=["loss"], free=["found", "loss"])
    assert [call["status"] for call in first["calls"]] == ["done"] * 5
    assert (first["values"]["loss"]["dtype"], first["values"]["loss"]["shape"]) == ("float32", [])
    for _ in range(299):
        last = http.post("/run", json=STEP).json()
    assert last["values"]["loss"]["data"] < 1e-6 < first["values"]["loss"]["data"]
    np.testing.assert_allclose(value(http, "t3"), [[2.0], [-1.0]], atol=1e-3)
    assert ids(http) == ["t1", "t2", "t3"]
    assert make(http, 0.0) == "t4"  # what was freed within a run has taken no number


def test_it_is_one_submission(http: httpx.Client) -> None:
    """Rows of a run are not mixed with others': many callers at once add up exactly."""
    from concurrent.futures import ThreadPoolExecutor

    total = make(http, 0.0)
    calls = [
        {"op": "clone", "args": [total], "name": "before"},
        {"op": "add", "args": ["before", 1], "name": "after"},
        {"op": "copy", "args": [total, "after"], "inplace": True},
    ]
    with ThreadPoolExecutor(8) as pool:
        for done in pool.map(lambda _: run(http, *calls, free=["before", "after"]), range(64)):
            assert done["calls"][0]["result"] is None  # it is gone when this is told
    assert value(http, total) == 64.0
    assert ids(http) == [total]


def test_results_are_told_as_a_single_call_tells_them(http: httpx.Client) -> None:
    x = make(http, [3.0, 1.0, 2.0], requires_grad=True)
    done = run(
        http,
        {"data": [1, 2, 3], "dtype": "int32", "name": "whole"},
        {"op": "sort", "args": [x], "name": ["values", "order"]},
        {"op": "split", "args": ["values", 2], "name": ["low", "high"]},
        {"op": "neg", "args": [x], "grad": False},
        {"op": "new_generator", "args": [7], "name": "dice"},
        {"op": "rand", "args": {"size": [2], "generator": "dice"}, "name": "drawn"},
        {"op": "mul", "args": ["whole", 2], "inplace": True, "name": "twice"},
        {"op": "manual_seed", "args": [1]},
        read=["values", "order", "high", "twice", x],
        free=["order", "dice", "drawn"],
    )
    whole, pair, pieces, alone, generator, drawn, twice, nothing = [call["result"] for call in done["calls"]]
    assert (whole["dtype"], whole["shape"]) == ("int32", [3])
    assert pair[0]["requires_grad"]
    assert pair[1] is None
    assert [piece["shape"] for piece in pieces] == [[2], [1]]
    assert alone["requires_grad"] is False
    assert (generator, drawn, nothing) == (None, None, None)
    assert twice == whole
    values = {name: found["data"] for name, found in done["values"].items()}
    assert values == {
        "values": [1.0, 2.0, 3.0],
        "order": [1, 2, 0],
        "high": [3.0],
        "twice": [2, 4, 6],
        x: [3.0, 1.0, 2.0],
    }
    kept = [x, *(tensor["id"] for tensor in (whole, pair[0], *pieces, alone))]
    assert sorted(ids(http)) == sorted(kept)


def test_gradients_within_a_run(http: httpx.Client) -> None:
    done = run(
        http,
        {"data": [1.0, 2.0], "requires_grad": True, "name": "x"},
        {"data": [1.0, 10.0], "name": "g"},
        {"op": "mul", "args": ["x", "x"], "name": "y"},
        {"backward": "y", "gradient": "g", "retain_graph": True},
        {"backward": "y", "gradient": "g"},
        {"op": "get_grad", "args": ["x"], "name": "grad"},
        {"op": "sum", "args": ["x"], "name": "total"},
        {"op": "gradients", "args": [["total"], ["x"], [None]], "name": ["alone"]},
        read=["grad", "alone"],
        free=["x", "g", "y", "grad", "total", "alone"],
    )
    assert [found["data"] for found in done["values"].values()] == [[4.0, 80.0], [1.0, 1.0]]
    assert ids(http) == []


def test_adam_keeps_its_state_in_tensors_that_are_named(http: httpx.Client) -> None:
    w = make(http, [1.0, -1.0], requires_grad=True)
    state = [make(http, 0.0), make(http, [0.0, 0.0]), make(http, [0.0, 0.0])]
    for _ in range(50):
        run(
            http,
            {"op": "mul", "args": [w, w], "name": "squares"},
            {"op": "sum", "args": ["squares"], "name": "loss"},
            {"backward": "loss"},
            {"op": "adam_step", "args": {"params": [w], "state": state, "lr": 0.1}},
            {"op": "clear_grads", "args": [[w]]},
            free=["squares", "loss"],
        )
    assert value(http, state[0]) == 50.0
    assert max(abs(x) for x in value(http, w)) < 0.1
    assert ids(http) == [w, *state]
    wrong = {"op": "adam_step", "args": {"params": [w], "state": [77, 78, 79], "lr": 0.1}}
    assert refused(http, 422, "bad_type", wrong)["argument"] == "state"  # numbers could be anybody's ids


@pytest.mark.parametrize(
    ("failing", "status", "code"),
    [
        ({"op": "add", "args": ["y", "t2"]}, 422, "bad_shape"),
        ({"op": "split", "args": ["y", 1], "name": ["a", "b", "c"]}, 400, "malformed"),
        ({"op": "zeros", "args": [[1 << 28]], "name": "z"}, 507, "out_of_memory"),
        ({"backward": "y"}, 422, "autograd"),
        ({"op": "get_grad", "args": ["t1"]}, 422, "op_failed"),
        ({"op": "neg", "args": ["t99"]}, 404, "unknown_tensor"),
    ],
)
def test_what_fails_while_running(http: httpx.Client, failing: Any, status: int, code: str) -> None:
    make(http, [1.0, 2.0])
    make(http, [1.0, 2.0, 3.0])
    big = {"op": "zeros", "args": [[100_000]], "name": "big"}
    before = [{"op": "mul", "args": ["t1", "t1"], "name": "y"}, {"op": "add", "args": ["t1", 1], "inplace": True}, big]
    after = {"op": "neg", "args": ["t1"], "inplace": True}
    record = refused(http, status, code, *before, failing, after, read=["big", "t1"], free=["y", "t2"])
    assert told(record) == ["done", "done", "done", "failed", "not_run"]
    assert record["calls"][3]["error"]["code"] == code
    assert record["calls"][3]["error"]["message"] == record["message"]
    # What was done before stays done, nothing after it was, and no id is left: not even what `free` named is gone.
    assert value(http, "t1") == [2.0, 3.0]
    assert ids(http) == ["t1", "t2"]
    assert run(http, {"op": "neg", "args": ["t1"], "name": "n"}, read=["n"])["values"]["n"]["data"] == [-2.0, -3.0]


@pytest.mark.parametrize(
    ("failing", "status", "code", "words"),
    [
        ({"op": "addd", "args": ["y", 1]}, 404, "unknown_op", "addd"),
        ({"op": "_conv", "args": []}, 404, "unknown_op", "_conv"),
        ({"op": "add", "args": ["x", 1]}, 422, "bad_type", "'x'"),
        ({"op": "add", "args": ["y"]}, 422, "bad_type", "other"),
        ({"op": "mul", "args": ["y", 1 << 70]}, 422, "bad_value", "cannot be sent"),
        ({"op": "split", "args": ["y", 1]}, 400, "malformed", "name"),
        ({"op": "sort", "args": ["y"], "name": "s"}, 400, "malformed", "2 results"),
        ({"op": "manual_seed", "args": [1], "name": "s"}, 400, "malformed", "no result"),
        ({"op": "neg", "args": ["y"], "name": "y"}, 400, "malformed", "'y'"),
        ({"op": "neg", "args": ["y"], "name": "t7"}, 400, "malformed", "t7"),
        ({"op": "neg", "args": ["y"], "name": "nan"}, 400, "malformed", "nan"),
        ({"op": "neg", "args": ["y"], "name": ""}, 400, "malformed", "no name"),
        ({"op": "split", "args": ["y", 1], "name": [str(i) for i in range(9000)]}, 413, "too_large", "too many"),
        ({"op": "sum", "args": ["y"], "inplace": True}, 422, "unsupported", "in-place"),
        ({"backward": "z"}, 422, "bad_type", "'z'"),
        ({"data": [1], "requires_grad": True}, 422, "autograd", "floating point"),
        ({"data": [1], "dtype": "int"}, 422, "bad_type", "int"),
        ({"data": [[1], [2, 3]]}, 422, "bad_value", "rectangular"),
        ({"op": "neg", "args": ["gone"]}, 422, "bad_type", "freed"),
        ({"op": "neg", "args": ["t2"]}, 422, "bad_type", "freed"),
        ({"op": "neg", "args": ["y"], "free": ["nobody"]}, 422, "bad_type", "nobody"),
    ],
)
def test_what_is_wrong_before_anything_runs(
    http: httpx.Client, failing: Any, status: int, code: str, words: str
) -> None:
    make(http, [1.0, 2.0])
    make(http, [1.0, 2.0])
    before = [
        {"op": "mul", "args": ["t1", "t1"], "name": "y"},
        {"op": "neg", "args": ["y"], "name": "gone", "free": ["t2"]},
        {"op": "neg", "args": ["t1"], "inplace": True, "free": ["gone"]},
    ]
    record = refused(http, status, code, *before, failing)
    assert told(record) == ["not_run"] * 3 + ["failed"]
    assert words in record["message"]
    assert value(http, "t1") == [1.0, 2.0]
    assert ids(http) == ["t1", "t2"]


def test_what_is_to_be_read_or_freed_must_be_there(http: httpx.Client) -> None:
    make(http, [1.0, 2.0])
    calls = [{"op": "neg", "args": ["t1"], "inplace": True}]
    for fields, code in (
        ({"read": ["t9"]}, "unknown_tensor"),
        ({"free": ["t9"]}, "unknown_tensor"),
        ({"read": ["nobody"]}, "bad_type"),
        ({"free": ["t1", "t1"]}, "bad_type"),
    ):
        record = refused(http, 404 if code == "unknown_tensor" else 422, code, *calls, **fields)
        assert (told(record), record["argument"]) == (["not_run"], next(iter(fields)))
    assert value(http, "t1") == [1.0, 2.0]
    assert run(http, *calls, read=["t1"], free=["t1"])["values"]["t1"]["data"] == [-1.0, -2.0]
    assert ids(http) == []


def test_values_of_a_run_are_bounded(http: httpx.Client) -> None:
    """Each may fit where all of them do not; what waited to be read is let go of."""
    big = {"op": "ones", "args": [[1_500_000]], "name": "a"}
    done = run(http, big, read=["a"], free=["a"])
    assert len(done["values"]["a"]["data"]) == 1_500_000
    used = httpx.get(str(http.base_url).partition("/v1/")[0] + "/v1/info").json()["memory"]["cpu"]["bytes_used"]
    record = refused(http, 413, "too_large", big, {**big, "name": "b"}, read=["a", "b"])
    assert told(record) == ["done", "done"]
    assert ids(http) == []
    after = httpx.get(str(http.base_url).partition("/v1/")[0] + "/v1/info").json()["memory"]["cpu"]["bytes_used"]
    assert after == used


def test_a_run_has_bounds(http: httpx.Client) -> None:
    call = {"op": "manual_seed", "args": [1]}
    assert len(run(http, *[call] * 1000)["calls"]) == 1000
    refused(http, 400, "malformed", *[call] * 1001)
    refused(http, 400, "malformed")
    refused(http, 400, "malformed", call, free=["t1"] * 1001)
    many = [{**call, "free": [f"t{1000 * k + i}" for i in range(600)]} for k in range(2)]
    assert told(refused(http, 413, "too_large", *many)) == ["not_run", "failed"]
    refused(http, 400, "malformed", {"op": "neg", "backward": "t1"})
    refused(http, 400, "malformed", {"args": []})
    refused(http, 400, "malformed", "neg")


def test_a_run_in_msgpack(http: httpx.Client) -> None:
    data = np.arange(4, dtype=np.float32)
    body = {
        "calls": [
            {"data": data.tobytes(), "dtype": "float32", "shape": [4], "name": "x"},
            {"op": "mul", "args": {"input": "x", "other": 2}, "name": "y"},
        ],
        "read": ["y"],
        "free": ["x"],
    }
    headers = {"content-type": "application/msgpack"}
    response = http.post("/run", content=msgpack.packb(body), headers=headers)
    found = msgpack.unpackb(response.raise_for_status().content)
    assert np.frombuffer(found["values"]["y"]["data"], np.float32).tolist() == [0.0, 2.0, 4.0, 6.0]
    assert found["values"]["y"]["shape"] == [4]
    body["calls"] = [*body["calls"], {"op": "neg", "args": ["t99"]}]
    record = msgpack.unpackb(http.post("/run", content=msgpack.packb(body), headers=headers).content)
    assert [call["status"] for call in record["calls"]] == ["done", "done", "failed"]
    short = {"calls": [{"data": b"1234", "dtype": "float32", "shape": [4], "name": "x"}]}
    assert http.post("/run", content=msgpack.packb(short), headers=headers).status_code == 400


def test_ids_are_freed_with_a_call(http: httpx.Client) -> None:
    make(http, [1.0, 2.0])
    make(http, [1.0, 2.0, 3.0])
    body = {"args": ["t1", "t2"], "free": ["t1", "t2"]}
    assert http.post("/ops/add", json=body).json()["code"] == "bad_shape"
    assert ids(http) == ["t1", "t2"]  # a call that failed has freed nothing
    unknown = http.post("/ops/neg", json={"args": ["t1"], "inplace": True, "free": ["t9"]}).json()
    assert (unknown["code"], unknown["argument"], unknown["got"]) == ("unknown_tensor", "free", "t9")
    assert value(http, "t1") == [1.0, 2.0]  # nor has one that should have freed what there is not
    made = http.post("/ops/neg", json={"args": ["t1"], "free": ["t1", "t2"]}).json()["result"]["id"]
    assert ids(http) == [made]
    assert http.post("/ops/manual_seed", json={"args": [1], "free": [made]}).json()["result"] is None
    assert ids(http) == []
    assert http.post("/ops/neg", json={"args": [], "free": "t1"}).json()["code"] == "malformed"
