"""`tg.profile()` on a live server: the parts of the wall time, waits and kernels by line, and blocks that end badly."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from support.models import MODELS
from support.proxies import DelayProxy, FaultProxy
from support.random_programs import Program, drawn

import telegrad as tg
from telegrad._runtime.process import stream
from telegrad._stream.watching import WAITING, WATCHERS

SCHEMA = json.loads((Path(__file__).parents[1] / "support" / "trace_event_schema.json").read_text())
ME = os.path.basename(__file__)


def figures(prof: tg.profile) -> dict[str, Any]:
    """The profile's figures, whose parts sum to the wall time."""
    found: dict[str, Any] = json.loads(prof.to_json())
    assert sum(found["parts"].values()) == pytest.approx(found["wall"], rel=0.05)
    assert all(seconds >= 0 for seconds in found["parts"].values())
    return found


def rows_of(prof: tg.profile) -> dict[str, int]:
    """How many rows of each op there were."""
    found: dict[str, int] = defaultdict(int)
    for op in figures(prof)["kernels"]:
        found[op["op"]] += op["rows"]
    return found


def train(steps: int, read_every: int = 1) -> list[float]:
    _, optimizer, loss_of = MODELS["characters"].build(tg)
    rng = np.random.default_rng(0)
    batch = [tg.tensor(array) for array in MODELS["characters"].batch(rng)]
    losses = []
    for step in range(steps):
        loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % read_every == 0:
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("read_every", [1, 10])
def test_the_parts_sum_to_the_wall_time_and_none_of_a_training_is_left_unattributed(
    client: str, read_every: int
) -> None:
    train(3)
    before = time.perf_counter()
    with tg.profile() as prof:
        begun = time.perf_counter()
        train(40, read_every)
        within = time.perf_counter() - begun
    found = figures(prof)
    assert within < found["wall"] < time.perf_counter() - before
    assert found["parts"]["own_python"] <= 0.05 * found["wall"] + 0.01  # a busy machine holds this thread up
    assert found["parts"]["kernels"] > 0
    assert not WATCHERS
    assert not WAITING


def test_ones_own_python_is_told_apart_from_recording(client: str) -> None:
    x = tg.ones(4)
    own = 0.0
    with tg.profile() as prof:
        for _ in range(60):
            begun = time.perf_counter()
            while time.perf_counter() < begun + 0.003:
                pass
            own += time.perf_counter() - begun
            for _ in range(200):
                y = x + 1
    found = figures(prof)
    assert y.tolist() == [2.0] * 4
    assert 0.6 * own < found["parts"]["own_python"] < 2.5 * own  # samples, and others use the processor too


def test_sleep_is_ones_own(client: str) -> None:
    (tg.ones(1) + 1).item()
    tg.synchronize()
    with tg.profile() as prof:
        begun = time.perf_counter()
        time.sleep(0.2)
        slept = time.perf_counter() - begun
    found = figures(prof)
    assert found["parts"]["own_python"] == pytest.approx(slept, rel=0.3)
    assert found["notes"] == ["the block gave the server nothing to do that was answered in it"]
    assert "Waits: none." in prof.table()


def test_waits_are_counted_by_line_with_what_to_write_instead(client: str) -> None:
    x = tg.ones(3)
    with tg.profile() as prof:
        for k in range(7):
            (x * k).sum().item()
        if (x.sum() > 2).any():
            str(f"{x.sum():.2f}")
        np.mean([x.sum(), x.sum() * 2])
        future = x.sum().read()
        future.result()
    waits = {(w["text"], w["function"].rpartition(".")[2]): w for w in figures(prof)["waits"]}
    item = waits["(x * k).sum().item()", "item"]
    assert (item["times"], os.path.basename(item["file"])) == (7, ME)
    assert ".read()" in item["advice"] or "server computed" in item["advice"]
    assert ("if (x.sum() > 2).any():", "__bool__") in waits
    assert ('str(f"{x.sum():.2f}")', "__format__") in waits
    assert any(text == "np.mean([x.sum(), x.sum() * 2])" for text, _ in waits), "the user's line, not NumPy's"
    assert ("future.result()", "result") in waits
    assert "(x * k).sum().item()" in prof.table()


def test_the_network_is_told_apart_from_the_server(client: str) -> None:
    with DelayProxy(client, 0.05) as proxy:
        tg.connect(proxy.url)
        train(2)
        with tg.profile() as prof:
            train(10)
        tg.disconnect()
    found = figures(prof)
    assert found["parts"]["network"] > 0.7 * found["wall"]
    assert found["round_trip"] == pytest.approx(0.05, rel=0.5)
    assert prof.table().splitlines()[1].startswith("It is the network")
    loop = max(found["waits"], key=lambda waits: waits["times"])
    assert (loop["mostly"], loop["times"]) == ("network", 10)
    assert "every N steps" in loop["advice"]


