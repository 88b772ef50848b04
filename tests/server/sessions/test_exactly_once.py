"""Exactly once, in order, however submissions come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telegrad_protocol import wire
from telegrad_protocol.errors import Conflict, InternalError, SessionGone, StaleEpoch, SubmissionGap, TooMany
from telegrad_server.sessions import exactly_once
from telegrad_server.sessions.exactly_once import PARKED, Stream


class Engine:
    """Runs submissions, one at a time and in order, as a worker does; may be made to wait."""

    def __init__(self) -> None:
        self.ran: list[tuple[int, bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None

    async def run(self, epoch: int, body: bytes, device: str, failed: Any, timed: bool) -> tuple[bytes, float]:
        self.ran.append((epoch, body))
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return b"reply to " + body, 0.0


def body_of(number: int) -> bytes:
    return b"submission %d" % number


def play(scenario: Callable[[Engine, Stream], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        engine = Engine()
        await scenario(engine, Stream(engine.run))

    asyncio.run(run())


@st.composite
def arrivals(draw: st.DrawFn) -> list[int]:
    """Numbers 0 to n, each at least once, in an order in which none is too far ahead."""
    count = draw(st.integers(1, 40))
    order = draw(st.permutations(range(count)))
    again = draw(st.lists(st.integers(0, count - 1), max_size=20))
    return draw(st.permutations([*order, *again]))


@given(arrivals(), st.data())
def test_each_number_runs_once_and_in_order_and_every_retry_gets_its_reply(
    order: list[int], data: st.DataObject
) -> None:
    epochs = sorted(data.draw(st.lists(st.integers(0, 3), min_size=max(order) + 1, max_size=max(order) + 1)))
    pauses = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))

    async def scenario(engine: Engine, stream: Stream) -> None:
        replies = []
        for number, pause in zip(order, pauses, strict=True):
            replies.append(await stream.put(number, epochs[number], 0, body_of(number)))
            if pause:
                await asyncio.sleep(0)
        assert [await reply for reply in replies] == [b"reply to " + body_of(number) for number in order]
        assert engine.ran == [(epochs[number], body_of(number)) for number in range(max(order) + 1)]
        assert not stream.running

    play(scenario)


@given(arrivals(), st.data())
def test_what_is_acknowledged_is_forgotten_and_nothing_else(order: list[int], data: st.DataObject) -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        replies: dict[int, asyncio.Future[bytes]] = {}
        acknowledged = 0
        for number in order:
            ack = data.draw(st.integers(0, 60))
            while acknowledged < ack and acknowledged in replies and replies[acknowledged].done():
                acknowledged += 1
            if number < acknowledged:
                with pytest.raises(Conflict, match="acknowledged"):
                    await stream.put(number, 0, ack, body_of(number))
            else:
                replies[number] = await stream.put(number, 0, ack, body_of(number))
            if data.draw(st.booleans()):
                await asyncio.sleep(0)
        assert [await reply for reply in replies.values()] == [b"reply to " + body_of(number) for number in replies]
        assert [body for _, body in engine.ran] == [body_of(number) for number in range(max(order) + 1)]

    play(scenario)


def test_other_bytes_or_another_epoch_under_a_used_number_are_a_conflict() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        first = await stream.put(0, 2, 0, b"one")
        for epoch, body in ((2, b"two"), (3, b"one"), (1, b"one")):
            with pytest.raises(Conflict, match="submission 0 came before"):
                await stream.put(0, epoch, 0, body)
        await stream.put(5, 2, 0, b"parked")
        with pytest.raises(Conflict):
            await stream.put(5, 2, 0, b"other")
        assert await first == b"reply to one"
        assert engine.ran == [(2, b"one")]

    play(scenario)


def test_a_retry_waits_for_the_running_submission() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        engine.gate.clear()
        first = await stream.put(0, 0, 0, b"slow")
        again = await stream.put(0, 0, 0, b"slow")
        assert again is first
        assert stream.running
        engine.gate.set()
        assert await again == b"reply to slow"
        assert len(engine.ran) == 1

    play(scenario)


def test_an_acknowledgement_cannot_reach_what_still_runs() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        engine.gate.clear()
        running = await stream.put(0, 0, 0, b"a")
        await stream.put(1, 0, 99, b"b")
        assert await stream.put(0, 0, 0, b"a") is running
        engine.gate.set()
        await running
        await stream.put(2, 0, 1, b"c")
        with pytest.raises(Conflict, match="acknowledged"):
            await stream.put(0, 0, 0, b"a")

    play(scenario)


def test_an_epoch_that_is_over_is_stale_but_its_kept_replies_are_given() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        await stream.put(0, 0, 0, b"old")
        await stream.put(1, 3, 0, b"new")
        with pytest.raises(StaleEpoch) as caught:
            await stream.put(2, 2, 0, b"from the dead")
        assert caught.value.details["expected"] == 3
        assert await (await stream.put(0, 0, 0, b"old")) == b"reply to old"
        await stream.put(2, 3, 0, b"on")
        await asyncio.sleep(0)
        assert [body for _, body in engine.ran] == [b"old", b"new", b"on"]

    play(scenario)


def test_a_parked_submission_does_not_open_its_epoch_before_its_turn() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        await stream.put(1, 5, 0, b"ahead")
        await stream.put(0, 0, 0, b"first")
        await asyncio.sleep(0)
        assert engine.ran == [(0, b"first"), (5, b"ahead")]

    play(scenario)


def test_what_is_too_far_ahead_is_refused_and_may_come_again() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        with pytest.raises(SubmissionGap) as caught:
            await stream.put(PARKED, 0, 0, b"far")
        assert (caught.value.details["expected"], caught.value.details["got"]) == (0, PARKED)
        await stream.put(PARKED - 1, 0, 0, b"near")
        await stream.put(0, 0, 0, b"first")
        await stream.put(PARKED, 0, 0, b"far")
        assert len(engine.ran) == 0 or engine.ran == [(0, b"first")]

    play(scenario)


def test_bytes_that_are_parked_or_running_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactly_once, "PARKED_BYTES", 100)
    monkeypatch.setattr(exactly_once, "KEPT_BYTES", 50)

    async def scenario(engine: Engine, stream: Stream) -> None:
        await stream.put(2, 0, 0, bytes(60))
        with pytest.raises(SubmissionGap, match="bytes wait"):
            await stream.put(3, 0, 0, bytes(60))
        engine.gate.clear()
        await stream.put(0, 0, 0, bytes(60))
        await stream.put(1, 0, 0, bytes(60))
        with pytest.raises(TooMany):  # all of it is on its way to the worker, and not answered
            await stream.put(3, 0, 0, bytes(1))

    play(scenario)


def test_replies_that_nobody_acknowledges_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactly_once, "KEPT", 3)
    monkeypatch.setattr(exactly_once, "PARKED", 2)

    async def scenario(engine: Engine, stream: Stream) -> None:
        for number in range(5):
            await (await stream.put(number, 0, 0, b"x"))
        with pytest.raises(TooMany, match="unacknowledged"):
            await stream.put(5, 0, 0, b"x")
        assert await (await stream.put(5, 0, 4, b"x")) == b"reply to x"

    play(scenario)


def test_a_submission_that_cannot_run_answers_its_retries_with_the_same_error() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        engine.fault = SessionGone("the session has ended")
        for _ in range(2):
            with pytest.raises(SessionGone):
                await (await stream.put(0, 0, 0, b"x"))
        assert len(engine.ran) == 1

    play(scenario)


def test_a_defect_while_running_is_told_to_whoever_waits(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        engine.fault = ZeroDivisionError("a defect")
        with pytest.raises(InternalError, match="ZeroDivisionError"):
            await (await stream.put(0, 0, 0, b"x"))
        assert not stream.running

    play(scenario)
    assert "a defect" in capsys.readouterr().err


def test_closing_answers_what_waits_and_leaves_what_was_answered() -> None:
    async def scenario(engine: Engine, stream: Stream) -> None:
        done = await stream.put(0, 0, 0, b"done")
        await done
        engine.gate.clear()
        running = await stream.put(1, 0, 0, b"running")
        parked = await stream.put(3, 0, 0, b"parked")
        await asyncio.sleep(0)
        stream.close(SessionGone("closed"))
        engine.gate.set()
        for reply in (running, parked):
            with pytest.raises(SessionGone):
                await reply
        assert await done == b"reply to done"
        await asyncio.sleep(0)  # what the worker still answers changes nothing

    play(scenario)


def test_a_stop_skips_what_has_not_been_handed_on() -> None:
    """A submission for another device waits for those before it; it learns of the stop, and the next epoch does not."""
    failures: list[str | None] = []

    async def run(epoch: int, body: bytes, device: str, failed: Any, timed: bool) -> tuple[bytes, float]:
        failures.append(failed and failed["code"])
        await gate.wait()
        return wire.pack(([], None)), 0.0

    async def scenario() -> None:
        stream = Stream(run)
        first = await stream.put(0, 0, 0, b"a", "cpu")
        other = await stream.put(1, 0, 0, b"b", "cuda:0")
        await asyncio.sleep(0)
        stream.stop(0)
        gate.set()
        await asyncio.gather(first, other)
        await asyncio.gather(await stream.put(2, 0, 0, b"c"), await stream.put(3, 1, 0, b"d"))

    gate = asyncio.Event()
    asyncio.run(scenario())
    assert failures == [None, "stream_stopped", "stream_stopped", None]
