"""What is not waited for changes no value: programs with each of the means against waiting, and without it."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
from support.inprocess import LocalSession, all_on_server
from support.reading_programs import Reader

import telegrad as tg
from telegrad._api import asking_ahead, known_values
from telegrad._runtime.process import stream

STEPS = 40


class Mixed:
    """Draws, ops on the host and on the server, views, writes, loops over lists and failures, in one program."""

    def __init__(self, lib: Any, seed: int) -> None:
        self.lib, self.dice = lib, random.Random(seed)
        lib.manual_seed(seed)
        self.reader = Reader(lib, self.fail)
        self.read = self.reader.read
        self.integers = [lib.arange(6), lib.randint(0, 9, (4,))]

    def run(self) -> list[Any]:
        kinds = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("step_")]
        for _ in range(STEPS):
            if self.dice.random() < 0.5:
                self.reader.run(self.dice.randrange(10**6), 2)
            else:
                self.dice.choice(kinds)()
        self.read += [t.detach().tolist() for t in (*self.reader.tensors, *self.integers)]
        return [*self.read, self.lib.get_rng_state().tolist()]

    def step_draw(self) -> None:
        shape = self.dice.choice([(), (3,), (2, 4), (20, 20)])
        drawn = self.dice.choice([self.lib.rand, self.lib.randn])(shape, dtype=self.lib.float64)
        # Whole numbers: whatever adds them up, in whatever order, finds the same bits.
        self.reader.tensors.append((drawn * 8).round())

    def step_integers(self) -> None:
        x = self.dice.choice(self.integers)
        found = [x + 1, x * 3 - 2, x // 2 % 5, x[1:], x.flip(0), self.lib.stack([i * 2 for i in x]), x[x > 2]]
        self.integers.append(self.dice.choice([t for t in found if t.ndim and len(t)]))

    def step_permute(self) -> None:
        order = self.lib.randperm(4)
        self.read.append(order[1:3].tolist())
        self.reader.tensors.append(self.reader.weights[1].detach()[order])

    def step_write_an_integer(self) -> None:
        x = self.dice.choice(self.integers)
        x[0] = self.dice.randrange(9)
        x.add_(1)
        self.read.append(x[0].item())

    def step_state(self) -> None:
        state = self.lib.get_rng_state()
        self.read.append(self.lib.rand(3).tolist())
        if self.dice.random() < 0.5:
            self.lib.set_rng_state(state)

    def step_fork(self) -> None:
        with self.lib.random.fork_rng(devices=[]):
            self.read.append(self.lib.randint(0, 100, (3,)).tolist())

    def step_loop(self) -> None:
        """Computed and read one by one, as they are written to."""
        losses = [(w.detach() * k).sum() for k in range(5) for w in self.reader.weights]
        for k, loss in enumerate(losses):
            if k == self.dice.randrange(20):
                losses[-1].add_(1)
            self.read.append(loss.item())
        self.read += [w.detach().abs().sum().item() for w in self.reader.weights]

    def step_running_sum(self) -> None:
        total = 0.0
        for w in self.reader.weights:
            total += w.detach().sum().item() * 2
        self.read += [total, total / 2]

    def fail(self, reader: Reader, dice: random.Random) -> None:
        """A row fails, and what is drawn, written and made after it leaves no trace. PyTorch fails at once."""
        own = random.Random(dice.random())
        if self.lib is not tg:
            return
        with pytest.raises(IndexError):
            tg.zeros(3).exp()[tg.tensor([7])]
            own.choice(reader.weights).data.zero_()
            own.choice(self.integers).add_(1)
            tg.rand(own.randrange(9))
            tg.manual_seed(3)
            _ = [w.detach().sum() for w in reader.weights]
            tg.synchronize()


@contextmanager
def changed(owner: Any, name: str, value: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value)
        yield


WAYS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "with everything": nullcontext,
    "nothing is known": lambda: changed(known_values, "_owner", lambda tensor: None),
    "all on the server": all_on_server,
    "nothing is asked ahead": lambda: changed(asking_ahead, "WORTH_IT", float("inf")),
    "deferred": tg.deferred,
}


def ran(lib: Any, seed: int) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of writes to expanded tensors
        return Mixed(lib, seed).run()


def bits(read: list[Any]) -> list[Any]:
    """Numbers so that 0.0 and -0.0 differ, and NaN is NaN."""
    return [
        bits(item) if isinstance(item, list) else float(item).hex() if not isinstance(item, str) else item
        for item in read
    ]


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("way", [way for way in WAYS if way != "with everything"])
def test_programs_read_the_same_bits(here: LocalSession, way: str, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_ahead, "WORTH_IT", 0.0)
    for seed in range(part * 6, part * 6 + 6):
        stream.restart(LocalSession())
        found = bits(ran(tg, seed))
        stream.restart(LocalSession())
        with WAYS[way]():
            assert bits(ran(tg, seed)) == found, f"seed {seed}"


@pytest.mark.oracle
@pytest.mark.parametrize("part", range(5))
def test_programs_read_pytorchs_bits(here: LocalSession, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    monkeypatch.setattr(asking_ahead, "WORTH_IT", 0.0)
    for seed in range(100 + part * 12, 112 + part * 12):
        stream.restart(LocalSession())
        assert bits(ran(tg, seed)) == bits(ran(torch, seed)), f"seed {seed}"
