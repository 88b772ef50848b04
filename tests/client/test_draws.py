"""Draws on the host and on the server: one generator, whoever draws, and PyTorch's numbers."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.inprocess import LocalSession, all_on_server

import telegrad as tg
from telegrad._runtime.process import stream

SIZES = (0, 1, 2, 3, 7, 15, 16, 17, 40, 64, 700, 5000)


class Program:
    """A random program of draws; `shown` has all values that it has seen. Run with one seed it does the same anywhere."""

    def __init__(self, lib: Any, seed: int) -> None:
        self.lib, self.dice = lib, random.Random(seed)
        self.shown: list[Any] = []
        self.kept: list[Any] = []
        self.generators: list[Any] = [None]
        lib.manual_seed(seed)
        self.states: list[Any] = [lib.get_rng_state()]
        self.large = lib.ones(40, 30) * 1.0

    def run(self, steps: int, without: tuple[str, ...] = ()) -> list[Any]:
        kinds = sorted(name[5:] for name in dir(self) if name.startswith("step_"))
        for _ in range(steps):
            kind = self.dice.choice([kind for kind in kinds if kind not in without])
            getattr(self, f"step_{kind}")()
        for tensor in self.kept:
            self.show(tensor)
        self.show(self.lib.get_rng_state())
        return self.shown

    def show(self, tensor: Any) -> None:
        self.shown.append((str(tensor.dtype), tensor.detach().numpy().copy()))

    def keep(self, tensor: Any) -> None:
        """Look at a tensor now, or at the end, after other draws."""
        if self.dice.random() < 0.4:
            self.show(tensor)
        if self.dice.random() < 0.5:
            self.kept.append(tensor)

    def size(self) -> tuple[int, ...]:
        return (
            (self.dice.choice(SIZES),) if self.dice.random() < 0.8 else (self.dice.randrange(6), self.dice.randrange(9))
        )

    def floating(self) -> Any:
        return getattr(self.lib, self.dice.choice(["float32", "float32", "float32", "float64", "float16"]))

    def generator(self) -> dict[str, Any]:
        found = self.dice.choice(self.generators)
        return {} if found is None else {"generator": found}

    def step_rand(self) -> None:
        self.keep(self.lib.rand(self.size(), dtype=self.floating(), **self.generator()))

    def step_randn(self) -> None:
        self.keep(self.lib.randn(self.size(), dtype=self.floating(), **self.generator()))

    step_randn_again = step_randn

    def step_randint(self) -> None:
        low, high, dtype = self.dice.choice(
            [(0, 10, "int64"), (-5, 2**40, "int64"), (3, 9, "int32"), (0, 256, "uint8")]
        )
        self.keep(self.lib.randint(low, high, self.size(), dtype=getattr(self.lib, dtype), **self.generator()))

    def step_randperm(self) -> None:
        self.keep(self.lib.randperm(self.dice.choice(SIZES), **self.generator()))

    def step_in_place(self) -> None:
        target = self.lib.zeros(self.size(), dtype=self.floating())
        act: Callable[[], Any] = self.dice.choice(
            [
                lambda: target.normal_(1.0, 2.0, **self.generator()),
                lambda: target.uniform_(-1.0, 3.0, **self.generator()),
                lambda: target.exponential_(2.0, **self.generator()),
                lambda: target.bernoulli_(self.lib.rand(target.shape), **self.generator()),
                lambda: target.random_(0, 30, **self.generator()),
                lambda: self.lib.zeros(self.size(), dtype=self.lib.int64).random_(**self.generator()),
                lambda: self.lib.bernoulli(self.lib.full((5, 3), 0.25), **self.generator()),
            ]
        )
        self.keep(act())

    def step_multinomial(self) -> None:
        weights = self.lib.tensor([[1.0, 2.0, 0.5, 4.0], [0.0, 1.0, 1.0, 3.0]], dtype=self.lib.float64)
        count, again = self.dice.choice([(1, True), (2, False), (3, False), (9, True)])
        self.keep(self.lib.multinomial(weights, count, again, **self.generator()))

    def step_large(self) -> None:
        self.lib.randn(300, 100, **self.generator())

    def step_dropout(self) -> None:
        self.keep(self.lib.nn.functional.dropout(self.large, 0.25))

    def step_views(self) -> None:
        x = self.lib.randn(4, 6, **self.generator())
        y = self.lib.stack([x[i] for i in self.lib.randint(4, (3,))] + [x[2]])
        self.keep(self.lib.cat([x.t(), y.view(6, 4)])[1:3])
        x[1] = 5
        self.keep(x * 2)

    def step_indices(self) -> None:
        x = self.lib.arange(50.0)
        ix = self.lib.randint(0, 40, (6,), **self.generator())
        self.keep(self.lib.stack([x[i : i + 8] for i in ix]))
        self.keep((ix * 3 + 1) // 4 - ix % 5)
        self.keep(ix[ix > 20])

    def step_seed(self) -> None:
        seed = self.dice.choice([0, 7, -3, 2**63 + 5])
        self.dice.choice([self.lib, *self.generators[1:]]).manual_seed(seed)

    def step_new_generator(self) -> None:
        self.generators.append(self.lib.Generator())

    def step_state(self) -> None:
        own = self.dice.choice(self.generators[1:] or [self.lib])
        get = self.lib.get_rng_state if own is self.lib else own.get_state
        self.states.append(get() if self.dice.random() < 0.7 else self.lib.tensor(get().numpy()))

    def step_set_state(self) -> None:
        self.lib.set_rng_state(self.dice.choice(self.states))

    def step_fork(self) -> None:
        with self.lib.random.fork_rng(devices=[]):
            self.step_randn()
            self.step_seed()
            self.step_randint()

    def step_failure(self) -> None:
        """An op that fails at its line in PyTorch, and later here: what came after it leaves no trace."""
        before, kept = len(self.shown), len(self.kept)
        rest = random.Random(self.dice.random())
        with contextlib.suppress(RuntimeError, IndexError):
            self.large[self.lib.tensor([10**6])]
            for _ in range(rest.randrange(6)):
                rest.choice([self.lib.rand, self.lib.randn, self.lib.randperm])(rest.randrange(20))
                if rest.random() < 0.3:
                    self.lib.manual_seed(rest.randrange(9))
                    self.lib.zeros(9).normal_()
            tg.synchronize()
        assert (before, kept) == (len(self.shown), len(self.kept))


def same(some: list[Any], others: list[Any]) -> None:
    assert len(some) == len(others)
    for number, ((dtype, a), (other, b)) in enumerate(zip(some, others, strict=True)):
        assert dtype.rpartition(".")[2] == other.rpartition(".")[2]
        assert a.shape == b.shape, number
        assert np.array_equal(a, b, equal_nan=True), number


def ran(seed: int, *without: str) -> list[Any]:
    stream.restart(LocalSession())
    return Program(tg, seed).run(12, without)


@pytest.mark.oracle
@pytest.mark.parametrize("first", range(0, 120, 10))
def test_programs_draw_pytorchs_numbers(here: LocalSession, first: int) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    for seed in range(first, first + 10):
        # On Intel processors PyTorch draws a dropout from another generator.
        same(ran(seed, "dropout"), Program(torch, seed).run(12, ("dropout",)))


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_programs_draw_on_the_host_what_the_server_draws(here: LocalSession, first: int) -> None:
    for seed in range(first, first + 10):
        found = ran(seed)
        with all_on_server():
            same(found, ran(seed))


DRAWS_ON_SERVER: dict[str, Callable[[], Any]] = {
    "large": lambda: (
        tg.rand(300, 100),
        tg.randn(301, 99),
        tg.randint(0, 9, (99, 999)),
        tg.randn(9, dtype=tg.bfloat16),
    ),
    "in place": lambda: (
        tg.zeros(9).normal_(),
        tg.zeros(99).normal_(),
        tg.zeros(9).uniform_(),
        tg.zeros(9).exponential_(),
    ),
    "integers": lambda: (tg.zeros(9, dtype=tg.int64).random_(), tg.zeros(9, dtype=tg.int32).random_(3, 9)),
    "bernoulli": lambda: (tg.zeros(9).bernoulli_(0.5), tg.bernoulli(tg.rand(9)), tg.zeros(9).bernoulli_(tg.rand(9))),
    "dropout": lambda: [
        tg.nn.functional.dropout(tg.ones(4, 5), p, on) for p in (0.0, 0.5, 1.0) for on in (True, False)
    ],
    "channels": lambda: (tg.nn.functional.dropout1d(tg.ones(4, 5, 6)), tg.nn.functional.dropout2d(tg.ones(2, 3, 4, 5))),
    "attention": lambda: tg.nn.functional.scaled_dot_product_attention(*[tg.ones(2, 3, 4, 5)] * 3, dropout_p=0.5),
    "multinomial": lambda: (tg.multinomial(tg.rand(9).exp(), 3), tg.multinomial(tg.rand(2, 9).exp(), 20, True)),
}


@pytest.mark.parametrize("kind", DRAWS_ON_SERVER)
def test_a_draw_on_the_server_is_counted_on_the_host(here: LocalSession, kind: str) -> None:
    tg.manual_seed(4)
    DRAWS_ON_SERVER[kind]()
    found = tg.rand(3)
    assert found.is_on_host
    state = tg.get_rng_state()
    assert state.is_on_host
    with all_on_server():
        tg.manual_seed(4)
        DRAWS_ON_SERVER[kind]()
        assert found.tolist() == tg.rand(3).tolist()


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The values that are asked of the server from now on."""
    found: list[str] = []
    ask = stream.ask
    monkeypatch.setattr(stream, "ask", lambda op, *args: (found.append(op), ask(op, *args))[1])
    return found


