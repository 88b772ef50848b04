"""Values that were read once: what is not asked for again, and that no program can tell."""

from __future__ import annotations

import gc
import random
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from support.inprocess import LocalSession
from support.reading_programs import Reader

import telegrad as tg
from telegrad._api import asking_ahead, known_values
from telegrad._runtime.process import stream


@contextmanager
def counted() -> Iterator[list[str]]:
    """The rows that were asked for an answer in the block."""
    asked: list[str] = []
    ask = stream.ask

    def counting(op: str, *args: Any) -> Any:
        asked.append(op)
        return ask(op, *args)

    stream.ask = counting  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        del stream.ask


def fails_here(reader: Reader, draw: random.Random) -> None:
    """A row fails; what is recorded after it, before that is known, never happened."""
    before = [t.detach().clone() for t in reader.tensors]
    written, seen = draw.choice(reader.tensors), draw.choice(reader.tensors)
    made: list[Any] = []
    try:
        if draw.random() < 0.5:
            _ = [t.tolist() for t in draw.sample(reader.tensors, 2)]
        tg.zeros(3)[tg.tensor([0, 7])]
        made.append(seen.detach()[:1] if seen.ndim else seen.detach())
        with tg.no_grad():
            written.data.zero_()
        if draw.random() < 0.5:
            written.grad = None
        made.append(written.detach())
        if draw.random() < 0.5:
            written.tolist()
        tg.synchronize()
    except IndexError:
        pass
    else:
        pytest.fail("the failure was not raised")
    for tensor in made:
        with pytest.raises(IndexError):
            tensor.tolist()
    tg.synchronize()
    for tensor, values in zip(reader.tensors, before, strict=True):
        assert tensor.tolist() == values.tolist()


def ran(lib: Any, seed: int) -> list[Any]:
    """What a program reads."""

    def fails(reader: Reader, draw: random.Random) -> None:
        seed = draw.random()
        if lib is tg:  # with draws of its own, so that the steps after it are the same everywhere
            fails_here(reader, random.Random(seed))

    reader = Reader(lib, fails)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of writes to expanded tensors
        reader.run(seed, 60)
    states = [t.detach() for t in reader.tensors]
    return [*reader.read, *[t.tolist() for t in states]]


@pytest.mark.parametrize("part", range(4))
def test_programs_read_the_same_as_if_nothing_were_known(
    here: LocalSession, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_ahead, "WORTH_IT", 0.0)
    for seed in range(part * 15, (part + 1) * 15):
        found = ran(tg, seed)
        with monkeypatch.context() as patch:
            patch.setattr(known_values, "_owner", lambda tensor: None)
            assert ran(tg, seed) == found, f"seed {seed}"


@pytest.mark.oracle
@pytest.mark.parametrize("part", range(4))
def test_programs_read_what_torch_reads(here: LocalSession, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_ahead, "WORTH_IT", 0.0)
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    for seed in range(1000 + part * 30, 1000 + (part + 1) * 30):
        assert ran(tg, seed) == ran(torch, seed), f"seed {seed}"


IDIOMS = {
    "elements": (lambda y: [float(v) for v in y[:10]], 1),
    "iterating": (lambda y: [v.item() for v in y[:10]], 1),
    "by index": (lambda y: [y[i].item() for i in range(10)], 1),
    "again": (lambda y: [y[:5].tolist(), y[:5].tolist(), y[3].item(), bool(y[1] == 0)], 2),
    "formatting": (lambda y: f"{y[0]} {y[1]:.2f} {y[2].item()}", 1),
    "as an index": (lambda y: [range(9)[i] for i in y[:4].long().clone()], 1),
    "numpy": (lambda y: [y[i : i + 2].numpy() for i in range(5)], 1),
    "with a write between": (lambda y: [y[0].item(), y[1].add_(1).item(), y[0].item()], 2),
    "through a detached alias": (lambda y: [y[0].item(), y.detach().mul_(2)[0].item(), y[0].item()], 2),
    "through data": (lambda y: [y[0].item(), y.data.mul_(2)[0].item(), y[0].item()], 2),
    "an array that is changed": (lambda y: [y[:3].numpy().fill(7), y[:3].tolist()], 1),
}


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("name", IDIOMS)
def test_idioms_ask_once(here: LocalSession, name: str, size: int) -> None:
    idiom, asks = IDIOMS[name]
    y = tg.arange(float(size)) + 1
    with counted() as asked:
        idiom(y)
    assert asked == ["read"] * asks


