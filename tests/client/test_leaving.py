"""An interrupt ends recorded work at some row: the state is that of a prefix of the calls, on both sides."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.process import stream
from telegrad._stream import leaving as module
from telegrad._stream.changes import Change
from telegrad._stream.leaving import wait_briefly
from telegrad_protocol.errors import StreamStopped

STEPS = ("add", "view", "draw", "use", "slow", "zero", "forward", "backward", "step", "host", "large", "detach", "flag")


@pytest.fixture(autouse=True)
def session() -> Iterator[LocalSession]:
    made = LocalSession()
    stream.restart(made)
    yield made
    stream.restart()


def leave(frame: FrameType | None = None) -> None:
    """As an interrupt does it."""
    leaving = stream.leave(frame)
    if leaving is not None:
        wait_briefly(leaving)


class World:
    """Everything that a training program keeps: tensors, parameters, gradients, an optimizer's state, the generator."""

    def __init__(self, seed: int) -> None:
        tg.manual_seed(seed)
        self.x = tg.zeros(3)
        self.view = self.x[1:]
        self.w = tg.ones(3, requires_grad=True)
        self.optimizer = tg.optim.Adam([self.w], lr=0.1)
        self.m = tg.ones(120, 120) / 120
        self.drawn: dict[int, Any] = {-1: tg.zeros(3)}
        self.hosts = [tg.tensor([float(i), 1.0, 2.0]) for i in range(400)]
        self.large = [tg.tensor(np.full(40_000, i % 3, np.float32)) for i in range(8)]
        tg.synchronize()

    def do(self, step: str, number: int) -> None:
        getattr(self, f"do_{step}")(number)

    def do_add(self, number: int) -> None:
        self.x.add_(1)

    def do_view(self, number: int) -> None:
        self.view.mul_(1.01)

    def do_draw(self, number: int) -> None:
        self.drawn[number] = tg.rand(3)

    def do_use(self, number: int) -> None:
        self.x.add_(self.drawn[max(drawn for drawn in self.drawn if drawn < number)])

    def do_slow(self, number: int) -> None:
        self.m @ self.m

    def do_zero(self, number: int) -> None:
        self.optimizer.zero_grad()

    def do_forward(self, number: int) -> None:
        (self.w * self.x.detach()).sum()

    def do_backward(self, number: int) -> None:
        (self.w * self.x.detach().clone()).sum().backward()

    def do_step(self, number: int) -> None:
        self.optimizer.step()

    def do_host(self, number: int) -> None:
        self.x.add_(self.hosts[number])

    def do_large(self, number: int) -> None:
        self.x.add_(self.large[number % len(self.large)].max())

    def do_detach(self, number: int) -> None:
        self.x.add_(self.w.detach())

    def do_flag(self, number: int) -> None:
        self.w.data.mul_(1.001)

    def state(self) -> list[Any]:
        """What the server has, beside what this side knows of it."""
        held = self.optimizer.state.get(self.w, {})
        grad = None if self.w.grad is None else self.w.grad.tolist()
        found = [self.x.tolist(), self.x._version, self.w.tolist(), self.w._version, grad, sorted(held)]
        return [*found, *(held[name].tolist() for name in sorted(held)), tg.get_rng_state().tolist()]


def states_of(program: list[str], seed: int) -> list[list[Any]]:
    """The state after each number of steps, one at a time."""
    world = World(seed)
    states = [world.state()]
    for number, step in enumerate(program):
        world.do(step, number)
        states.append(world.state())
    return states


def interrupted(program: list[str], seed: int, pause: float) -> World:
    """The program, recorded and interrupted."""
    world = World(seed)
    for number, step in enumerate(program):
        world.do(step, number)
    time.sleep(pause)
    leave()
    return world


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.timeout(120)
def test_the_state_is_that_of_a_prefix_and_the_rest_can_be_done_again(session: LocalSession, seed: int) -> None:
    chance = random.Random(seed)
    program = chance.choices(STEPS, k=200)
    states = states_of(program, seed)
    for _ in range(3):
        world = interrupted(program, seed, chance.choice([0.0, 0.002, 0.01, 0.03]))
        assert stream.sender.leaving is None
        found = world.state()
        assert found in states
        reached = states.index(found)
        for number in range(reached, len(program)):
            world.do(program[number], number)
        assert world.state() == states[-1]
    assert stream.sender.error is None


def test_dropped_results_say_so_and_host_tensors_are_back(session: LocalSession) -> None:
    host = tg.tensor([1.0, 2.0])
    large = tg.tensor(np.ones(40_000, np.float32))
    m = tg.full((600, 600), 1 / 600)
    tg.synchronize()
    for _ in range(20):
        m = m @ m
    y = host + 1
    z = large * 2
    pending = (y + z[0]).read()
    leave()
    assert host.tolist() == [1.0, 2.0]
    for use in (y.tolist, z.numpy, pending.result):
        with pytest.raises(StreamStopped, match="told to stop before this call ran") as caught:
            use()
        assert "test_leaving.py" in caught.value.__notes__[0]
    assert (host + 1).tolist() == [2.0, 3.0]
    assert (large * 2).sum().item() == 80_000.0
    assert not session.engine.executor.sessions["local"].uploads


