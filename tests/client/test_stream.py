"""The stream between sessions: what one left behind reaches no later one, and whoever waits is told."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._http import session as http_session
from telegrad._http.session import Session
from telegrad._http.transport import Interrupted
from telegrad._runtime.process import stream
from telegrad._stream.back_pressure import HAND_OVER
from telegrad._stream.batching import SMALL_FREES
from telegrad_protocol import wire
from telegrad_protocol.errors import SessionGone, WorkerDied
from telegrad_protocol.messages import Row
from telegrad_protocol.shapes import PAGE
from telegrad_protocol.spec import BY_INDEX


@pytest.fixture(autouse=True)
def session() -> Iterator[LocalSession]:
    made = LocalSession()
    stream.restart(made)
    yield made
    stream.restart()


class Stuck(LocalSession):
    """A connection that has died without a word: requests hang, and are then sent again."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.let_go = threading.Event()
        self.tries = 0

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        self.tries += 1
        self.asked.set()
        self.let_go.wait(10.0)
        raise Interrupted("lost")


def test_a_request_that_hangs_while_another_session_begins_is_not_sent_to_it() -> None:
    stuck = Stuck()
    stream.restart(stuck)
    waiting = tg.ones(2).exp().read()
    assert stuck.asked.wait(10.0)
    old = stream.sender
    stream.restart(LocalSession())
    with pytest.raises(SessionGone, match="closed"):
        waiting.result()
    assert (tg.ones(3) + 1).tolist() == [2.0] * 3
    stuck.let_go.set()
    old.join(5.0)
    assert not any(thread.is_alive() for thread in old.threads)
    assert stuck.tries <= 2, "a session that was given up is not tried again"
    assert (tg.ones(3) + 2).tolist() == [3.0] * 3


def test_after_the_session_broke_nothing_is_sent_and_no_thread_runs(session: LocalSession) -> None:
    assert tg.ones(1).add(1).tolist() == [2.0]

    def gone(*_: object) -> bytes:
        raise SessionGone("there is no such session")

    session.submit = gone  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(SessionGone, match="no such session"):
            tg.ones(1).exp().tolist()
    stream.sender.join(5.0)
    assert not any(thread.is_alive() for thread in stream.sender.threads)
    stream.restart(LocalSession())
    assert tg.ones(1).add(1).tolist() == [2.0]


def test_failures_of_an_earlier_session_are_not_raised_in_a_later_one() -> None:
    tg.ones(3).exp()[tg.tensor([7])]
    stream.restart(LocalSession())
    assert tg.ones(1).add(1).tolist() == [2.0]
    tg.synchronize()


def test_opening_waits_for_a_worker_that_is_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [WorkerDied("being started again")] * 3

    def greet(self: Session, *_: object) -> bytes:
        if answers:
            raise answers.pop()
        raise SessionGone("reached")

    monkeypatch.setattr(Session, "_greet", greet)
    with pytest.raises(SessionGone, match="reached"):
        tg.connect("http://127.0.0.1:9")
    answers += [WorkerDied("being started again")] * 100
    monkeypatch.setattr(http_session, "PATIENCE", 0.05)
    with pytest.raises(WorkerDied):
        tg.connect("http://127.0.0.1:9")


class Watched(LocalSession):
    """Keeps the rows of each submission."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[list[Row]] = []

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        self.sent.append([*wire.decode_submission(body).rows])
        return super().submit(number, epoch, place, acknowledged, body, sent)

    @property
    def names(self) -> list[str]:
        return [BY_INDEX[row.op].name for rows in self.sent for row in rows]


def test_small_frees_are_told_together_and_large_ones_before_the_next_row() -> None:
    session = Watched()
    stream.restart(session)
    x = tg.ones(2) + 1
    for _ in range(100):
        x = x * 1.0
    tg.synchronize()
    assert 1 <= session.names.count("free") <= 1 + 100 // SMALL_FREES + len(session.sent)
    session.sent.clear()
    large = tg.ones(PAGE) + 1
    for _ in range(5):
        large = large * 1.0
    tg.synchronize()
    names = session.names
    assert [name for name in names if name in ("mul", "free")] == ["free", "mul"] * 5 + ["free"]


def test_a_small_view_of_much_memory_is_freed_at_once() -> None:
    session = Watched()
    stream.restart(session)
    view = tg.ones(PAGE).exp()[:2]
    tg.synchronize()
    session.sent.clear()
    del view
    x = tg.ones(2) + 1
    tg.synchronize()
    assert session.names.index("free") < session.names.index("add")
    assert x.tolist() == [2.0, 2.0]


def test_a_small_tensor_whose_graph_holds_much_is_freed_at_once() -> None:
    session = Watched()
    stream.restart(session)
    for _ in range(2):  # the second time every call takes the generated path
        large = tg.ones(PAGE, requires_grad=True)
        loss = large.var() * 0.5
        tg.synchronize()
        session.sent.clear()
        del loss
        x = tg.ones(2) + 1
        tg.synchronize()
        assert session.names.index("free") < session.names.index("add")
        assert x.tolist() == [2.0, 2.0]


def test_recording_hands_rows_over_while_it_goes_on() -> None:
    session = Watched()
    stream.restart(session)
    x = tg.ones(2) + 1
    tg.synchronize()
    for _ in range(4 * HAND_OVER):
        x = x * 1.0
    handed_over = sum(map(len, session.sent))
    assert handed_over >= 2 * HAND_OVER
    assert x.tolist() == [2.0, 2.0]


class Overtaking(LocalSession):
    """The reply to the submission with a failing row comes after the replies to those that follow from it."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = threading.Event()
        self.followed = threading.Event()

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        reply = super().submit(number, epoch, place, acknowledged, body, sent)
        error = wire.decode_reply(reply).error
        if error is not None and "row" in error:
            self.failed.set()
            self.followed.wait(10.0)
            time.sleep(0.05)
        elif error is not None:
            self.followed.set()
        return reply


