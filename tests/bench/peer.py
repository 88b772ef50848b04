"""A process that trains with torch, or with telegrad through a server, and tells how long steps took.

python -m bench.peer torch
python -m bench.peer telegrad URL
python -m bench.peer recorder URL
python -m bench.peer replay
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from support.models import MODELS

from bench.idioms import IDIOMS
from bench.replay import Recording


def chain(torch: Any) -> Callable[[int], Any]:
    """200 tiny ops, forward and backward."""
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    def step(_: int) -> Any:
        h = x
        for _ in range(100):
            h = h * 1.01
            h = h + 0.01
        loss = h.sum()
        x.grad = None
        loss.backward()
        return loss

    return step


def training(torch: Any, name: str) -> Callable[[int], Any]:
    """One training step of a model per call."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    data = [[torch.tensor(array) for array in MODELS[name].batch(rng)] for _ in range(4)]
    _, optimizer, loss_of = MODELS[name].build(torch)

    def step(i: int) -> Any:
        loss = loss_of(*data[i % 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def seconds_per_step(step: Callable[[int], Any], steps: int, read_every: int) -> float:
    """The mean over `steps`, the loss read every so many and at the end."""
    float(step(0))
    begun = time.perf_counter()
    total = 0.0
    for i in range(steps):
        loss = step(i)
        if i % read_every == read_every - 1:
            total += loss.item()
    float(total + loss.item())  # which waits, under deferred metrics too
    return (time.perf_counter() - begun) / steps


def idiom_of(torch: Any, name: str) -> Callable[[], Any]:
    """An idiom that has run twice: what is made or asked once has been."""
    run = IDIOMS[name].build(torch)
    run()
    run()
    return run


def recording(torch: Any, name: str, isolate: Callable[[], None]) -> float:
    """Seconds per call of one op with gradients on; `isolate` forgets what was recorded."""
    functional = torch.nn.functional
    a, b = (torch.ones(8, 4, requires_grad=True) * 1 for _ in range(2))
    w, bias = torch.ones(3, 4, requires_grad=True) * 1, torch.ones(3, requires_grad=True) * 1
    calls: dict[str, Callable[[], Any]] = {
        "x + y": lambda: a + b,
        "x * 2.0": lambda: a * 2.0,
        "x.sum(dim=1, keepdim=True)": lambda: a.sum(dim=1, keepdim=True),
        "F.linear": lambda: functional.linear(a, w, bias),
    }
    return fastest(calls[name], isolate) - fastest(lambda: None, isolate)


def fastest(call: Callable[[], Any], isolate: Callable[[], None]) -> float:
    """The best of many short loops, per call."""
    best = 1.0
    for _ in range(40):
        isolate()
        begun = time.perf_counter()
        for _ in range(1000):
            call()
        best = min(best, (time.perf_counter() - begun) / 1000)
    return best


def prepare(torch: Any, way: str, nbytes: int) -> Any:
    """A tensor of so many bytes on the side that a transfer starts from."""
    if way == "download":
        made = torch.zeros(nbytes // 4) + 1
        torch.synchronize()
        return made
    return torch.tensor(np.ones(nbytes // 4, np.float32))


def transfer(torch: Any, way: str, prepared: Any) -> float:
    """Seconds to bring it to the other side, where it then is."""
    begun = time.perf_counter()
    there = prepared.numpy() if way == "download" else prepared.sum()  # which touches every page of it
    torch.synchronize()
    took = time.perf_counter() - begun
    del there
    return took


def connect(arguments: list[str]) -> tuple[Any, Callable[[], None]]:
    """The module that stands for torch, and what forgets recorded rows."""
    if arguments[0] == "torch":
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        return torch, lambda: None
    import telegrad

    if arguments[0] == "replay":
        return telegrad, lambda: None
    telegrad.connect(arguments[1])
    return telegrad, _recording_alone() if arguments[0] == "recorder" else telegrad.synchronize


def _recording_alone() -> Callable[[], None]:
    """Nothing is sent any more, and rows are dropped between rounds: what is left is the cost of recording."""
    from telegrad._runtime.process import stream

    def forget() -> None:
        stream.queue.items.clear()
        stream.queue.check_at_id = sys.maxsize

    stream.synchronize()
    stream.check = lambda: None  # type: ignore[method-assign]
    return forget


class Answers:
    """One method per kind of request: how long it took, in seconds."""

    def __init__(self, torch: Any, isolate: Callable[[], None]) -> None:
        self.torch = torch
        self.isolate = isolate
        self._steps: dict[str, Callable[[int], Any]] = {}
        self._recordings: dict[tuple[str, int], Recording] = {}
        self._idioms: dict[str, Callable[[], Any]] = {}
        self._prepared: Any = None

    def idiom(self, name: str, deferred: bool) -> float:
        if name not in self._idioms:
            self._idioms[name] = idiom_of(self.torch, name)
        self.isolate()
        begun = time.perf_counter()
        with self.torch.deferred() if deferred else nullcontext():
            self._idioms[name]()
        return time.perf_counter() - begun

    def metrics(self, name: str, count: int) -> float:
        """Steps that are read every step, under deferred metrics."""
        with self.torch.deferred():
            return self.steps(name, count, 1)

    def record(self, name: str) -> float:
        return recording(self.torch, name, self.isolate)

    def steps(self, name: str, count: int, read_every: int) -> float:
        if name not in self._steps:
            self._steps[name] = step_of(self.torch, name)
            seconds_per_step(self._steps[name], 5, 1)
        return seconds_per_step(self._steps[name], count, read_every)

    def replay(self, name: str, count: int) -> float:
        if (name, count) not in self._recordings:
            self._recordings[name, count] = Recording(step_of, self.torch, name, count)
        return self._recordings[name, count].replay()

    def prepare(self, way: str, nbytes: int) -> float:
        self._prepared = prepare(self.torch, way, nbytes)
        return 0.0

    def transfer(self, way: str, nbytes: int) -> float:
        took, self._prepared = transfer(self.torch, way, self._prepared), None
        return took


def step_of(torch: Any, name: str) -> Callable[[int], Any]:
    return chain(torch) if name == "chain" else training(torch, name)


def main() -> None:
    answers = Answers(*connect(sys.argv[1:]))
    for line in sys.stdin:
        kind, *fields = json.loads(line)
        print(json.dumps(getattr(answers, kind)(*fields)), flush=True)
    sys.stdout.flush()
    os._exit(0)  # a recorder has rows that no server waits for


if __name__ == "__main__":
    main()
