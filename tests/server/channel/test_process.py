"""The channel to a worker process, with a real process at the other end, and what happens when it dies."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support import scripted_worker

from telegrad_protocol.errors import OpValueError, TooLarge, WorkerDied
from telegrad_protocol.limits import LIMITS
from telegrad_server.channel import process as module
from telegrad_server.channel.arena import READ_SLOTS, SLOT_BYTES, SLOTS
from telegrad_server.channel.frames import MAX_FRAME
from telegrad_server.channel.process import WorkerProcess
from telegrad_server.channel.requests import Health, ReadPiece, Submit

PROGRAM = (str(scripted_worker.__file__),)
Scenario = Callable[[WorkerProcess, list[str]], Coroutine[Any, Any, None]]

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def open_files() -> int:
    gc.collect()  # the arena's mapping goes with its last view
    return len(os.listdir("/proc/self/fd"))


def play(scenario: Scenario, loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop) -> None:
    async def run() -> None:
        deaths: list[str] = []
        worker = WorkerProcess("cpu", 0, lambda cause: deaths.append("died"), program=PROGRAM)
        await worker.start()
        try:
            await scenario(worker, deaths)
        finally:
            await worker.stop()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.to_thread(int))  # what a first loop opens for good
    before = open_files()
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
    assert open_files() == before, "a descriptor stayed open"


async def returned(worker: WorkerProcess) -> int:
    """The process id of the worker that came back."""
    while True:
        try:
            return int((await worker.ask(Health()))["pid"])
        except WorkerDied:
            await asyncio.sleep(0.02)


@LOOPS
def test_answers_find_whoever_asked(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        values = [0, "text", b"bytes", None, (1, 2), {"a": 1.5}]
        assert await asyncio.gather(*[worker.exchange("echo", value) for value in values]) == values
        with pytest.raises(OpValueError, match="refused") as caught:
            await worker.exchange("refuse")
        assert caught.value.details == {"argument": "x"}

    play(scenario, loop)


@LOOPS
def test_large_submissions_go_out_while_others_come_in(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        bodies = [bytes([n]) * size for n, size in enumerate((20 << 20, 5, 3 << 20, 0, 1 << 20))]
        answers = await asyncio.gather(*[worker.ask(Submit("s", 0, 0, body)) for body in bodies])
        assert answers == [(body, [], 0.0) for body in bodies]

    play(scenario, loop)


def test_pieces_of_uploads_are_found_in_their_slots() -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        for slot in range(READ_SLOTS, SLOTS):
            worker.slots.view(slot, 4)[:] = bytes([slot]) * 4
        asked = [worker.exchange("write_piece", "s", 1, 0, 4, slot) for slot in range(READ_SLOTS, SLOTS)]
        assert await asyncio.gather(*asked) == [bytes([slot]) * 4 for slot in range(READ_SLOTS, SLOTS)]

    play(scenario)


def test_pieces_arrive_in_their_slots() -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        await asyncio.gather(*[worker.ask(ReadPiece("s", slot + 1, 0, SLOT_BYTES, slot)) for slot in range(SLOTS)])
        for slot in range(SLOTS):
            assert worker.slots.view(slot, 1)[0] == slot + 1
            assert worker.slots.view(slot, SLOT_BYTES)[-1] == slot + 1

    play(scenario)


def test_a_reply_larger_than_a_frame_is_an_error_and_not_the_end() -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        with pytest.raises(TooLarge, match="the message has"):
            await worker.exchange("huge", MAX_FRAME)
        assert await worker.exchange("echo", 1) == 1

    play(scenario)


@LOOPS
def test_a_worker_that_dies_is_told_and_started_again(
    loop: Callable[[], asyncio.AbstractEventLoop], capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        first = (await worker.ask(Health()))["pid"]
        waiting = [asyncio.create_task(worker.exchange(kind)) for kind in ("nothing", "die")]
        for task in waiting:
            with pytest.raises(WorkerDied, match="gone"):
                await task
            assert deaths == ["died"], "nobody may find a session whose tensors are gone"
        # Until it is back every request is refused at once, and none starts a second worker.
        for _ in range(5):
            with pytest.raises(WorkerDied, match="started again"):
                await worker.exchange("echo", 1)
            await asyncio.sleep(0)
        assert await returned(worker) != first
        assert deaths == ["died"]

    play(scenario, loop)
    told = capsys.readouterr().err
    assert "cause=SIGKILL" in told
    assert told.count("worker restarted") == 1


def test_the_exit_status_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        with pytest.raises(WorkerDied):
            await worker.exchange("exit")
        await returned(worker)

    play(scenario)
    assert "cause=exit status 3" in capsys.readouterr().err


def test_a_worker_that_dies_over_and_over_is_started_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds in module.RESTART_AFTER:
            pauses.append(seconds)
            seconds = 0
        await sleep(seconds)

    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        for _ in range(3):
            with pytest.raises(WorkerDied):
                await worker.exchange("die")
            await returned(worker)
        monkeypatch.setattr(module, "LIVED", 0.0)
        with pytest.raises(WorkerDied):
            await worker.exchange("die")
        await returned(worker)

    monkeypatch.setattr(asyncio, "sleep", noted)
    play(scenario)
    first, second, third = module.RESTART_AFTER[:3]
    assert pauses == [first, second, third, first]


def test_a_worker_that_does_not_start_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit(7)")

    async def run() -> None:
        worker = WorkerProcess("cpu", 0, lambda cause: None, program=(str(tmp_path / "broken.py"),))
        with pytest.raises(WorkerDied):
            await worker.start()
        await worker.stop()

    asyncio.run(run())


def test_stopping_ends_a_worker_in_the_middle_of_its_work() -> None:
    async def run() -> int:
        worker = WorkerProcess("cpu", 0, lambda cause: None, program=PROGRAM)
        await worker.start()
        napping = asyncio.create_task(worker.exchange("nap", 60))
        await asyncio.sleep(0.05)
        await worker.stop(patience=0.05)
        napping.cancel()
        return worker._process.pid

    assert not Path(f"/proc/{asyncio.run(run())}").exists()


def test_lists_beyond_the_limits_of_callers_pass_between_front_and_worker() -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        assert len(await worker.exchange("echo", [0] * (LIMITS.array_items + 1))) == LIMITS.array_items + 1

    play(scenario)


def test_a_worker_that_is_killed_says_why() -> None:
    async def scenario(worker: WorkerProcess, deaths: list[str]) -> None:
        napping = asyncio.create_task(worker.exchange("nap", 60))
        await asyncio.sleep(0.05)
        worker.kill(WorkerDied("it went on and on"))
        with pytest.raises(WorkerDied, match="on and on"):
            await napping
        assert not worker.alive
        await returned(worker)
        assert worker.alive

    play(scenario)
