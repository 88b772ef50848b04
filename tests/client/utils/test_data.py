"""Data sets, samplers and loaders: PyTorch's order from the same seed, and workers that fail clearly."""

from __future__ import annotations

import os
import random
import time
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.datasets import Squares
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.process import stream
from telegrad.utils import data

Point = namedtuple("Point", "x y")


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    stream.restart()
    before, stream.session = stream.session, LocalSession()
    yield
    stream.restart()
    stream.session = before


class Shards(data.IterableDataset[int]):
    """Numbers; each worker takes every so manyth."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        info = data.get_worker_info()
        return iter(range(self.count) if info is None else range(info.id, self.count, info.num_workers))


def listed(batch: Any) -> Any:
    return batch.tolist() if hasattr(batch, "tolist") else [listed(part) for part in batch]


def shuffled(lib: Any, build: Any) -> Any:
    """Two passes and what the generators give afterwards."""
    lib.manual_seed(7)
    generator = lib.Generator().manual_seed(5)
    loader = build(lib.utils.data, list(range(23)), generator)
    passes = [[listed(batch) for batch in loader] for _ in range(2)]
    return passes, lib.rand(2).tolist(), lib.rand(2, generator=generator).tolist()


BUILD: dict[str, Any] = {
    "in order": lambda d, items, g: d.DataLoader(items, 4),
    "shuffled": lambda d, items, g: d.DataLoader(items, 4, shuffle=True, drop_last=True),
    "with a generator": lambda d, items, g: d.DataLoader(items, 4, shuffle=True, generator=g),
    "replacement": lambda d, items, g: d.DataLoader(items, 5, sampler=d.RandomSampler(items, True, 70)),
    "more than there are": lambda d, items, g: d.DataLoader(items, 5, sampler=d.RandomSampler(items, num_samples=30)),
    "a subset": lambda d, items, g: d.DataLoader(items, 2, sampler=d.SubsetRandomSampler([3, 1, 4, 15, 9])),
    "split": lambda d, items, g: d.DataLoader(d.random_split(items, [0.3, 0.7])[1], 3),
    "batch sampler": lambda d, items, g: d.DataLoader(
        items, batch_sampler=d.BatchSampler(d.RandomSampler(items, generator=g), 6, False)
    ),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", BUILD)
def test_the_same_seed_gives_torchs_order(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert shuffled(tg, BUILD[name]) == shuffled(torch, BUILD[name])


def test_samples_are_collated_by_their_form() -> None:
    made = data.default_collate([{"a": 1, "b": (tg.ones(2), "x")}, {"a": 2, "b": (tg.zeros(2), "y")}])
    assert made["a"].tolist() == [1, 2]
    assert made["b"][0].tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert made["b"][1] == ["x", "y"]
    point = data.default_collate([Point(1.5, np.zeros(3, np.float32)), Point(2.5, np.ones(3, np.float32))])
    assert point.x.dtype is tg.float64
    assert point.y.shape == (2, 3)
    assert point.y.dtype is tg.float32
    with pytest.raises(RuntimeError, match="equal size"):
        data.default_collate([[1, 2], [3]])
    with pytest.raises(TypeError, match="found object"):
        data.default_collate([object()])


def test_data_sets_combine() -> None:
    pairs = data.TensorDataset(tg.arange(6), tg.arange(6) * 2)
    both = pairs + data.Subset(pairs, [5, 0])
    assert len(both) == 8
    assert [int(both[i][1]) for i in (0, 5, 6, -1)] == [0, 10, 10, 0]
    assert listed(data.DataLoader(data.Subset(pairs, [4, 2, 0]), 2)) == [[[4, 2], [8, 4]], [[0], [0]]]
    chained = data.ChainDataset([Shards(2), Shards(3)])
    assert listed(data.DataLoader(chained, 4)) == [[0, 1, 0, 1], [2]]
    assert len(chained) == 5
    with pytest.raises(AssertionError, match="Size mismatch"):
        data.TensorDataset(tg.zeros(2), tg.zeros(3))
    with pytest.raises(ValueError, match="Sum of input lengths"):
        data.random_split(pairs, [1, 2])


def test_a_data_set_that_fetches_many_at_once_is_asked_once() -> None:
    class Table(data.Dataset[int]):
        asked: tuple[list[int], ...] = ()

        def __len__(self) -> int:
            return 5

        def __getitems__(self, indices: list[int]) -> list[int]:
            self.asked += (indices,)
            return indices

    table = Table()
    assert listed(data.DataLoader(table, 3)) == [[0, 1, 2], [3, 4]]
    assert table.asked == ([0, 1, 2], [3, 4])


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_load_the_same_batches(context: str) -> None:
    loader = data.DataLoader(Squares(10), 3, num_workers=2, multiprocessing_context=context, persistent_workers=True)
    alone = [listed(batch) for batch in data.DataLoader(Squares(10), 3)]
    assert [[listed(batch) for batch in loader] for _ in range(2)] == [alone, alone]


def test_an_iterable_data_set_is_shared_out_by_worker() -> None:
    alone = data.DataLoader(Shards(7), 3, drop_last=True)
    assert [listed(batch) for batch in alone] == [[0, 1, 2], [3, 4, 5]]
    assert len(alone) == 2
    loader = data.DataLoader(Shards(7), 2, num_workers=2, persistent_workers=True)
    for _ in range(2):
        assert [listed(batch) for batch in loader] == [[0, 2], [1, 3], [4, 6], [5]]


def test_workers_have_seeds_of_their_own() -> None:
    class Draws(Squares):
        def __getitem__(self, index: int) -> Any:
            info = data.get_worker_info()
            assert info is not None
            return info.id, info.seed, random.random(), float(np.random.rand())

    ids, seeds, draws, others = zip(*data.DataLoader(Draws(2), None, num_workers=2), strict=True)
    assert ids == (0, 1)
    assert seeds[1] == seeds[0] + 1
    assert draws[0] != draws[1]
    assert others[0] != others[1]


def fails(index: int) -> Any:
    raise KeyError(f"no sample {index}")


def fails_strangely(index: int) -> Any:
    class OnlyHereError(Exception):
        pass

    raise OnlyHereError("a class that does not travel")


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (fails, KeyError, r"Caught KeyError in DataLoader worker process \d.\nOriginal Traceback(.|\n)*no sample 5"),
        (fails_strangely, RuntimeError, "a class that does not travel"),
        (lambda index: lambda: index, RuntimeError, "pickle"),
        (lambda index: os._exit(3), RuntimeError, "exited unexpectedly"),
        (lambda index: tg.rand(2).exp(), RuntimeError, "forked from one that uses telegrad"),
    ],
    ids=["raises", "raises strangely", "cannot be pickled", "dies", "computes"],
)
def test_what_fails_in_a_worker_is_raised_here(act: Any, kind: type[Exception], words: str) -> None:
    loader = data.DataLoader(Squares(8, 5, act), None, num_workers=2, multiprocessing_context="fork")
    seen: list[Any] = []
    with pytest.raises(kind, match=words):
        seen.extend(loader)
    assert len(seen) <= 5


def test_a_worker_that_takes_too_long_is_told_of() -> None:
    slow = Squares(4, 1, lambda index: time.sleep(3600))
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2 seconds"):
        list(data.DataLoader(slow, 1, num_workers=1, timeout=0.2))


def test_a_pass_may_be_left_early() -> None:
    class Large(Squares):
        def __getitem__(self, index: int) -> Any:
            return tg.tensor(np.zeros(1 << 18))

    iterator = iter(data.DataLoader(Large(64), 2, num_workers=2, prefetch_factor=4))
    assert next(iterator).shape == (2, 1 << 18)
    iterator.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_workers": -1}, "non-negative"),
        ({"timeout": -1, "num_workers": 1}, "non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor"),
        ({"persistent_workers": True}, "need num_workers"),
        ({"timeout": 3}, "need num_workers"),
        ({"batch_size": 0}, "positive integer"),
        ({"batch_size": None, "drop_last": True}, "auto-batching"),
        ({"shuffle": True, "sampler": [1]}, "mutually exclusive"),
        ({"batch_sampler": [[1]], "drop_last": True}, "mutually exclusive"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        data.DataLoader(Squares(3), **options)
    with pytest.raises(ValueError, match="positive integer"):
        data.DataLoader(Squares(0), shuffle=True)
    with pytest.raises(ValueError, match="its own order"):
        data.DataLoader(Shards(3), shuffle=True)


@pytest.mark.parametrize("factor", [0, -1])
def test_nothing_to_fetch_ahead_is_refused_and_not_taken_for_the_default(factor: int) -> None:
    with pytest.raises(ValueError, match="prefetch_factor option"):
        data.DataLoader(Squares(3), num_workers=1, prefetch_factor=factor)


SCALE = None


class OnServer(data.Dataset[Any]):
    """Samples that come of tensors on the server, in every place where a data set may keep them."""

    extra: Any = None

    def __init__(self) -> None:
        global SCALE
        SCALE = tg.linspace(1, 2, 6)
        OnServer.extra = {"offset": [tg.full((6,), 10.0)]}
        self.values = tg.randn(6, 2)
        self.halves = (tg.arange(6) + 0).to(tg.bfloat16)
        self.view = (tg.arange(12) + 0).view(6, 2)[:, 1]

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        assert SCALE is not None
        return self.values[index], self.halves[index], self.view[index], SCALE[index], self.extra["offset"][0][index]


@pytest.mark.parametrize("context", ["fork", None])
def test_workers_have_what_their_data_set_keeps_on_the_server(context: str | None) -> None:
    table = OnServer()
    doubled = tg.arange(6) * 2
    wrapped = data.ConcatDataset([data.Subset(table, [4, 2, 0]), table])

    def collate(samples: list[Any]) -> Any:
        return [*data.default_collate(samples), doubled[len(samples)]]

    alone = [listed(batch) for batch in data.DataLoader(wrapped, 4, collate_fn=collate)]
    loader = data.DataLoader(wrapped, 4, collate_fn=collate, num_workers=2, multiprocessing_context=context)
    assert [listed(batch) for batch in loader] == alone
    table.values.add_(1)
    later = [listed(batch) for batch in loader]
    assert later != alone
    assert later == [listed(batch) for batch in data.DataLoader(wrapped, 4, collate_fn=collate)]
    assert (table.values + 1).shape == (6, 2)


def test_a_tensor_data_set_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    read = tg.Tensor.read
    monkeypatch.setattr(tg.Tensor, "read", lambda self: (asked.append(self.shape), read(self))[1])
    table = data.TensorDataset(tg.linspace(0, 1, 8).exp(), tg.randn(8, 3).exp())
    loader = data.DataLoader(table, 4, num_workers=1)
    for _ in range(2):
        assert [len(batch[0]) for batch in loader] == [4, 4]
    assert sorted(shape for shape in asked if shape) == [(8,), (8, 3)]


def test_a_workers_initial_seed_is_its_own() -> None:
    class Seeds(Squares):
        def __getitem__(self, index: int) -> Any:
            info = data.get_worker_info()
            assert info is not None
            return info.seed == tg.initial_seed()

    assert list(data.DataLoader(Seeds(2), None, num_workers=2)) == [True, True]