def test_kernels_are_listed_by_op_and_line(client: str) -> None:
    a = tg.ones(400, 400)
    with tg.profile() as prof:
        for _ in range(5):
            product = a @ a
        total = product.sum().item()
    found = figures(prof)
    assert total == 400.0**3
    ops = {op["op"]: op for op in found["kernels"]}
    assert (ops["matmul"]["rows"], ops["matmul"]["text"]) == (5, "product = a @ a")
    assert ops["matmul"]["seconds"] == max(op["seconds"] for op in found["kernels"])
    assert sum(op["seconds"] for op in found["kernels"]) <= found["wall"]


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(12))
def test_results_are_the_same_bit_for_bit(client: str, seed: int) -> None:
    pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    steps, _, _, _ = drawn(seed, 8)

    def values() -> list[Any]:
        program = Program(tg, seed)
        told: list[Any] = []
        for step in steps:
            at = tuple(min(i, len(program.tensors) - 1) for i in step[1])
            try:
                told.append(program.run((step[0], at)))
                tg.synchronize()
            except RuntimeError as error:
                told.append(str(error))
        return [*told, *(tensor.detach().tolist() for tensor in program.tensors)]

    plain = values()
    with tg.profile():
        assert values() == plain


# Blocks that end badly, or strangely --------------------------------------------------------------------------------


def test_a_failure_in_the_block_is_raised_as_without_it(client: str) -> None:
    prof = tg.profile()
    with pytest.raises(ValueError, match="mine"), prof:
        x = tg.ones(2) + 1
        x.sum().item()
        raise ValueError("mine")
    assert "ended with ValueError" in "".join(figures(prof)["notes"])
    assert not WATCHERS
    assert x.tolist() == [2.0, 2.0]


def test_a_failure_on_the_server_is_raised_with_its_line_by_the_next_call(client: str) -> None:
    with tg.profile() as prof:
        tg.linalg.cholesky(-tg.eye(2))
    figures(prof)
    with pytest.raises(RuntimeError) as told:
        tg.ones(1).exp().tolist()
    assert any("tg.linalg.cholesky(-tg.eye(2))" in note for note in told.value.__notes__)
    assert tg.ones(1).sqrt().tolist() == [1.0]


def test_ctrl_c_in_the_block_ends_it_at_once(client: str) -> None:
    a = tg.ones(1500, 1500)
    a.sum().item()
    prof = tg.profile()
    with pytest.raises(KeyboardInterrupt), prof:
        for _ in range(40):
            a = a @ a * 1e-4
        begun = time.perf_counter()
        raise KeyboardInterrupt
    assert time.perf_counter() - begun < 0.5, "nobody will read what was recorded"
    assert "KeyboardInterrupt" in prof.table()
    figures(prof)


def test_an_interrupted_wait_ends_where_it_was_interrupted(client: str) -> None:
    a = tg.ones(2000, 2000)
    threading.Timer(0.3, lambda: __import__("_thread").interrupt_main()).start()
    prof = tg.profile()
    with pytest.raises(KeyboardInterrupt), prof:
        for _ in range(60):
            a = a @ a * 1e-4
        a.sum().item()
    assert figures(prof)["waits"]
    assert not WAITING


def test_a_profile_inside_a_profile(client: str) -> None:
    interval = sys.getswitchinterval()
    with tg.profile() as outer:
        (tg.ones(2) + 1).sum().item()
        with tg.profile() as inner:
            for _ in range(3):
                (tg.ones(2) * 2).sum().item()
        (tg.ones(2) - 1).sum().item()
    assert rows_of(outer)["sum"] == 5
    assert rows_of(inner)["sum"] == 3
    assert sys.getswitchinterval() == interval
    assert not WATCHERS


def test_two_threads(client: str) -> None:
    def other() -> None:
        for _ in range(5):
            (tg.ones(3) * 3).sum().item()

    with tg.profile() as prof:
        thread = threading.Thread(target=other, name="other")
        thread.start()
        for _ in range(5):
            (tg.ones(3) * 2).sum().item()
        thread.join()
    found = figures(prof)
    by_thread: dict[str, int] = defaultdict(int)
    for waits in found["waits"]:
        if waits["function"].endswith("item"):
            by_thread[waits["thread"]] += waits["times"]
    # A value that has come before it is looked at is no wait.
    assert set(by_thread) == {"", "other"}
    assert all(1 <= times <= 5 for times in by_thread.values())
    assert any("other threads" in note and "other" in note for note in found["notes"])


def test_a_profile_in_a_thread_of_its_own(client: str) -> None:
    found: list[dict[str, Any]] = []

    def work() -> None:
        with tg.profile() as prof:
            for _ in range(5):
                (tg.ones(3) * 2).sum().item()
        found.append(figures(prof))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert all(waits["thread"] == "" for waits in found[0]["waits"])


