"""A stream that is told to stop: no further row runs, what waits is answered at once, and the next epoch goes on."""

from __future__ import annotations

from typing import Any

import pytest
from support.local_engine import LocalEngine

from telegrad_protocol import wire
from telegrad_protocol.errors import NotFound
from telegrad_protocol.messages import Reply, Row
from telegrad_protocol.spec import OPS
from telegrad_server.channel.requests import Request
from telegrad_server.worker import executor as module
from telegrad_server.worker import scheduler


def row(name: str, outs: Any, *args: object) -> tuple[object, ...]:
    return tuple(Row(OPS[name].index, 0, outs, args))


class Stopping:
    """An engine whose rows take one turn each, and a way to look at replies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "POLL_EVERY", 0.0)
        monkeypatch.setattr(scheduler, "QUANTUM", 1e-9)
        self.engine = LocalEngine()
        self.engine.ask("open_session", "s")
        self.number = 1000

    def submit(self, epoch: int, *rows: tuple[object, ...], failed: dict[str, Any] | None = None) -> int:
        """Hand rows on without running them; the request's number."""
        self.number += 1
        fields = ("s", 0, epoch, wire.pack(rows), failed)
        self.engine.executor._handle(Request("submit", self.number, fields))
        return self.number

    def stop(self, epoch: int) -> None:
        self.engine.executor._handle(Request("stop_stream", 1, ("s", 0, epoch)))
        assert self.engine.link.answers.pop(1) is None

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.engine.executor.scheduler.credit["s"] = 0.0  # forgives what the row before it overdrew
            self.engine.executor._turn()

    def reply(self, number: int) -> Reply:
        return wire.decode_reply(self.engine.link.answers[number][0])


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    return Stopping(monkeypatch)


def zeros(tensor_id: int) -> tuple[object, ...]:
    return row("zeros", tensor_id, (2,), "float32", None)


def test_rows_that_have_not_run_are_skipped_without_waiting_for_a_turn(stopping: Stopping) -> None:
    first = stopping.submit(0, zeros(1), zeros(2), zeros(3), row("free", None, (1,)))
    second = stopping.submit(0, zeros(4), row("read", 5, 4))
    stopping.turns(1)
    assert set(stopping.engine.executor.sessions["s"].tensors) == {1}
    stopping.engine.executor.scheduler.credit["s"] = -5.0  # as after a long kernel
    stopping.stop(0)
    error = stopping.reply(first).error
    assert error is not None
    assert (error["code"], error["row"]) == ("stream_stopped", 1)
    later = stopping.reply(second).error
    assert later is not None
    assert (later["code"], later.get("row")) == ("stream_stopped", None)
    session = stopping.engine.executor.sessions["s"]
    assert not session.tensors  # frees among skipped rows happen
    assert set(session.failed) == {2, 3, 4, 5}
    assert not stopping.engine.executor.scheduler.runnable()


def test_later_arrivals_of_the_epoch_are_skipped_and_the_next_epoch_runs(stopping: Stopping) -> None:
    stopping.stop(3)
    late, following = stopping.submit(3, zeros(1)), stopping.submit(4, zeros(2), row("read", 3, 1))
    stopping.turns(5)
    error = stopping.reply(late).error
    assert error is not None
    assert (error["code"], error["row"]) == ("stream_stopped", 0)
    used = stopping.reply(following).error
    assert used is not None
    assert (used["code"], used["row"]) == ("stream_stopped", 1)  # the cause of a result that was skipped
    assert set(stopping.engine.executor.sessions["s"].tensors) == {2}


def test_an_earlier_failure_stays_the_cause(stopping: Stopping) -> None:
    failed = stopping.submit(0, row("neg", 1, 99), zeros(2))
    stopping.turns(2)
    stopping.stop(0)
    late = stopping.submit(0, zeros(3))
    stopping.turns(2)
    codes = [error["code"] for error in (stopping.reply(failed).error, stopping.reply(late).error) if error]
    assert codes == ["unknown_tensor", "unknown_tensor"]


def test_a_submission_that_waits_for_an_upload_waits_no_more_and_the_upload_is_refused(stopping: Stopping) -> None:
    waiting = stopping.submit(0, row("upload", 1, 7, "float32", (4,)), zeros(2))
    stopping.turns(2)
    assert stopping.engine.executor.scheduler.waiting()
    stopping.stop(0)
    error = stopping.reply(waiting).error
    assert error is not None
    assert (error["code"], error["row"]) == ("stream_stopped", 0)
    with pytest.raises(NotFound, match="not wanted"):
        stopping.engine.ask("admit_upload", "s", 7, 16)
    assert stopping.engine.executor.budget.used == 0


def test_the_upload_of_a_skipped_row_is_freed(stopping: Stopping) -> None:
    stopping.engine.ask("admit_upload", "s", 7, 1 << 20)
    stopping.submit(0, zeros(1), row("upload", 2, 7, "float32", (1 << 18,)))
    stopping.stop(0)
    assert stopping.engine.executor.budget.used == 0
    with pytest.raises(NotFound):
        stopping.engine.ask("finish_upload", "s", 7)


def test_another_stream_goes_on(stopping: Stopping) -> None:
    stopping.engine.ask("open_stream", "s", 1)
    stopping.submit(0, zeros(1))
    stopping.engine.executor._handle(Request("submit", 5, ("s", 1, 0, wire.pack([zeros(1 << 40)]))))
    stopping.stop(0)
    stopping.turns(3)
    assert stopping.reply(5).error is None
    with pytest.raises(NotFound, match="no stream 9"):
        stopping.engine.ask("stop_stream", "s", 9, 0)


def test_a_stop_amid_a_submission_ends_it_at_the_next_row(stopping: Stopping, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is taken in between two rows of the very stream that it stops."""
    monkeypatch.setattr(scheduler, "QUANTUM", 10.0)
    number = stopping.submit(0, *[zeros(n) for n in range(1, 50)])
    behind = stopping.submit(0, zeros(60))
    stopping.engine.link.requests.append(Request("stop_stream", 1, ("s", 0, 0)))
    stopping.turns(1)
    error = stopping.reply(number).error
    assert error is not None
    assert (error["code"], error["row"]) == ("stream_stopped", 1)
    assert stopping.reply(behind).error is not None
    assert set(stopping.engine.executor.sessions["s"].tensors) == {1}
    assert stopping.engine.executor.advancing is None
