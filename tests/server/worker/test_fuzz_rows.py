"""Mutated rows of every op and every handler, in process: an error at most, and nothing left when the session ends."""

from __future__ import annotations

import os
import time

import psutil
import pytest
from support.fuzz import Flat, Row, Valid, mutated_call, mutated_session, new_random
from support.local_engine import LocalEngine

from telegrad_protocol import wire
from telegrad_protocol.errors import Malformed, TooLarge
from telegrad_server.worker import scheduler

pytestmark = pytest.mark.filterwarnings("ignore")  # of NumPy, which the worker leaves alone too

SESSION = 100
"""Submissions of one session."""


def fuzz(name: str, seconds: float) -> None:
    rng, valid, engine = new_random(name), Valid(), LocalEngine(memory=64 << 20)
    begun, count, flat = time.monotonic(), 0, None
    while time.monotonic() < begun + seconds:
        engine.ask("open_session", "s")
        for turn in range(SESSION):
            calls = rng.random() < 0.5
            rows = mutated_call(valid.call(rng), rng) if calls else mutated_session(valid.session(rng), rng)
            count += len(rows)
            submit(engine, turn, rows)
        engine.ask("close_session", "s")
        assert engine.executor.budget.used == 0, "a session left something behind"
        if flat is None and time.monotonic() > begun + seconds / 4:
            flat = Flat(psutil.Process())
    assert flat is not None, f"one session took more than {seconds} seconds"
    print(f"{name}: {count} rows, {flat.check()}")


def submit(engine: LocalEngine, epoch: int, rows: list[Row]) -> None:
    try:
        reply = wire.decode_reply(engine.ask("submit", "s", 0, epoch, wire.pack(rows))[0])
    except (Malformed, TooLarge):
        return  # no rows at all
    error = reply.error
    assert error is None or error["code"] not in ("internal", "error"), (error, rows[error.get("row", 0)], rows)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "UPLOAD_PATIENCE", 0.0)


def test_mutated_rows_are_refused_and_never_a_defect() -> None:
    fuzz("rows", 5.0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_mutated_rows_are_refused_and_never_a_defect() -> None:
    fuzz("many rows", float(os.environ.get("FUZZ_SECONDS", "60")))
