"""The worker's loop: submissions that wait, and go on in turns."""

from __future__ import annotations

import numpy as np
import pytest
from support.local_engine import LocalEngine

from telegrad_protocol import wire
from telegrad_protocol.messages import Row
from telegrad_protocol.spec import OPS
from telegrad_server.channel.requests import Request
from telegrad_server.worker import executor as module
from telegrad_server.worker import scheduler


def row(name: str, outs: int, *args: object) -> tuple[object, ...]:
    return tuple(Row(OPS[name].index, 0, outs, args))


def test_a_submission_whose_upload_has_come_goes_on_through_as_many_turns_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POLL_EVERY", 0.0)  # rows are one turn each
    monkeypatch.setattr(scheduler, "QUANTUM", 1e-9)
    engine = LocalEngine()
    engine.ask("open_session", "s")
    values = np.arange(4, dtype=np.float32)
    rows = [row("upload", 1, 1, "float32", (4,)), *[row("neg", n + 1, n) for n in range(1, 40)]]
    submitted = Request("submit", 1000, ("s", 0, 0, wire.pack([*rows, row("read", 50, 40)])))
    engine.executor._handle(submitted)
    engine.executor._turn()
    engine.ask("admit_upload", "s", 1, values.nbytes)
    engine.link.slot(0, values.nbytes)[:] = values.tobytes()
    engine.executor._handle(Request("write_piece", 1001, ("s", 1, 0, values.nbytes, 0)))
    engine.executor._handle(Request("finish_upload", 1002, ("s", 1)))
    for _ in range(len(rows) + 5):
        engine.executor.scheduler.credit["s"] = 0.0  # forgives what the row before it overdrew
        engine.executor._turn()
    reply = wire.decode_reply(engine.link.answers[1000][0])
    assert reply.error is None
    np.testing.assert_array_equal(np.frombuffer(reply.results[0].data, np.float32), -values)


def test_a_failure_that_comes_of_a_lost_device_ends_the_worker_and_is_never_taken_for_a_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = LocalEngine()
    engine.ask("open_session", "s")

    def broken(*_: object) -> None:
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(type(engine.executor.xp), "zeros", broken)
    rows = wire.pack([row("zeros", 1, (2,), "float32", None)])
    reply = wire.decode_reply(engine.ask("submit", "s", 0, 0, rows)[0])
    assert reply.error is not None
    assert reply.error["code"] == "internal"
    monkeypatch.setattr(type(engine.executor.xp), "lost", lambda self: "cudaErrorIllegalAddress")
    with pytest.raises(SystemExit) as end:
        engine.ask("submit", "s", 0, 1, rows)
    assert end.value.code == module.DEVICE_LOST
    assert "device lost device=cpu cause=cudaErrorIllegalAddress" in capsys.readouterr().err


def test_a_session_closed_amid_an_upload_gives_its_memory_back() -> None:
    engine = LocalEngine()
    engine.ask("open_session", "s")
    engine.ask("admit_upload", "s", 1, 1 << 20)
    assert engine.executor.budget.used == 1 << 20
    engine.ask("close_session", "s")
    assert engine.executor.budget.used == 0


def test_a_copy_that_fails_fails_its_request_and_those_behind_it_go_on() -> None:
    class Failing:
        @property
        def done(self) -> bool:
            raise RuntimeError("the copy failed")

    class Done:
        done = True

    engine = LocalEngine()
    for number, end in ((1, Failing()), (2, Done())):
        engine.executor.copies.begun(Request("read_piece", number, ()), end, None)
    engine.executor._answer_copies()
    assert "the copy failed" in str(engine.link.answers[1])
    assert engine.link.answers[2] is None