def test_a_write_ends_what_is_known(here: LocalSession) -> None:
    x = tg.zeros(4) + 0
    for value, write in enumerate(
        [
            lambda: x.add_(1),
            lambda: x[:].fill_(2),
            lambda: x.data.fill_(3),
            lambda: x.__setitem__(slice(None), tg.full((4,), 4.0)),
            lambda: tg.nn.init.constant_(x, 5),
            lambda: x.view(2, 2).t().copy_(tg.full((2, 2), 6.0)),
            lambda: setattr(x, "data", tg.full((4,), 7.0)),
            lambda: x.uniform_(8, 8),
        ],
        1,
    ):
        assert x.tolist() == [value - 1] * 4
        write()
        assert x.tolist() == [value] * 4
        assert x[2].item() == value


def test_memory_that_a_tensor_has_left_is_known_no_more_once_a_view_of_it_is_written_to(here: LocalSession) -> None:
    z = tg.ones(3) + 0
    x = z.detach()
    view = x[:]
    x.data = tg.zeros(3)
    assert z.tolist() == [1, 1, 1]
    view.add_(1)
    assert (z.tolist(), view.tolist(), x.tolist()) == ([2, 2, 2], [2, 2, 2], [0, 0, 0])
    inner = view.detach()[1:]
    inner.add_(1)
    assert (z.tolist(), inner.tolist()) == ([2, 3, 3], [3, 3])


def test_rows_that_write_to_many_tensors_end_what_is_known_of_them(here: LocalSession) -> None:
    w = tg.ones(2, requires_grad=True)
    alias = w.detach()
    optimizer = tg.optim.Adam([w], lr=0.5)
    (w * 2).sum().backward()
    gradient = w.grad
    assert (gradient.tolist(), alias.tolist()) == ([2, 2], [1, 1])
    optimizer.step()
    first = optimizer.state[w]["exp_avg"].tolist()
    assert alias.tolist() == pytest.approx([0.5, 0.5])
    (w * 2).sum().backward()
    assert gradient.tolist() == [4, 4]
    optimizer.step()
    assert optimizer.state[w]["exp_avg"].tolist() != first
    given = tg.ones(2)
    w.grad = given
    assert given.tolist() == [1, 1]
    (w * 2).sum().backward()
    assert given.tolist() == [3, 3]


def test_a_failed_tensor_stays_failed_and_what_it_shares_memory_with_does_not(here: LocalSession) -> None:
    x = tg.ones(3) + 1
    assert x.tolist() == [2, 2, 2]
    tg.zeros(3).exp()[tg.tensor([7])]
    view = x[1:]
    x.add_(1)
    with pytest.raises(IndexError):
        x.tolist()
    for _ in range(2):
        with pytest.raises(IndexError):
            view.tolist()
        assert x.tolist() == [2, 2, 2]
        assert x[1:].tolist() == [2, 2]


def test_a_read_that_failed_with_its_epoch_is_asked_again(here: LocalSession) -> None:
    x = tg.ones(3) + 1
    tg.synchronize()
    tg.zeros(3).exp()[tg.tensor([7])]
    future = x.read()
    with pytest.raises(IndexError):
        tg.synchronize()
    assert x.tolist() == [2, 2, 2]
    with pytest.raises(IndexError):
        future.result()


def test_tensors_of_an_ended_session_are_not_known(here: LocalSession) -> None:
    x = tg.ones(3) + 1
    assert x.tolist() == [2, 2, 2]
    stream.restart(LocalSession())
    with pytest.raises(tg.SessionGone if hasattr(tg, "SessionGone") else Exception, match="session"):
        x.tolist()


def test_what_is_known_stays_within_bounds(here: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_values, "MOST_BYTES", 64 << 10)
    held = [tg.zeros(1000) + i for i in range(50)]
    first = held[0]
    for x in held:
        x.tolist()
        first.tolist()
        assert known_values.kept.total() <= 64 << 10
    with counted() as asked:
        assert first[0].item() == 0  # it was used last
        assert held[-1][0].item() == 49
        assert held[1][0].item() == 1
    assert asked == ["read"]
    big = tg.zeros(100_000) + 1
    big.tolist()
    assert big._known is None


def test_what_is_known_goes_with_its_tensor(here: LocalSession) -> None:
    gc.collect()
    before = len(known_values.kept.all())
    x = tg.zeros(1000) + 1
    x[0].item()
    assert len(known_values.kept.all()) == before + 1
    del x
    gc.collect()
    assert len(known_values.kept.all()) == before


