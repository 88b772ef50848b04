"""Turns of sessions: deficit round robin, and submissions that wait for uploads."""

from __future__ import annotations

import pytest

from telegrad_protocol.errors import NotFound
from telegrad_protocol.messages import Row
from telegrad_protocol.spec import OPS
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.channel.requests import Request
from telegrad_server.worker import scheduler as module
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.scheduler import QUANTUM, Scheduler
from telegrad_server.worker.session import Session
from telegrad_server.worker.submissions import Submission
from telegrad_server.worker.transfers import Upload


def submit(scheduler: Scheduler, session_id: str) -> Submission:
    """A submission of one row, which takes upload 7."""
    rows = (Row(OPS["upload"].index, 0, 1, (7, "float32", (4,))),)
    submission = Submission(Request("submit", 0, ()), 0, rows, None)
    scheduler.sessions[session_id].streams[0].submissions.append(submission)
    scheduler.wake(session_id)
    return submission


@pytest.fixture
def scheduler() -> Scheduler:
    """Two sessions, `a` and `b`, each with a submission."""
    made = Scheduler({})
    for session_id in ("a", "b"):
        made.sessions[session_id] = Session(NumpyBackend(), Budget(1 << 20))
        made.add(session_id)
        submit(made, session_id)
    return made


def turns(scheduler: Scheduler, count: int, seconds: dict[str, float]) -> list[str]:
    """Who runs in that many rounds, if a turn of each session takes so long."""
    found = []
    for _ in range(count):
        for session_id, _ in scheduler.turns():
            found.append(session_id)
            scheduler.charge(session_id, seconds[session_id])
    return found


def test_a_session_that_overdraws_sits_out_as_many_turns(scheduler: Scheduler) -> None:
    assert turns(scheduler, 5, {"a": 4.5 * QUANTUM, "b": QUANTUM}) == ["a", "b", "b", "b", "b", "a", "b"]


def test_a_session_saves_no_credit(scheduler: Scheduler) -> None:
    turns(scheduler, 100, {"a": QUANTUM / 10, "b": QUANTUM})
    assert scheduler.credit["a"] <= QUANTUM


def test_a_submission_that_comes_in_during_its_sessions_turn_gives_no_second_turn(scheduler: Scheduler) -> None:
    found = []
    for _ in range(3):
        for session_id, _ in scheduler.turns():
            found.append(session_id)
            submit(scheduler, "a")
    assert found == ["a", "b"] * 3


def test_a_session_without_submissions_leaves_the_turns(scheduler: Scheduler) -> None:
    for session_id, session in scheduler.turns():
        if session_id == "a":
            session.streams[0].submissions.clear()
    assert list(scheduler.active) == ["b"]
    assert scheduler.runnable()
    del scheduler.sessions["b"]
    assert not scheduler.runnable()
    assert not scheduler.waiting()


def test_a_submission_waits_until_its_upload_is_done(scheduler: Scheduler) -> None:
    session = scheduler.sessions["a"]
    submission = session.streams[0].submissions[0]
    submission.waiting_since = module.perf_counter()
    assert turns(scheduler, 1, {"b": 0.0}) == ["b"]
    assert scheduler.waiting()
    session.uploads[7] = Upload(session.xp, 16, session.budget)
    assert scheduler.ready(session, session.streams.values()) == []
    session.uploads[7].done = True
    assert scheduler.ready(session, session.streams.values()) == [(session.streams[0], submission)]


def test_an_upload_that_does_not_come_in_time_fails(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPLOAD_PATIENCE", 0.0)
    session = scheduler.sessions["a"]
    session.streams[0].submissions[0].waiting_since = module.perf_counter()
    assert len(scheduler.ready(session, session.streams.values())) == 1
    assert isinstance(session.uploads[7].error, NotFound)