def test_a_failure_is_told_once_also_if_the_reply_with_its_cause_comes_last() -> None:
    session = Overtaking()
    stream.restart(session)
    x = tg.zeros(2).exp()
    tg.synchronize()
    bad = x[tg.tensor([7])]
    assert session.failed.wait(10.0)
    with pytest.raises(IndexError, match=r"out of bounds[^$]*x\[tg\.tensor\(\[7\]\)\]"):
        bad.tolist()
    assert session.followed.is_set()
    assert x.tolist() == [1.0, 1.0]
    tg.synchronize()


def test_what_is_remembered_of_graphs_keeps_no_tensor(session: LocalSession) -> None:
    tg.synchronize()
    budget = session.engine.executor.sessions["local"].budget
    before = budget.used
    for _ in range(3):
        v, w = (tg.ones(100_000, requires_grad=True) for _ in range(2))
        loss = (v * w).sum()
        loss.backward()
        assert v.grad is not None
        assert w.grad is not None
        assert float(w.grad.sum()) == 100_000.0
        del v, w, loss
        gc.collect()
        tg.synchronize()
        assert budget.used == before


class Slow(LocalSession):
    """A server that takes a while for each submission, in order."""

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        sent()
        while number != getattr(self, "expected", 0):
            time.sleep(0.01)
        time.sleep(0.5)
        return super().submit(number, epoch, place, acknowledged, body, lambda: None)


def test_waiting_for_a_full_window_takes_no_cpu() -> None:
    stream.restart(Slow())
    x = tg.ones(2)
    x.add_(1)
    for _ in range(4):
        stream.sender.wake()  # each cuts a submission, until the window is full
        time.sleep(0.02)
        x.add_(1)
    wall, cpu = time.monotonic(), time.thread_time()
    tg.synchronize()
    wall, cpu = time.monotonic() - wall, time.thread_time() - cpu
    assert wall > 0.5
    assert cpu < 0.05
    assert x.tolist() == [6.0, 6.0]


@pytest.mark.timeout(30)
def test_synchronize_waits_for_what_was_recorded_before_it_only() -> None:
    stream.restart(LocalSession())
    ended = threading.Event()

    def keep_calling() -> None:
        y = tg.ones(2)
        while not ended.is_set():
            y = y * 1.0

    thread = threading.Thread(target=keep_calling)
    thread.start()
    try:
        for _ in range(3):
            x = tg.ones(2) + 1
            tg.synchronize()
        assert x.tolist() == [2.0, 2.0]
    finally:
        ended.set()
        thread.join()


def test_waiting_has_a_limit() -> None:
    stream.restart(Slow())
    tg.ones(2).exp()
    assert stream.sender.finish(0.01) is False
    assert stream.sender.finish(5.0) is True


class Busy(LocalSession):
    """Whenever a submission has been sent, another thread has recorded a further row."""

    keeps: tg.Tensor | None = None

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        if self.keeps is not None:
            _ = self.keeps + 1
        return super().submit(number, epoch, place, acknowledged, body, sent)


def test_synchronizing_does_not_wait_for_what_another_thread_goes_on_to_record() -> None:
    busy = Busy()
    stream.restart(busy)
    busy.keeps = tg.ones(2).requires_grad_()
    made = busy.keeps * 2
    waiting = threading.Thread(target=tg.synchronize, daemon=True)
    waiting.start()
    waiting.join(5.0)
    assert not waiting.is_alive()
    assert made.tolist() == [2.0] * 2


ENDLESS = """
import threading, time
import telegrad as tg

def call_on():
    x = tg.ones(200, 200)
    while True:
        x @ x

for _ in range(2):
    threading.Thread(target=call_on, daemon=True).start()
time.sleep(0.5)
tg.synchronize()
print("done", flush=True)
"""


def test_daemon_threads_that_call_on_do_not_keep_the_program_from_ending() -> None:
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\n"
    assert done.returncode == 0, done.stderr