def test_threads_that_write_and_read_leave_nothing_stale(here: LocalSession) -> None:
    x = tg.zeros(4) + 0
    stop = threading.Event()

    def reading() -> None:
        while not stop.is_set():
            x[1].item()

    reader = threading.Thread(target=reading)
    reader.start()
    try:
        for i in range(1, 300):
            x.fill_(i)
            assert x.tolist() == [i] * 4
    finally:
        stop.set()
        reader.join()


class Distant(LocalSession):
    """A session behind a round trip of some milliseconds."""

    seconds = 0.02

    def submit(self, *args: Any) -> bytes:
        time.sleep(self.seconds)
        return super().submit(*args)


@contextmanager
def round_trips() -> Iterator[list[int]]:
    """The waits of the block that no earlier wait covers: those for values that were asked for after it."""
    trips = [0]
    asked: dict[int, int] = {}
    ask, wait_for = stream.ask, stream.wait_for

    def asking(*args: Any) -> Any:
        future = ask(*args)
        asked[id(future._arrived)] = trips[0]
        return future

    def waiting(arrived: Any, timeout: float | None) -> None:
        trips[0] += asked.get(id(arrived)) == trips[0]
        wait_for(arrived, timeout)

    stream.ask, stream.wait_for = asking, waiting  # type: ignore[method-assign]
    try:
        yield trips
    finally:
        del stream.ask, stream.wait_for


@pytest.fixture
def away() -> Iterator[Distant]:
    """This process's stream, some milliseconds away from its engine."""
    session = Distant()
    stream.restart(session)
    yield session
    stream.restart()


def model() -> tg.nn.Module:
    """A model of 100 parameters, some of them not small."""
    return tg.nn.Sequential(*[tg.nn.Linear(80 if i % 10 == 0 else 4, 80 if i % 10 == 9 else 4) for i in range(50)])


def trained() -> tg.nn.Module:
    made = model()
    sum((p * p).sum() for p in made.parameters()).backward()
    return made


def losses() -> list[tg.Tensor]:
    w = tg.ones(3, requires_grad=True)
    return [(w * i).sum() for i in range(60)]


