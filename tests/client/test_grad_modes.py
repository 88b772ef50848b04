"""Grad modes as PyTorch has them: blocks, decorators, generators, threads, and what inference mode makes."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.process import stream

pytestmark = pytest.mark.oracle


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    stream.restart()
    before, stream.session = stream.session, LocalSession()
    yield
    stream.restart()
    stream.session = before


Story = Callable[[Any, list[Any]], Any]
STORIES: dict[str, Story] = {}


def story(function: Story) -> Story:
    """What happens in both libraries, noted step by step."""
    STORIES[function.__name__] = function
    return function


def told(lib: Any, function: Story) -> list[Any]:
    notes: list[Any] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            function(lib, notes)
        except Exception as error:
            notes.append((type(error), str(error)[:70]))
        finally:
            notes.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled()))
            lib.set_grad_enabled(True)
    return notes + [(w.category, str(w.message)[:60]) for w in caught]


def modes(lib: Any) -> dict[str, Callable[[], Any]]:
    return {
        "no_grad": lib.no_grad,
        "enable_grad": lib.enable_grad,
        "inference_mode": lib.inference_mode,
        "not inference_mode": lambda: lib.inference_mode(False),
        "set False": lambda: lib.set_grad_enabled(False),
        "set True": lambda: lib.set_grad_enabled(True),
    }


@story
def a_generator_runs_in_the_mode_and_its_caller_does_not(lib: Any, notes: list[Any]) -> None:
    for outer in modes(lib).values():
        for name, mode in modes(lib).items():

            @mode()
            def numbers(lib: Any = lib, notes: list[Any] = notes) -> Any:
                """Counts."""
                for i in range(3):
                    notes.append(("inside", lib.is_grad_enabled(), lib.is_inference_mode_enabled()))
                    yield i
                return "end"

            with outer():
                notes.append((name, numbers.__name__, numbers.__doc__, lib.is_grad_enabled()))
                notes += [(n, lib.is_grad_enabled(), lib.is_inference_mode_enabled()) for n in numbers()]


@story
def a_generator_is_sent_values_thrown_errors_and_closed(lib: Any, notes: list[Any]) -> None:
    @lib.no_grad()
    def echo() -> Any:
        got = None
        try:
            while True:
                try:
                    got = yield got, lib.is_grad_enabled()
                except KeyError as error:
                    got = "caught", error.args, lib.is_grad_enabled()
                if got == "stop":
                    return "the end"
        finally:
            notes.append(("closing", lib.is_grad_enabled()))

    first = echo()
    notes += [next(first), first.send(1), first.throw(KeyError("k")), lib.is_grad_enabled()]
    first.close()
    second = echo()
    next(second)
    try:
        second.send("stop")
    except StopIteration as end:
        notes.append(end.value)
    third = echo()
    next(third)
    try:
        third.throw(ValueError("v"))
    except ValueError as error:
        notes.append(str(error))
    notes += [lib.is_grad_enabled(), inside(echo)]


def inside(generator: Any) -> Any:
    def outer() -> Any:
        return (yield from generator())

    run = outer()
    next(run)
    try:
        run.send("stop")
    except StopIteration as end:
        return end.value


@story
def generators_in_step(lib: Any, notes: list[Any]) -> None:
    @lib.no_grad()
    def off() -> Any:
        while True:
            yield lib.is_grad_enabled()

    @lib.enable_grad
    def on() -> Any:
        while True:
            yield lib.is_grad_enabled()

    both = zip(off(), on(), strict=False)
    notes += [(next(both), lib.is_grad_enabled()) for _ in range(3)]


@story
def decorators(lib: Any, notes: list[Any]) -> None:
    x = lib.ones(2, requires_grad=True)
    for name, mode in modes(lib).items():

        @mode()
        def double(lib: Any = lib, x: Any = x) -> Any:
            """Doubles."""
            return (x * 2).requires_grad, lib.is_grad_enabled()

        notes.append((name, double(), double.__name__, double.__doc__, lib.is_grad_enabled()))
    for mode in (lib.no_grad, lib.enable_grad, lib.inference_mode):
        with lib.no_grad():
            notes.append(mode(lambda: (x * 2).requires_grad)())


@story
def a_decorated_function_calls_itself(lib: Any, notes: list[Any]) -> None:
    @lib.no_grad()
    def count(n: int) -> Any:
        return (n and count(n - 1)) or lib.is_grad_enabled()

    notes += [count(4), lib.is_grad_enabled()]


@story
def a_decorated_function_fails(lib: Any, notes: list[Any]) -> None:
    @lib.inference_mode()
    def fail() -> None:
        raise KeyError("x")

    for _ in range(2):
        try:
            fail()
        except KeyError:
            notes.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled()))


@story
def a_class(lib: Any, notes: list[Any]) -> None:
    @lib.no_grad()
    class Thing:
        def __init__(self) -> None:
            self.at_birth = lib.is_grad_enabled()

        def now(self) -> bool:
            return bool(lib.is_grad_enabled())

    thing = Thing()
    notes += [thing.at_birth, thing.now()]


@story
def a_coroutine_function(lib: Any, notes: list[Any]) -> None:
    @lib.no_grad()
    async def work() -> Any:
        return lib.is_grad_enabled()

    try:
        work().send(None)
    except StopIteration as end:
        notes.append(end.value)


@story
def blocks_in_blocks(lib: Any, notes: list[Any]) -> None:
    x = lib.ones(2, requires_grad=True)
    for outer in modes(lib).values():
        for inner in modes(lib).values():
            with outer():
                with inner():
                    y = x * 2
                    notes.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled(), y.requires_grad))
                    notes.append((y.is_inference(), lib.ones(1).is_inference(), x[0].is_inference()))
                notes.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled()))


@story
def set_as_a_function(lib: Any, notes: list[Any]) -> None:
    held = lib.set_grad_enabled(False)
    notes += [lib.is_grad_enabled(), repr(held), str(held)]
    lib.set_grad_enabled(True)
    with lib.set_grad_enabled(False):
        notes.append(lib.is_grad_enabled())
    notes.append(lib.is_grad_enabled())


@story
def threads(lib: Any, notes: list[Any]) -> None:
    def note() -> None:
        notes.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled(), lib.ones(1).is_inference()))

    for mode in (lib.no_grad, lib.inference_mode):
        with mode():
            thread = threading.Thread(target=note)
            thread.start()
            thread.join()
            note()


@story
def what_inference_mode_makes(lib: Any, notes: list[Any]) -> None:
    n = lib.ones(2)
    with lib.inference_mode():
        made = {
            "factory": lib.ones(2),
            "data": lib.tensor([1.0, 2.0]),
            "op": n * 2,
            "view": n[0],
            "detached": n.detach(),
            "wanting": lib.ones(2, requires_grad=True),
            "several": n.max(0).values,
            "unsettled": lib.nonzero(n),
            "normal again": None,
        }
        with lib.inference_mode(False):
            made["normal again"] = lib.ones(2)
        made["of that"] = lib.cat([made["normal again"], made["data"]])
        made["data"].requires_grad_()
        n.add_(1)
    notes += [(name, t.is_inference(), lib.is_inference(t), t.requires_grad) for name, t in made.items()]
    notes.append(n.is_inference())
    op = made["op"]
    notes += [op.clone().is_inference(), op[0].is_inference(), op.detach().is_inference(), (op * 2).is_inference()]
    notes += [copy.deepcopy(op).is_inference(), pickle.loads(pickle.dumps(op)).is_inference()]
    n.copy_(op)
    notes.append(n.tolist())


REFUSED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "requires_grad_": lambda lib, b, x: b.requires_grad_(),
    "requires_grad": lambda lib, b, x: setattr(b, "requires_grad", True),
    "requires_grad_(False)": lambda lib, b, x: b.requires_grad_(False),
    "in place": lambda lib, b, x: b.add_(1),
    "in place on a view": lambda lib, b, x: b.view(4).add_(1),
    "an item": lambda lib, b, x: b.__setitem__(0, 1),
    "zero_": lambda lib, b, x: b.zero_(),
    "without grad": lambda lib, b, x: lib.no_grad()(lambda: b.mul_(2))(),
    "in inference mode": lambda lib, b, x: lib.inference_mode()(lambda: b.mul_(2))(),
    "a parameter": lambda lib, b, x: lib.nn.Parameter(b),
    "a frozen parameter": lambda lib, b, x: lib.nn.Parameter(b, requires_grad=False),
    "added": lambda lib, b, x: (b + x).sum().backward(),
    "read": lambda lib, b, x: b.tolist(),
}


@story
def what_is_refused_outside(lib: Any, notes: list[Any]) -> None:
    for name, use in REFUSED.items():
        with lib.inference_mode():
            b = lib.ones(2, 2)
        try:
            use(lib, b, lib.ones(2, 2, requires_grad=True))
            notes.append((name, "fine", b.tolist()))
        except RuntimeError as error:
            notes.append((name, str(error)[:100]))


@pytest.mark.parametrize("name", STORIES)
def test_as_torch_tells_it(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert told(tg, STORIES[name]) == told(torch, STORIES[name])


def test_one_instance_may_be_entered_inside_its_own_block() -> None:
    mode = tg.no_grad()
    with mode:
        with mode:
            assert not tg.is_grad_enabled()
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()