def lecture_batch(lib: Any, table: Any, block: int, batch: int) -> tuple[Any, Any]:
    ix = lib.randint(len(table) - block, (batch,))
    x = lib.stack([table[i : i + block] for i in ix])
    y = lib.stack([table[i + 1 : i + block + 1] for i in ix])
    return x, y


def test_a_batch_of_slices_asks_nothing(here: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    table, found = tg.tensor(list(range(1000))), asked(monkeypatch)
    x, y = lecture_batch(tg, table, 8, 32)
    assert x.shape == (32, 8)
    assert (x + 1).tolist() == y.tolist()
    assert found == []


@pytest.mark.parametrize("width", [4, 4000])
def test_a_shuffled_epoch_asks_nothing(here: LocalSession, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    table, found = tg.utils.data.TensorDataset(tg.randn(64, width), tg.arange(64)), asked(monkeypatch)
    rows = tg.utils.data.DataLoader(table, 16, shuffle=True)
    first, second = (tg.cat([y for _, y in rows]).tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(64))
    assert first != second
    tg.utils.data.random_split(range(10), [0.5, 0.5])
    list(tg.utils.data.WeightedRandomSampler([1.0, 2.0], 9))
    list(tg.utils.data.WeightedRandomSampler([1.0, 2.0], 2, False))
    assert found == []


class Drawn:
    """A data set whose samples are drawn."""

    def __init__(self, lib: Any) -> None:
        self.lib = lib

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        rest = self.lib.randperm(3), self.lib.randint(9, (2,), generator=self.lib.Generator().manual_seed(index))
        state = self.lib.get_rng_state()
        drawn = self.lib.rand(2)
        self.lib.set_rng_state(state)
        return drawn, self.lib.rand(2), *rest, self.lib.randn(40) if index % 2 else self.lib.zeros(40)


@pytest.mark.oracle
def test_workers_draw_pytorchs_numbers(here: LocalSession) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    found = []
    for lib in (tg, torch):
        lib.manual_seed(3)
        loader = lib.utils.data.DataLoader(Drawn(lib), 2, num_workers=2, multiprocessing_context="fork")
        found.append([[column.tolist() for column in batch] for batch in loader])
    assert found[0] == found[1]


def test_what_has_been_looked_at_stays_what_it_is(here: LocalSession) -> None:
    """Looked at first or computed with first, through views or not: one draw has one value."""
    tg.manual_seed(1)
    x, y = tg.randn(20), tg.randn(20)
    view, seen = x[3:], x.tolist()
    assert (x * 1).tolist() == seen
    assert (view * 1).tolist() == seen[3:]
    x += 1
    assert view.tolist() == x.tolist()[3:] != seen[3:]
    half = y[10:]
    computed = (y * 1).tolist()
    assert half.tolist() == computed[10:]


def test_a_position_that_is_too_far_is_left_to_the_server(here: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telegrad._draws.position.FAR", 50)
    tg.manual_seed(1)
    tg.zeros(100).uniform_()
    far = tg.rand(3)
    assert not far.is_on_host
    tg.manual_seed(1)
    assert tg.rand(103)[100:].tolist() == far.tolist()


def test_another_sessions_generator_starts_anew(here: LocalSession) -> None:
    tg.manual_seed(5)
    first = tg.rand(3).tolist()
    kept = tg.rand(4)
    stream.restart(LocalSession())
    assert tg.rand(3).tolist() == first
    assert (kept * 1).tolist() == kept.tolist()


def test_threads_draw_each_number_once(here: LocalSession) -> None:
    tg.manual_seed(2)
    found: list[list[float]] = []

    def draw() -> None:
        for _ in range(60):
            found.append(tg.rand(2).tolist())
            found.append(tg.zeros(2).uniform_().tolist())

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drawn = sorted(value for values in found for value in values)
    tg.manual_seed(2)
    assert drawn == sorted(tg.rand(720).tolist())