LOOPS = {
    "a state dict": (model, lambda m: {k: v.numpy() for k, v in m.state_dict().items()}, 2),
    "a list": (losses, lambda losses: [loss.item() for loss in losses], 2),
    "a tuple": (lambda: tuple(losses()), lambda losses: sum(float(loss) for loss in losses), 2),
    "parameters": (model, lambda m: [p.detach().numpy() for p in m.parameters()], 2),
    "parameters with their names": (model, lambda m: {k: p.tolist() for k, p in m.named_parameters()}, 2),
    "norms": (model, lambda m: [p.norm().item() for p in m.parameters()], 2),
    "norms of what is outside the graph": (model, lambda m: [float(p.detach().norm(2)) for p in m.parameters()], 2),
    "norms of gradients": (trained, lambda m: [p.grad.norm().item() for p in m.parameters()], 2),
    "largest elements": (model, lambda m: [p.abs().max().item() for p in m.parameters()], 2),
    "an attribute": (lambda: SimpleNamespace(losses=losses()), lambda run: [loss.item() for loss in run.losses], 2),
    "a history": (lambda: {"loss": losses()}, lambda history: [loss.item() for loss in history["loss"]], 2),
    "iterators": (
        losses,
        lambda losses: [i * float(a) for i, (a, _) in enumerate(zip(losses, losses, strict=True))],
        2,
    ),
    "sums of a list": (lambda: [tg.ones(3) + i for i in range(60)], lambda xs: [x.sum().item() for x in xs], 2),
    "elements": (lambda: tg.arange(100_000.0) + 1, lambda y: [float(v) for v in y[:10]], 1),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_over_many_values_wait_for_two_round_trips(
    away: Distant, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, loop, trips = LOOPS[name]
    made = make()
    monkeypatch.setattr(Distant, "seconds", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(known_values, "_owner", lambda tensor: None)
        expected = loop(made)
    tg.synchronize()
    monkeypatch.setattr(Distant, "seconds", 0.02)
    with round_trips() as taken:
        found = loop(made)
    assert taken[0] <= trips
    assert str(found) == str(expected)


def test_read_all_waits_once(away: Distant) -> None:
    tensors = [tg.full((3,), float(i), requires_grad=i % 2 == 0).exp().log() for i in range(150)]
    tensors += [tg.ones(70, 70).exp(), tg.zeros(2), tg.ones(2, dtype=tg.bfloat16).exp().log()]
    with round_trips() as trips:
        values = tg.read_all(tensors)
    assert trips[0] == 1
    assert [value.tolist() for value in values] == [t.detach().tolist() for t in tensors]
    values[-2][:] = 7  # the caller's own
    assert tensors[-2].tolist() == [0.0, 0.0]


def test_read_all_of_a_state_dict_has_its_names(away: Distant) -> None:
    state = model().state_dict()
    found = tg.read_all(state)
    assert {name: value.tolist() for name, value in found.items()} == {name: t.tolist() for name, t in state.items()}
    assert tg.read_all([]) == []
    assert len(tg.read_all(tg.ones(4, 2).exp())) == 4


def test_read_all_of_what_is_no_tensor_names_it(away: Distant) -> None:
    with pytest.raises(TypeError, match=r"read_all\(\): item 1 must be Tensor, not float"):
        tg.read_all([tg.ones(1), 2.0])  # type: ignore[list-item]
    with pytest.raises(IndexError, match="index 7"):
        tg.read_all([tg.ones(1).exp(), tg.zeros(3).exp()[tg.tensor([7])]])


def written_between(xs: list[tg.Tensor]) -> list[float]:
    return [[x.norm().item(), x.mul_(2), xs[-1].add_(1)][0] for x in xs]


def written_result(xs: list[tg.Tensor]) -> list[float]:
    return [x.sum().mul_(i).item() for i, x in enumerate(xs)]


def written_on_the_way(xs: list[tg.Tensor]) -> list[float]:
    return [(x * 2).add_(1).sum().item() for x in xs]


def written_through_data(xs: list[tg.Tensor]) -> list[float]:
    found = []
    for i, x in enumerate(xs):
        total = x.sum()
        total.data.add_(i)
        found.append(total.item())
    return found


def other_numbers(xs: list[tg.Tensor]) -> list[Any]:
    return [str((x * [1, 1.0, 0.0, -0.0][i % 4]).sum().item()) for i, x in enumerate(xs)]


def other_memory(xs: list[tg.Tensor]) -> list[float]:
    found = []
    for i, x in enumerate(xs):
        xs[min(i + 2, 19)].data = tg.full((3,), float(i))
        found.append(x.sum().item())
    return found


def gradients(xs: list[tg.Tensor]) -> list[float]:
    ws = [x.clone().requires_grad_() for x in xs]
    sum((w * w).sum() for w in ws).backward()
    found = []
    for i, w in enumerate(ws):
        found.append(w.grad.sum().item())
        ws[min(i + 1, 19)].grad = tg.ones(3) * i
        if i % 5 == 2:
            sum((w * w).sum() for w in ws).backward()
    return found


def stepped(xs: list[tg.Tensor]) -> list[float]:
    ws = [x.clone().requires_grad_() for x in xs]
    optimizer = tg.optim.SGD(ws, lr=0.1)
    sum((w * w).sum() for w in ws).backward()
    return [[w.detach().abs().max().item(), optimizer.step()][0] for w in ws]


def failing(xs: list[tg.Tensor]) -> list[float]:
    found = []
    for i, x in enumerate(xs):
        if i == 4:
            with pytest.raises(IndexError):
                x[tg.tensor([9])].sum().item()
        found.append(x.sum().item())
    return found


@pytest.mark.parametrize(
    "loop",
    [
        written_between,
        written_result,
        written_on_the_way,
        written_through_data,
        other_numbers,
        other_memory,
        gradients,
        stepped,
        failing,
    ],
)
@pytest.mark.parametrize("kind", [tg.float32, tg.int64])
def test_what_is_computed_ahead_changes_no_value(
    here: LocalSession, loop: Any, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind is tg.int64 and loop in (written_between, gradients, stepped, other_memory):
        pytest.skip("needs floating point")
    monkeypatch.setattr(asking_ahead, "WORTH_IT", 0.0)
    found = loop([tg.arange(3).to(kind) + i for i in range(20)])
    monkeypatch.setattr(asking_ahead, "WORTH_IT", float("inf"))
    assert loop([tg.arange(3).to(kind) + i for i in range(20)]) == found


def test_looking_for_what_comes_next_keeps_nothing(here: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_ahead, "WORTH_IT", 0.0)

    def looks() -> weakref.ref[tg.Tensor]:
        held = [tg.ones(2) + i for i in range(5)]
        for x in held:
            x.tolist()
        reference = weakref.ref(held[0])
        del held, x
        return reference

    def holds() -> bool:
        x = tg.ones(2) + 1
        reference = weakref.ref(x)
        [y.sum().item() for y in [x, x + 1, x + 2]]
        del x
        return reference() is not None

    assert looks()() is None
    assert not holds()
