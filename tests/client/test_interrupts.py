"""An interrupt between any two instructions of a caller: what was recorded counts once, and the session goes on."""

from __future__ import annotations

import dis
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.process import stream
from telegrad._stream import waiting

OURS = str(Path(tg.__file__).parent)
LOST = ("__del__", "__exit__")
"""What is raised in a finalizer nobody gets; a block that cannot begin to end leaves its mode, as PyTorch's does."""


@cache
def leaving(code: CodeType) -> frozenset[int]:
    """The offsets where nothing is left but to return a constant, or to call the `__exit__` of a block that has ended.

    CPython looks for signals after calls and at backward jumps, never there.
    """
    found: set[int] = set()
    ops = list(dis.get_instructions(code))
    for i in range(len(ops)):
        names = [each.opname for each in ops[i : i + 5]]
        if names[:2] == ["LOAD_CONST", "RETURN_VALUE"]:
            found |= {each.offset for each in ops[i : i + 2]}
        # Three constants, but two arguments: the first stands where a method has its object.
        if names[:3] == ["LOAD_CONST"] * 3 and "CALL" in names[3:] and ops[i + 3].arg == 2:
            start = i - (ops[i - 1].opname == "NOP")
            found |= {each.offset for each in ops[start : i + names.index("CALL") + 1]}
    return frozenset(found)


class Interruption:
    """Raises an error before the n-th instruction of this thread that belongs to the client; counts where n is 0."""

    def __init__(self, n: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.n = n
        self.error = error
        self.count = 0
        self.raised = False

    def __enter__(self) -> Interruption:
        sys.settrace(self.trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith((OURS, "<telegrad")) or frame.f_code.co_name in LOST:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti not in leaving(frame.f_code):
            self.count += 1
            if self.count == self.n:
                self.raised = True
                sys.settrace(None)
                raise self.error
        return self.trace


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSession]:
    monkeypatch.setattr(waiting, "GRACE", 10.0)  # on a busy machine a second may be too short
    made = LocalSession()
    stream.restart(made)
    yield made
    stream.restart()
    tg.set_grad_enabled(True)  # what a failure left is no other test's


class Program:
    """A few calls of every kind on the way to the server, and what they should leave."""

    def __init__(self) -> None:
        self.x = tg.zeros(3)
        self.w = tg.ones(3, requires_grad=True)
        self.optimizer = tg.optim.SGD([self.w], lr=0.5, momentum=0.5)
        tg.synchronize()
        self.added = self.stepped = 0

    def add(self) -> None:
        self.x.add_(1)

    def step(self) -> None:
        self.optimizer.zero_grad()
        (self.w * tg.tensor([1.0, 2.0, 3.0])).sum().backward()
        self.optimizer.step()

    def read(self) -> Any:
        return (self.x + 0).tolist()

    def large(self) -> Any:
        return (tg.tensor(np.ones(40_000, np.float32)) * 2).sum().item()

    def download(self) -> Any:
        return tg.ones(40_000).numpy()[-1]

    def look(self) -> Any:
        y = (self.w * 2).sum()
        (g,) = tg.autograd.grad(y, [self.w])
        return g.tolist()

    def hooked(self) -> Any:
        w = tg.ones(2, requires_grad=True)
        y = w * 3
        y.register_hook(lambda g: g * 2)
        y.sum().backward()
        return w.grad.tolist()

    def views(self) -> Any:
        host = tg.tensor([1.0, 2.0, 3.0])
        part = host[1:]
        total = (host + 1).sum()
        part.mul_(10)
        return [total.item(), *host.tolist()]

    def fail(self) -> None:
        with pytest.raises(IndexError, match="out of bounds"):
            tg.zeros(3)[tg.tensor([7])].tolist()

    def wait(self) -> None:
        tg.synchronize()


CALLS = ("add", "step", "read", "large", "download", "look", "hooked", "views", "fail", "wait")
RESULTS = {"large": 80_000.0, "download": 1.0, "look": [2.0] * 3, "hooked": [6.0, 6.0], "views": [9.0, 1.0, 20.0, 30.0]}


def check_after(session: LocalSession, program: Program, before: dict[str, Any]) -> None:
    """Everything still works, and counts as often as it was recorded."""
    with suppress(IndexError):  # a failure that nobody has been told of is told once
        tg.synchronize()
    x = program.x.tolist()
    assert x in ([before["x"]] * 3, [before["x"] + 1] * 3)
    for _ in range(3):
        program.add()
    assert program.x.tolist() == [x[0] + 3] * 3
    assert program.x._version == before["version"] + x[0] - before["x"] + 3
    for name, value in RESULTS.items():
        assert getattr(program, name)() == value
    program.fail()
    check_training(program)
    tg.synchronize()
    sender = stream.sender
    assert sender.broken is None
    assert not sender.in_flight
    assert sender.in_flight.acknowledged == sender.batcher.number
    assert not list(sender.reads)
    assert not session.engine.executor.sessions["local"].autograd_calls


def check_training(program: Program) -> None:
    """A step from wherever the last one ended does what a step does."""
    w, buffers = program.w.tolist(), [s["momentum_buffer"] for s in program.optimizer.state.values() if s]
    momentum = buffers[0].tolist() if buffers else [0.0] * 3
    program.step()
    moved = [0.5 * m + g for m, g in zip(momentum, (1.0, 2.0, 3.0), strict=True)]
    assert program.w.tolist() == pytest.approx([a - 0.5 * b for a, b in zip(w, moved, strict=True)], rel=1e-5)
    assert program.w.grad.tolist() == [1.0, 2.0, 3.0]


def instructions(call: Callable[[], Any]) -> int:
    with Interruption(0) as counted:
        call()
    return counted.count


def interrupted_at(session: LocalSession, program: Program, call: str, n: int, error: type[BaseException]) -> bool:
    """Interrupt a call before its n-th instruction and look at everything; whether it had so many."""
    before = {"x": program.x.tolist()[0], "version": program.x._version}
    interruption = Interruption(n, error)
    try:
        with interruption:
            getattr(program, call)()
    except (error, pytest.fail.Exception):
        pass
    check_after(session, program, before)
    return interruption.raised


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.timeout(120)
def test_an_interrupt_anywhere_loses_and_doubles_nothing(
    session: LocalSession, call: str, error: type[BaseException]
) -> None:
    program = Program()
    getattr(program, call)()
    count = instructions(getattr(program, call))
    places = range(1, count + 1)
    for n in random.Random(call).sample(places, min(15, count)):
        interrupted_at(session, program, call, n, error)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.timeout(1800)
def test_an_interrupt_at_many_instructions_loses_and_doubles_nothing(session: LocalSession, call: str) -> None:
    """At every eleventh instruction; INTERRUPT_EVERY=1 takes each, and minutes for each kind of call."""
    program, step = Program(), int(os.environ.get("INTERRUPT_EVERY", "11"))
    getattr(program, call)()
    n = 1
    while interrupted_at(session, program, call, n, KeyboardInterrupt):
        n += step
    assert n > 50
    assert threading.active_count() < 100


@pytest.mark.timeout(120)
def test_an_interrupt_while_a_session_begins_leaves_one_that_works(session: LocalSession) -> None:
    def begin() -> None:
        stream.restart(LocalSession())
        tg.ones(2).tolist()

    count = instructions(begin)
    for n in random.Random(3).sample(range(1, count + 1), min(60, count)):
        with suppress(KeyboardInterrupt), Interruption(n):
            begin()
        x = tg.zeros(2)
        x.add_(1)
        assert x.tolist() == [1.0, 1.0]
        assert stream.sender.broken is None