def test_an_interrupt_amid_an_in_place_call_undoes_the_calls_in_order(
    session: LocalSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call that was under way is undone before those that were recorded earlier."""
    x, m = tg.zeros(3), tg.full((600, 600), 1 / 600)
    tg.synchronize()
    for _ in range(20):
        m = m @ m
    x.add_(1)
    x.add_(1)
    apply_of = Change.__init__

    def interrupting(self: Change, apply: Any, undo: Any, **options: Any) -> None:
        def both() -> None:
            apply()
            leave(sys._getframe())
            raise KeyboardInterrupt

        apply_of(self, both, undo, **options)

    monkeypatch.setattr(Change, "__init__", interrupting)
    with pytest.raises(KeyboardInterrupt):
        x.add_(1)
    monkeypatch.undo()
    assert x._version == 0
    x.add_(5)
    assert x.tolist() == [5.0] * 3
    assert x._version == 1


def test_a_failure_that_came_first_is_still_raised(session: LocalSession) -> None:
    m = tg.full((600, 600), 1 / 600)
    tg.synchronize()
    tg.zeros(3).exp()[tg.tensor([7])]
    for _ in range(20):
        m = m @ m
    while stream.sender.error is None:
        time.sleep(0.001)
    leave()
    with pytest.raises(IndexError, match="out of bounds"):
        tg.zeros(3).exp().tolist()
    assert tg.zeros(3).exp().tolist() == [1.0] * 3


def test_with_nothing_recorded_nothing_is_stopped(session: LocalSession) -> None:
    x = tg.ones(3)
    tg.synchronize()
    leave()
    assert stream.sender.failures.left == -1
    assert x.tolist() == [1.0] * 3


def interrupted_amid_a_kernel(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tensor that was added to behind much work, after an interrupt that the server has yet to hear of."""
    stopped, go_on = session.stop, threading.Event()
    monkeypatch.setattr(session, "stop", lambda epoch: (go_on.wait(10), stopped(epoch)))
    x, m = tg.zeros(3), tg.full((600, 600), 1 / 600)
    x.add_(1)
    tg.synchronize()
    for _ in range(20):
        m = m @ m
    x.add_(1)
    begun = time.monotonic()
    leave()
    assert time.monotonic() - begun < 5
    threading.Timer(0.2, go_on.set).start()
    return x


@pytest.fixture
def amid_a_kernel(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield interrupted_amid_a_kernel(session, monkeypatch)
    sys.setprofile(None)


CALLS: dict[str, Callable[[Any], Any]] = {
    "a read": lambda x: x.tolist(),
    "a write": lambda x: x.add_(1),
    "a write without a result": lambda x: tg.optim.SGD([x], lr=0.1).zero_grad(),
    "a shape": lambda x: x.shape,
    "a new tensor": lambda x: x.clone(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_amid_a_kernel_that_goes_on_waits(amid_a_kernel: Any, call: Callable[[Any], Any]) -> None:
    """The server cannot stop a kernel: the prompt is back before it ends, and the next call waits, and counts."""
    call(amid_a_kernel)
    assert sys.getprofile() is None
    assert amid_a_kernel.tolist() == [float(amid_a_kernel._version)] * 3


def test_another_interrupt_ends_that_wait(amid_a_kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WITHIN", 0.01)
    threading.Timer(0.02, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        amid_a_kernel.tolist()
    with pytest.raises(StreamStopped, match="make it again"):
        amid_a_kernel.tolist()
    assert amid_a_kernel.tolist() == [float(amid_a_kernel._version)] * 3


def test_what_ends_blocks_does_not_wait(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LookupError), tg.no_grad():
        x = interrupted_amid_a_kernel(session, monkeypatch)
        y = x._id
        del x
        raise LookupError(y)
    waits = sys.getprofile() is not None
    sys.setprofile(None)
    assert waits


def test_beside_a_profiler_such_a_call_is_refused(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.setprofile(lambda *_: None)
    try:
        x = interrupted_amid_a_kernel(session, monkeypatch)
        with pytest.raises(StreamStopped, match="make it again"):
            x.add_(1)
    finally:
        sys.setprofile(None)
    assert x.tolist() == [float(x._version)] * 3


def test_an_interrupt_that_a_finalizer_swallows_drops_nothing(
    session: LocalSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python prints what a finalizer raises, and the program goes on: nothing may be missing then."""

    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    x, m = tg.zeros(3), tg.full((600, 600), 1 / 600)
    tg.synchronize()
    for _ in range(20):
        m = m @ m
    x.add_(1)
    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    Finalized()
    assert told == [KeyboardInterrupt]
    assert x.tolist() == [1.0] * 3
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_another_interrupt_does_not_break_the_beginning(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    start = module.start_new_thread

    def impatient(work: Any, arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return start(work, arguments)

    monkeypatch.setattr(module, "start_new_thread", impatient)
    x, m = tg.zeros(3), tg.full((600, 600), 1 / 600)
    tg.synchronize()
    for _ in range(20):
        m = m @ m
    x.add_(1)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stream.sender.leaving is None
    x.add_(1)
    assert x.tolist() == [float(x._version)] * 3
