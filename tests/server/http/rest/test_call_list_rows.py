"""A list of calls is one submission, as long as it frees nothing from before it and does not fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
from support.fake_worker import FakeWorker

from telegrad_protocol import wire
from telegrad_protocol.messages import ReadResult, Reply
from telegrad_protocol.spec import BY_INDEX
from telegrad_server.app import create_app, sessions_for
from telegrad_server.settings import Settings

LIST = {
    "calls": [
        {"op": "matmul", "args": ["t1", "t2"], "name": "found"},
        {"op": "sum", "args": ["found"], "name": "loss"},
        {"backward": "loss"},
        {"op": "sgd_step", "args": {"params": ["t2"], "state": [], "lr": 0.1}},
        {"op": "clear_grads", "args": [["t2"]]},
        {"op": "neg", "args": ["t1"]},
    ],
    "read": ["loss"],
    "free": ["found", "loss"],
}


class ScriptedWorker(FakeWorker):
    """Answers reads of every submission with zeros; `failing` names the op whose row fails."""

    def __init__(self, failing: str | None = None) -> None:
        super().__init__()
        self.failing = failing
        self.submissions: list[list[str]] = []

    async def on_submit(
        self, session: str, stream: int, epoch: int, body: bytes, failed: Any = None, timed: bool = False
    ) -> Any:
        rows = wire.decode_submission(body).rows
        names = [BY_INDEX[row.op].name for row in rows]
        self.submissions.append(names)
        last = names.index(self.failing) if self.failing in names else len(names)
        results = []
        for name, row in zip(names[:last], rows, strict=False):
            if name in ("describe", "read"):
                results.append(ReadResult(row.outs or 0, "float32", (), b"\0" * (1 if name == "describe" else 4)))
        error = {"code": "op_failed", "message": "no", "row": last} if last < len(names) else None
        return wire.pack(Reply(tuple(results), error)), [], 0.0


def play(worker: ScriptedWorker, scenario: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        settings = Settings()
        app = create_app(settings, sessions_for(settings, {"cpu": worker}))
        url = "http://127.0.0.1:7465"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as client:
            opened = (await client.post("/v1/sessions", json={})).json()
            client.base_url = f"{url}/v1/sessions/{opened['session']}"
            await scenario(client)

    asyncio.run(run())


def test_a_list_is_one_submission() -> None:
    worker = ScriptedWorker()

    async def scenario(client: httpx.AsyncClient) -> None:
        told = (await client.post("/run", json=LIST)).raise_for_status().json()
        assert [call["status"] for call in told["calls"]] == ["done"] * 6
        assert told["calls"][5]["result"]["id"] == "t1"
        assert told["values"] == {"loss": {"dtype": "float32", "shape": [], "data": 0.0}}
        rows = ["matmul", "sum", "backward", "sgd_step", "clear_grads", "neg", "describe", "read", "free"]
        assert worker.submissions == [rows]

    play(worker, scenario)


def test_what_was_there_before_is_freed_when_all_has_gone_well() -> None:
    worker = ScriptedWorker()

    async def scenario(client: httpx.AsyncClient) -> None:
        (await client.post("/run", json={**LIST, "free": ["t900"]})).raise_for_status()
        assert worker.submissions[0][0] == "describe"
        assert "free" not in worker.submissions[0]
        assert worker.submissions[1:] == [["free"]]

    play(worker, scenario)


def test_a_failure_frees_what_the_list_has_made_and_the_next_list_has_an_epoch_of_its_own() -> None:
    worker = ScriptedWorker(failing="sgd_step")

    async def scenario(client: httpx.AsyncClient) -> None:
        told = (await client.post("/run", json={**LIST, "free": ["t900"]})).json()
        assert [call["status"] for call in told["calls"]] == ["done"] * 3 + ["failed"] + ["not_run"] * 2
        assert told["calls"][3]["error"] == {"code": "op_failed", "message": "no"}
        assert worker.submissions[1:] == [["free"]]
        worker.failing = None
        (await client.post("/run", json=LIST)).raise_for_status()
        assert worker.submissions[2][0] == "matmul"

    play(worker, scenario)