def test_a_session_that_is_opened_in_the_block(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAD_URL", server)
    tg.disconnect()
    with tg.profile() as empty:
        pass
    assert not stream.sender.threads, "a profile alone opens no session"
    assert figures(empty)["submissions"] == 0
    with tg.profile() as prof:
        assert (tg.ones(2) + 1).sum().item() == 4.0
    found = figures(prof)
    assert found["parts"]["opening"] > 0
    assert "the session opens" in prof.table()
    tg.disconnect()


def test_another_session_in_the_block(client: str) -> None:
    with tg.profile() as prof:
        (tg.ones(2) + 1).sum().item()
        tg.connect(client)
        (tg.ones(2) + 1).sum().item()
    assert rows_of(prof)["sum"] == 2


class StrippingProxy(FaultProxy):
    """Forwards everything but Server-Timing."""

    async def _forward(self, request: Any, **_: Any) -> Any:
        answer = await self._ask(request)
        lines = [line for line in answer.head.split(b"\r\n") if not line.lower().startswith(b"server-timing")]
        return b"\r\n".join(lines) + answer.body, not answer.until_closed


def test_a_proxy_that_removes_server_timing(client: str) -> None:
    with StrippingProxy(client, 0) as proxy:
        tg.connect(proxy.url)
        with tg.profile() as prof:
            train(5)
        tg.disconnect()
    found = figures(prof)
    assert any("without Server-Timing" in note for note in found["notes"])
    assert found["parts"]["kernels"] > 0, "the rows' own times come in the reply"
    assert found["parts"]["queue"] == 0


def test_lost_connections_and_repeated_requests(client: str) -> None:
    with FaultProxy(client, 3, drop=0.1, duplicate=0.1) as proxy:
        tg.connect(proxy.url)
        plain = train(5)
        with tg.profile() as prof:
            again = train(5)
        tg.disconnect()
    assert len(again) == len(plain)
    figures(prof)


def test_large_values_count_as_network(client: str) -> None:
    big = np.ones(1 << 22, np.float32)
    with tg.profile() as prof:
        assert tg.tensor(big).mul(2).numpy()[0] == 2.0
    assert figures(prof)["parts"]["network"] > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_block_is_no_part_of_it(client: str) -> None:
    with tg.profile() as prof:
        (tg.ones(2) + 1).sum().item()
        child = os.fork()
        if not child:
            os._exit(len(WATCHERS))
        assert os.waitpid(child, 0)[1] == 0
    figures(prof)


def test_a_profile_is_used_once_and_says_so(client: str) -> None:
    prof = tg.profile()
    assert "not begun" in str(prof)
    for show in (prof.table, prof.to_json, lambda: prof.export_chrome_trace("nowhere.json")):
        with pytest.raises(RuntimeError, match="measured nothing yet"):
            show()
    with prof:
        (tg.ones(2) + 1).sum().item()
        assert "so far" in str(prof)
    with pytest.raises(RuntimeError, match="takes a new one"), prof:
        pass
    assert repr(prof) == "<telegrad profile, ended>"
    assert not WATCHERS


# The trace ----------------------------------------------------------------------------------------------------------


def traced(prof: tg.profile, folder: Path) -> list[dict[str, Any]]:
    """The events of a trace, which the format's schema allows."""
    prof.export_chrome_trace(folder / "trace.json")
    trace = json.loads((folder / "trace.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(trace)
    events: list[dict[str, Any]] = trace["traceEvents"]
    return events


def test_the_trace_is_what_the_format_says(client: str, tmp_path: Path) -> None:
    with tg.profile() as prof:
        train(20)
        tg.tensor(np.ones(1 << 20, np.float32)).mul(2).numpy()
    events = traced(prof, tmp_path)
    names = {(event["pid"], event["tid"]) for event in events if event["ph"] == "M"}
    assert {(event["pid"], event["tid"]) for event in events if event["ph"] != "M"} <= names
    _check_nesting(events)
    open_ends: dict[Any, float] = {}
    for event in events:
        if event["ph"] == "b":
            open_ends[event["cat"], event["id"], event["name"]] = event["ts"]
        elif event["ph"] == "e":
            assert open_ends.pop((event["cat"], event["id"], event["name"])) <= event["ts"]
    assert not open_ends
    shown = [event["name"] for event in events if event["ph"] == "X"]
    assert 1 <= shown.count("wait: item") <= 20
    assert "adam_step" in shown
    assert "request" in shown


def _check_nesting(events: list[dict[str, Any]]) -> None:
    """Complete events of one thread stand inside each other or apart."""
    threads: dict[Any, list[tuple[float, float]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in threads.values():
        ends: list[float] = []
        for begun, ended in sorted(spans, key=lambda span: (span[0], -span[1])):
            while ends and ends[-1] <= begun + 0.01:
                ends.pop()
            assert not ends or ended <= ends[-1] + 0.01
            ends.append(ended)


def test_a_long_trace_shows_later_rows_by_submission(
    client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telegrad._profile.observations.ROWS_KEPT", 10)
    with tg.profile() as prof:
        for _ in range(20):
            (tg.ones(2) + 1).sum().item()
    assert rows_of(prof)["sum"] == 20
    assert figures(prof)["rows"] >= 80
    shown = [event["name"] for event in traced(prof, tmp_path) if event["ph"] == "X" and event["pid"] == 2]
    assert 1 <= shown.count("sum") < 20
    assert any(name.startswith("submission ") for name in shown)


def test_the_trace_of_nothing(client: str, tmp_path: Path) -> None:
    tg.synchronize()
    with tg.profile() as prof:
        pass
    assert [event["name"] for event in traced(prof, tmp_path) if event["ph"] == "X"] == ["the block"]
