"""Sessions: who may use them, how they end, and uploads that are cut off, repeated, refused or forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from support.fake_worker import FakeWorker

from telegrad_protocol.errors import (
    Conflict,
    OutOfMemory,
    SessionGone,
    TooLarge,
    TooMany,
    Unavailable,
    UnknownTensor,
    WorkerDied,
)
from telegrad_server.channel.arena import UPLOAD_SLOTS
from telegrad_server.sessions import registry
from telegrad_server.sessions import session as module
from telegrad_server.sessions.registry import Sessions
from telegrad_server.sessions.session import Session
from telegrad_server.sessions.uploads import AHEAD, IDLE, OPEN_UPLOADS, PIECE

OWNER = "a token's fingerprint"


def play(scenario: Callable[[FakeWorker, Sessions, Session], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        worker = FakeWorker(memory=1000)
        sessions = Sessions(worker, lease=60.0, limit=3)
        await scenario(worker, sessions, await sessions.open(OWNER))

    asyncio.run(run())


def test_only_its_owner_finds_a_session() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        assert sessions.get(session.id, OWNER) is session
        told = set()
        for name, owner in ((session.id, "another"), (session.id, None), (sessions.run_id + "0" * 32, OWNER)):
            with pytest.raises(SessionGone) as caught:
                sessions.get(name, owner)
            told.add(str(caught.value))
        assert len(told) == 1, "a guess must not learn whether a session is there"
        with pytest.raises(SessionGone, match="restarted"):
            sessions.get("0" * 48, OWNER)

    play(scenario)


def test_names_are_not_guessed() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        other = await sessions.open(OWNER)
        assert len(session.id.removeprefix(sessions.run_id)) == 32
        assert session.id != other.id

    play(scenario)


def test_the_number_of_sessions_and_streams_is_bounded() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        await sessions.open(None)
        last = await sessions.open(None)
        with pytest.raises(TooMany, match="3 sessions"):
            await sessions.open(None)
        await sessions.close(last)
        await sessions.open(None)
        firsts = [session.add_stream() for _ in range(module.STREAMS - 1)]
        assert firsts[1] == (2, (2 << 40) + 1)
        with pytest.raises(TooMany):
            session.add_stream()

    play(scenario)


@pytest.mark.parametrize("work", ["none", "running", "parked", "upload"])
def test_a_lease_that_ended_closes_the_session_whatever_was_left_in_it(work: str) -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.gate.clear()
        if work == "upload":
            upload = await session.uploads.begin(7, 100)
            assert upload is not None
        elif work != "none":
            await session.stream(0).put(0 if work == "running" else 5, 0, 0, b"rows")
        later = time.monotonic() + 61
        with session.attended():  # a request is under way
            await sessions._sweep_once(later)
            assert len(sessions) == 1
        await sessions._sweep_once(later)
        await asyncio.sleep(0.01)
        assert len(sessions) == 0
        assert not worker.sessions

    play(scenario)


def test_a_request_renews_the_lease_when_it_ends() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        with session.attended():
            session.expires = 0.0
        await sessions._sweep_once(time.monotonic())
        assert len(sessions) == 1

    play(scenario)


def test_draining_does_not_wait_for_what_is_parked() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        await session.stream(0).put(5, 0, 0, b"rows")
        begun = time.monotonic()
        await sessions.drain(10.0)
        assert time.monotonic() - begun < 1

    play(scenario)


def test_no_token_and_no_address_has_all_sessions() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        bounded = Sessions(worker, lease=60.0, limit=6, per_token=4, per_address=2)
        for _ in range(2):
            await bounded.open("a", address="192.0.2.1")
        with pytest.raises(TooMany, match="the address has its 2"):
            await bounded.open("b", address="192.0.2.1")
        for address in ("192.0.2.2", None):
            await bounded.open("a", address=address)
        with pytest.raises(TooMany, match="the token has its 4"):
            await bounded.open("a", address="192.0.2.3")
        for _ in range(2):
            await bounded.open("b")
        with pytest.raises(TooMany, match="the server has its 6"):
            await bounded.open("c")

    play(scenario)


@pytest.mark.parametrize("running", ["this", "another"])
def test_closing_does_not_wait_for_a_kernel_and_ends_only_one_of_its_own(
    running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "CLOSE_WITHIN", 0.01)
    monkeypatch.setattr(registry, "STOP_SHARED", 0.0)

    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        other = await sessions.open(None)
        closing = worker.closing = asyncio.Event()
        worker.running = session.id if running == "this" else other.id
        begun = time.monotonic()
        await sessions.close(session)
        assert time.monotonic() - begun < 1
        await asyncio.sleep(0.6)
        assert (worker.dead is not None) == (running == "this")
        closing.set()

    play(scenario)


def test_sweeping_survives_the_death_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        sessions.lease = 0.01
        session.expires = 0.0
        sweeper = asyncio.create_task(sessions.sweep())
        worker.dead = WorkerDied("gone")
        while not worker.asked["close_session"]:
            await asyncio.sleep(0.005)
        worker.dead = None
        other = await sessions.open(None)
        other.expires = 0.0
        while worker.asked["close_session"] < 2:
            await asyncio.sleep(0.005)
        assert not sweeper.done()
        sweeper.cancel()

    play(scenario)


def test_what_waits_hears_of_the_end() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.gate.clear()
        reply = await session.stream(0).put(0, 0, 0, b"x")
        sessions.lose_all(WorkerDied("gone"))
        with pytest.raises(WorkerDied):
            await reply
        with pytest.raises(SessionGone):
            sessions.get(session.id, OWNER)

    play(scenario)


def test_draining_finishes_what_was_accepted_and_takes_nothing_new() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.gate.clear()
        reply = await session.stream(0).put(0, 0, 0, b"x")
        draining = asyncio.create_task(sessions.drain(10))
        await asyncio.sleep(0.02)
        assert not draining.done()
        with pytest.raises(Unavailable, match="shutting down"):
            await sessions.open(None)
        worker.gate.set()
        await draining
        assert reply.done()

    play(scenario)


def test_an_upload_arrives_whole_and_is_not_taken_twice() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        upload = await session.uploads.begin(7, 6)
        assert upload is not None
        await upload.write(b"abc")
        await upload.write(b"def")
        await session.uploads.finish(upload)
        assert worker.uploads[7] == b"abcdef"
        assert await session.uploads.begin(7, 6) is None
        with pytest.raises(Conflict, match="6 bytes"):
            await session.uploads.begin(7, 5)
        assert not session.busy

    play(scenario)


def test_more_bytes_than_announced_are_refused() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        upload = await session.uploads.begin(1, 3)
        assert upload is not None
        with pytest.raises(TooLarge):
            await upload.write(b"four")

    play(scenario)


def test_an_upload_that_comes_again_takes_the_place_of_its_first_attempt() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        first = await session.uploads.begin(1, 4)
        assert first is not None
        await first.write(b"ab")
        second = await session.uploads.begin(1, 4)
        assert second is not None
        with pytest.raises(Conflict, match="anew"):
            await first.write(b"cd")
        with pytest.raises(Conflict, match="anew"):
            await session.uploads.finish(first)
        await session.uploads.abandon(first)  # the end of the first attempt leaves the second alone
        await second.write(b"abcd")
        await session.uploads.finish(second)
        assert worker.uploads[1] == b"abcd"

    play(scenario)


def test_an_upload_that_comes_again_while_it_is_handed_over_is_complete() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        first = await session.uploads.begin(1, 2)
        assert first is not None
        await first.write(b"ab")
        worker.gate.clear()
        finishing = asyncio.create_task(session.uploads.finish(first))
        again = asyncio.create_task(session.uploads.begin(1, 2))
        await asyncio.sleep(0.01)
        assert not again.done()
        worker.gate.set()
        await finishing
        assert await again is None
        assert worker.asked["admit_upload"] == 1

    play(scenario)


def test_attempts_at_the_same_time_are_admitted_one_after_the_other() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.admitting.clear()
        begun = [asyncio.create_task(session.uploads.begin(1, 4)) for _ in range(3)]
        await asyncio.sleep(0)
        worker.admitting.set()
        uploads = [upload for upload in await asyncio.gather(*begun) if upload is not None]
        assert [upload.done.is_set() for upload in uploads] == [True, True, False]
        assert list(session.uploads.open.values()) == uploads[2:]

    play(scenario)


def test_an_upload_that_does_not_fit_is_a_failed_tensor_and_may_be_sent_again() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        with pytest.raises(OutOfMemory):
            await session.uploads.begin(1, 2000)
        assert isinstance(worker.uploads[1], OutOfMemory)
        worker.memory = 4000
        assert await session.uploads.begin(1, 2000) is not None

    play(scenario)


def test_uploads_at_once_are_bounded() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        for name in range(OPEN_UPLOADS):
            await session.uploads.begin(name, 1)
        with pytest.raises(TooMany):
            await session.uploads.begin(99, 1)

    play(scenario)


def test_an_upload_that_stopped_is_given_up() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        upload = await session.uploads.begin(1, 4)
        assert upload is not None
        await sessions._sweep_once(time.monotonic() + IDLE + 1)
        assert worker.asked["drop_upload"] == 1
        with pytest.raises(Conflict, match="paused too long"):
            await upload.write(b"late")

    play(scenario)


def test_closing_in_the_middle_of_an_upload_ends_it_and_gives_its_slots_back() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        half = await session.uploads.begin(1, 4)
        handing = await session.uploads.begin(2, 2)
        assert half is not None
        assert handing is not None
        await half.write(b"a")
        await handing.write(b"ab")
        worker.gate.clear()
        finishing = asyncio.create_task(session.uploads.finish(handing))
        await asyncio.sleep(0)
        await sessions.close(session)
        worker.gate.set()
        with pytest.raises(Conflict):
            await finishing
        await session.uploads.abandon(half)
        assert worker.asked["finish_upload"] == 0
        for _ in range(UPLOAD_SLOTS):
            await asyncio.wait_for(worker.slots.take_upload(), 1)

    play(scenario)


def test_pieces_land_where_they_belong_however_the_body_is_cut() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.memory = 10 * PIECE
        data = np.random.default_rng(0).bytes(5 * PIECE + 12345)
        for name, size in enumerate((len(data), PIECE, PIECE - 1, 100_000)):
            upload = await session.uploads.begin(name, len(data))
            assert upload is not None
            for start in range(0, len(data), size):
                await upload.write(data[start : start + size])
            await session.uploads.finish(upload)
            assert worker.uploads[name] == data

    play(scenario)


def test_an_upload_waits_for_a_busy_worker_and_is_not_idle_meanwhile() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.memory = 10 * PIECE
        upload = await session.uploads.begin(1, 8 * PIECE)
        assert upload is not None
        worker.gate.clear()
        writing = asyncio.create_task(upload.write(bytes(8 * PIECE)))
        await asyncio.sleep(0.01)
        assert worker.asked["write_piece"] == AHEAD
        assert not upload.idle(time.monotonic() + 10 * IDLE)
        worker.gate.set()
        await writing
        await session.uploads.finish(upload)
        assert worker.uploads[1] == bytes(8 * PIECE)

    play(scenario)


def test_a_piece_that_waits_when_its_upload_is_given_up_never_reaches_the_one_after_it() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.memory = 10 * PIECE
        first = await session.uploads.begin(1, 2 * PIECE)
        assert first is not None
        held = [await worker.slots.take_upload() for _ in range(UPLOAD_SLOTS)]
        writing = asyncio.create_task(first.write(bytes([1]) * PIECE))
        await asyncio.sleep(0)
        assert not first.idle(time.monotonic() + 10 * IDLE), "others have every slot"
        second = await session.uploads.begin(1, 2 * PIECE)
        assert second is not None
        for slot in held:
            worker.slots.give_upload(slot)
        await writing
        await asyncio.sleep(0)
        assert worker.asked["write_piece"] == 0
        await second.write(bytes([2]) * 2 * PIECE)
        await session.uploads.finish(second)
        assert worker.uploads[1] == bytes([2]) * 2 * PIECE

    play(scenario)


def test_what_the_worker_says_to_a_piece_is_told_to_the_sender() -> None:
    async def scenario(worker: FakeWorker, sessions: Sessions, session: Session) -> None:
        worker.memory = 10 * PIECE
        upload = await session.uploads.begin(1, 4)
        assert upload is not None
        await upload.write(b"abcd")

        async def refuse(*_: object) -> None:
            raise Conflict("the piece is not wanted")

        worker.write_piece = refuse  # type: ignore[method-assign]
        with pytest.raises(Conflict, match="not wanted"):
            await session.uploads.finish(upload)
        assert not session.uploads.open
        assert isinstance(worker.uploads[1], Conflict), "the row that takes it in must not wait"

    play(scenario)


def test_a_value_that_is_lost_on_its_way_to_another_device_fails_there_at_once() -> None:
    async def scenario() -> None:
        here, there = FakeWorker(), FakeWorker()
        sessions = Sessions(here, lease=60.0, limit=3, others={"cuda:0": there})
        session = await sessions.open(OWNER)
        here.reads[4] = b"ab"
        await sessions._carry(session, 4, 2, "cpu", "cuda:0")
        assert there.uploads[4] == b"ab"
        await sessions._carry(session, 5, 2, "cpu", "cuda:0")
        assert isinstance(there.uploads[5], UnknownTensor)
        assert not session.uploads.open

    asyncio.run(scenario())


def test_a_further_device_whose_worker_is_on_its_way_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        there = FakeWorker()
        sessions = Sessions(FakeWorker(), lease=60.0, limit=3, others={"cuda:0": there})
        session = await sessions.open(OWNER)
        there.dead = WorkerDied("being started again")
        opening = asyncio.create_task(session.on("cuda:0"))
        while there.asked["open_session"] < 2:
            await asyncio.sleep(0.02)
        there.dead = None
        assert (await opening).worker is there
        there.dead = WorkerDied("for good")
        monkeypatch.setattr(module, "RESTART_PATIENCE", 0.0)
        with pytest.raises(WorkerDied, match="for good"):
            await (await sessions.open(OWNER)).on("cuda:0")

    asyncio.run(scenario())


def test_a_session_that_ends_while_it_waits_for_a_device_is_open_nowhere() -> None:
    async def scenario() -> None:
        here, there = FakeWorker(), FakeWorker()
        sessions = Sessions(here, lease=60.0, limit=3, others={"cuda:0": there})
        session = await sessions.open(OWNER)
        there.dead = WorkerDied("being started again")
        opening = asyncio.create_task(session.on("cuda:0"))
        while not there.asked["open_session"]:
            await asyncio.sleep(0.02)
        await sessions.close(session)
        there.dead = None
        with pytest.raises(SessionGone):
            await opening
        assert not there.sessions

    asyncio.run(scenario())
