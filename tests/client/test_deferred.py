"""Deferred metrics: numbers that wait when they are looked at are what plain numbers would be, bit for bit."""

from __future__ import annotations

import builtins
import contextlib
import copy
import csv
import functools
import gc
import io
import itertools
import json
import math
import numbers
import operator
import os
import pickle
import statistics
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from bench.idioms import IDIOMS
from hypothesis import given, settings
from hypothesis import strategies as st
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._api import deferred as mode
from telegrad._api import deferred_numbers
from telegrad._api.deferred_numbers import DeferredFloat, DeferredInt, DeferredNumber
from telegrad._runtime.process import stream
from telegrad_protocol.errors import SessionGone


class Gated(LocalSession):
    """A server that carries nothing out while `gate` is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes:
        sent()
        self.gate.wait(30.0)
        return super().submit(number, epoch, place, acknowledged, body, lambda: None)


@pytest.fixture
def far() -> Iterator[Gated]:
    session = Gated()
    stream.restart(session)
    tg.synchronize()
    yield session
    session.gate.set()
    stream.restart()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each wait for an answer."""
    found: list[int] = []
    wait = stream.wait_for

    def counted(*args: Any) -> None:
        found.append(1)
        wait(*args)

    monkeypatch.setattr(stream, "wait_for", counted)
    return found


def on_server(value: Any, dtype: Any = None) -> Any:
    """A tensor of one element, on the server."""
    return tg.tensor([value], dtype=dtype or {float: tg.float64, int: tg.int64, bool: tg.bool}[type(value)]).clone()


def number(value: Any) -> Any:
    with tg.deferred():
        return on_server(value).item()


def bits(value: Any) -> tuple[type, Any]:
    """What tells equal numbers apart: the type, the sign of zero, nan."""
    value = deferred_numbers.plain(value)
    if isinstance(value, float):
        return type(value), "nan" if math.isnan(value) else struct.pack("d", value)
    return type(value), value


# What is deferred -------------------------------------------------------------------------------------------------


def test_arithmetic_waits_for_nothing(far: Gated, waits: list[int]) -> None:
    far.gate.clear()
    total, history = 0.0, []
    with pytest.raises(KeyError), tg.deferred():  # a block that raises waits for nothing either
        for step in range(10):
            loss = (tg.ones(4) * step).sum().item()
            total += loss * 2 - 1
            history.append(round(-loss / 4, 2))
        mean = sum(history) / len(history)
        raise KeyError
    assert waits == []
    far.gate.set()
    assert (total, mean) == (350.0, -4.5)
    assert history == [-float(step) for step in range(10)]


def test_a_loop_that_reads_every_step_waits_once(far: Gated, waits: list[int]) -> None:
    total, p = 0.0, tg.zeros(3, requires_grad=True)
    optimizer = tg.optim.SGD([p], lr=0.1)
    with tg.deferred():
        for _ in range(200):
            loss = ((p - 1) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
    assert len(waits) <= 10
    assert 0 < total < 20


def test_the_kinds_of_numbers(far: Gated) -> None:
    for value in (2.5, 3, True):
        found = number(value)
        assert isinstance(found, DeferredNumber)
        assert not isinstance(found, int | float)
        assert isinstance(found, numbers.Real)
        assert isinstance(found, numbers.Integral) == isinstance(value, int)
        assert bits(found) == bits(value)
        assert (repr(found), str(found), hash(found)) == (repr(value), str(value), hash(value))
    assert type(tg.ones(2).sum().item()) is float, "outside, nothing is deferred"
    with tg.deferred():
        assert type(tg.tensor(2.0).item()) is float, "what is on the host is known"
        with pytest.raises(RuntimeError, match="2 elements"):
            on_server(2.0).expand(2).item()


def test_every_thread_has_blocks_of_its_own(far: Gated) -> None:
    found: list[Any] = []
    x = on_server(1.5)
    with tg.deferred():
        thread = threading.Thread(target=lambda: found.append(x.item()))
        thread.start()
        thread.join()
        with tg.deferred():
            pass
        found.append(x.item())
    assert [type(each) for each in found] == [float, DeferredFloat]


def test_many_threads_add_to_sums_of_their_own(far: Gated) -> None:
    totals: dict[int, Any] = {}

    def run(start: int) -> None:
        with tg.deferred():
            total = 0.0
            for i in range(200):
                total += (on_server(1.0) * (start + i)).item()
            totals[start] = total

    threads = [threading.Thread(target=run, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert totals == {start: float(sum(range(start, start + 200))) for start in range(6)}


# The same numbers -------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, 5e-324, 0.1]),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
)
BINARY = "add sub mul truediv floordiv mod eq ne lt le gt ge and_ or_ xor".split()
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in BINARY},
    "square": lambda a, *_: a**2,
    "power": lambda a, *_: 2.0**a,
    "divmod": lambda a, b: divmod(a, b)[1],
    "sum": lambda *items: sum(items),
    "sum of some": lambda a, *items: sum(iter(items), a),
    "fsum": lambda *items: math.fsum(items),
    "np.mean": lambda *items: float(np.mean(items)),
    "mean": lambda a, *_: statistics.mean([a, a, -a, -a, a]),
    "max": lambda *items: max(items),
    "sorted": lambda *items: sorted(items)[0],
    "neg": lambda a, *_: -a,
    "abs": lambda a, *_: abs(a),
    "pos": lambda a, *_: +a,
    "round": lambda a, *_: round(a),
    "round to 3": lambda a, *_: round(a, 3),
    "round to -2": lambda a, *_: round(a, -2),
    "float": lambda a, *_: float(a),
    "int": lambda a, *_: int(a),
    "bool": lambda a, *_: bool(a),
    "sqrt": lambda a, *_: math.sqrt(a),
    "floor": lambda a, *_: math.floor(a),
    "text": lambda a, *_: f"{a} {a:.3g} {a!r}",
    "old text": lambda a, *_: "%s %.5f" % (a, a),  # noqa: UP031  # scripts have it
    "json": lambda *items: json.dumps(items),
    "pickle": lambda a, *_: pickle.loads(pickle.dumps(a)),
    "copy": lambda a, *_: copy.deepcopy([copy.copy(a)])[0],
    "float64": lambda a, b, *_: float(np.float64(a) * b),
}
STEP = st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.integers(0, 30), min_size=2, max_size=5))


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    """What a function gives, or the error that it raises."""
    try:
        with np.errstate(all="ignore"):
            return function(*args)
    except (ArithmeticError, ValueError, TypeError) as error:
        return error


def run_program(values: list[Any], steps: list[Any], skipped: set[int]) -> list[Any]:
    """The numbers of a program: each step computes with earlier ones. Steps that need a failed number are `skipped`."""
    pool = list(values)
    for at, (name, picks) in enumerate(steps):
        args = [pool[pick % len(pool)] for pick in picks]
        if any(isinstance(arg, Exception | str) for arg in args):
            skipped.add(at)
        if at in skipped:
            pool.append("skipped")
            continue
        count = 2 if name in {*BINARY, "divmod"} else len(args)
        pool.append(outcome(FUNCTIONS[name], *args[:count]))
    return pool


@settings(max_examples=150)
@given(
    st.lists(st.tuples(VALUES, st.booleans()), min_size=3, max_size=8),
    st.lists(STEP, max_size=25),
    st.integers(0, 3),
)
def test_random_programs_give_the_same_bits(values: list[Any], steps: list[Any], late: int) -> None:
    session = Gated()
    stream.restart(session)
    mode.teach_python()
    try:
        skipped: set[int] = set()
        expected = run_program([value for value, _ in values], steps, skipped)
        tensors = [on_server(value) for value, _ in values]
        session.gate.clear()
        opening = threading.Timer(late * 0.001, session.gate.set)
        opening.start()
        with tg.deferred():
            given_values = [
                t.item() if deferring else value for t, (value, deferring) in zip(tensors, values, strict=True)
            ]
            found = run_program(given_values, steps, skipped)
            for mine, wanted, step in zip(found, expected, [*values, *steps], strict=True):
                value = outcome(deferred_numbers.plain, mine)
                if isinstance(wanted, Exception):
                    assert type(value) is type(wanted), step
                else:
                    assert bits(value) == bits(wanted), step
    finally:
        deferred_numbers._unraised.clear()
        session.gate.set()
        stream.restart()


def test_numbers_of_either_kind_on_either_side(far: Gated) -> None:
    """Numbers of Python's own on either side, and what no number goes with."""
    for value, other in itertools.product((2.5, -3, True), (4.0, 3, False, 2**70, 1j, np.float32(1.5), np.int64(2))):
        for name in ("add", "sub", "mul", "truediv", "mod", "pow"):
            if name == "pow" and other == 2**70:
                continue  # takes more than all memory
            function = getattr(operator, name)
            for mine, plain in (
                ((number(value), other), (value, other)),
                ((other, number(value)), (other, value)),
            ):
                found, wanted = outcome(function, *mine), outcome(function, *plain)
                assert type(deferred_numbers.plain(found)) is type(wanted), (name, mine)
                assert isinstance(wanted, Exception) or str(found) == str(wanted)
    for name in ("add", "sub", "mul", "lt"):
        with pytest.raises(TypeError, match=r"'float' and 'str'|can't multiply sequence"):
            getattr(operator, name)(number(2.5), "text")
    with pytest.raises(TypeError, match="list indices must be integers"):
        [1, 2, 3][number(2.0)]  # type: ignore[call-overload]
    assert [1, 2, 3][number(2)] == 3
    assert [*range(number(3))] == [0, 1, 2]
    assert pow(number(3), 2, 5) == 4
    assert pow(number(2), number(5), number(7)) == 4


def test_numpy_computes_with_plain_numbers(far: Gated) -> None:
    values = [1.5, -0.25, 3.0]
    found = [number(v) for v in values]
    assert np.array(found).dtype == np.float64
    assert np.array([number(1), number(2)]).dtype == np.int64
    assert np.array([number(True)]).dtype == np.bool_
    for function in (np.mean, np.std, np.sum, np.median, np.max, np.array, np.cumsum):
        np.testing.assert_array_equal(function(found), function(values))
    single = np.ones(2, np.float32)
    assert (single * found[0]).dtype == (found[0] * single).dtype == np.float32
    assert type(np.float32(2) * found[0]) is np.float32
    assert (np.float32(2) < found[0], bool(np.isnan(found[0]))) == (np.float32(2) < 1.5, False)
    single[0] = found[0]
    single += found[0]
    assert single.tolist() == [3.0, 2.5]
    assert np.arange(5)[number(3)] == 3
    assert np.full(2, found[1]).tolist() == [-0.25, -0.25]


def test_pythons_own_modules_wait(far: Gated) -> None:
    values = [0.1, 2.5, 7.25]
    found = [number(v) for v in values]
    for function in (statistics.mean, statistics.fmean, statistics.stdev, statistics.median, math.fsum, math.prod):
        assert bits(function(found)) == bits(function(values))
    for counts in ([1, 3], [1, 2]):
        assert bits(statistics.mean([number(n) for n in counts])) == bits(statistics.mean(counts))
    assert struct.pack("df", found[0], found[1]) == struct.pack("df", values[0], values[1])
    assert functools.reduce(operator.add, found) == functools.reduce(operator.add, values)
    text = io.StringIO()
    csv.writer(text).writerow(found)
    assert text.getvalue() == "0.1,2.5,7.25\r\n"
    assert (found[0].is_integer(), found[0].hex(), number(5).bit_length()) == (False, (0.1).hex(), 3)
    with pytest.raises(AttributeError, match="'float' object has no attribute 'item'"):
        found[0].item()
    assert {number(2.5): "a"}[2.5] == "a"


class Encoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        return "other"


@pytest.mark.parametrize(
    "options", [{}, {"indent": 1}, {"default": str}, {"cls": Encoder}, {"cls": Encoder, "indent": 1}, {"default": repr}]
)
def test_json_writes_them_as_numbers(far: Gated, options: dict[str, Any]) -> None:
    plain = {
        "loss": 0.1,
        "all": [1, True, 2.5, math.inf],
        "else": {1} if len(options) and "indent" not in options else 0,
    }
    found = {**plain, "loss": number(0.1), "all": [number(1), number(True), number(2.5), number(math.inf)]}
    assert json.dumps(found, **options) == json.dumps(plain, **options)


def test_tensors_take_them(far: Gated) -> None:
    half, two, yes = number(0.5), number(2), number(True)
    x = tg.arange(6.0)
    for found, wanted in (
        (x * half, x * 0.5),
        (half - x, 0.5 - x),
        (half**x, 0.5**x),
        (x > two, x > 2),
        (tg.add(x, x, alpha=half), tg.add(x, x, alpha=0.5)),
        (x.clamp(max=two), x.clamp(max=2)),
        (tg.full((2,), half), tg.full((2,), 0.5)),
        (tg.full((2,), two), tg.full((2,), 2)),
        (tg.full((2,), yes), tg.full((2,), True)),
        (tg.tensor([half, two]), tg.tensor([0.5, 2])),
        (tg.tensor([two, yes]), tg.tensor([2, True])),
        (tg.tensor(half), tg.tensor(0.5)),
        (tg.arange(two), tg.arange(2)),
        (tg.arange(0, 1, half), tg.arange(0, 1, 0.5)),
        (tg.linspace(0, half, two), tg.linspace(0, 0.5, 2)),
        (x[two], x[2]),
        (x[:two], x[:2]),
        (x[[two, number(1)]], x[[2, 1]]),
        (x[yes], x[True]),
        (x.view(two, 3).sum(dim=number(1)), x.view(2, 3).sum(dim=1)),
        (tg.where(x > half, x, half), tg.where(x > 0.5, x, 0.5)),
    ):
        assert (found.dtype, found.tolist()) == (wanted.dtype, wanted.tolist())
    alias = x
    x += half
    x *= two
    x[0] = half
    x[tg.tensor([1, 2])] = half
    assert alias is x
    assert x.tolist() == [0.5, 0.5, 0.5, 7.0, 9.0, 11.0]
    with tg.deferred():
        assert tg.arange(on_server(2)).tolist() == [0, 1]
        assert f"{on_server(1.5)[0]:.2f}" == "1.50"
        assert (float(on_server(1.5)), int(on_server(3)), bool(on_server(False))) == (1.5, 3, False)
        assert tg.nn.utils.clip_grad_norm_([], 1.0).item() == 0.0


@pytest.mark.parametrize("name", [name for name, idiom in IDIOMS.items() if idiom.deferred is not None])
def test_everyday_idioms_give_the_same(far: Gated, name: str) -> None:
    found = []
    for block in (contextlib.nullcontext(), tg.deferred()):
        run = IDIOMS[name].build(tg)
        tg.manual_seed(0)
        with block:
            found.append(run())
    assert repr(found[0]) == repr(found[1])


# Sums that Python adds up in another way than `+` ----------------------------------------------------------------


def test_a_sum_is_pythons_sum(far: Gated, waits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Since Python 3.12 `sum` has more digits than `+`: as `fsum`, which stands in for it here."""
    monkeypatch.setattr(mode, "_sum", lambda items, start=0: math.fsum([start, *items]))
    values = [1e16, 1.0, -1e16, 0.5]
    found = [number(v) for v in values]
    far.gate.clear()
    waits.clear()
    sums = [mode.sum_deferred(found), mode.sum_deferred((x for x in found), 2.0), mode.sum_deferred([3, *found])]
    assert all(isinstance(each, DeferredFloat) for each in sums)
    assert waits == []
    far.gate.set()
    assert sums == [1.5, 3.5, 4.5]
    assert mode.sum_deferred(x for x in [1.0, found[0]]) == 1e16 + 1
    assert type(mode.sum_deferred([number(2), 3])) is DeferredInt
    assert type(mode.sum_deferred([number(2), np.float64(3)])) is not DeferredFloat


@pytest.mark.parametrize("items", [[], [1, 2], [0.1] * 10, (x for x in (1, 2.5)), [[1], [2]], range(5), {3, 4}])
def test_sums_of_others_are_as_they_were(items: Any) -> None:
    items, again = itertools.tee(items)
    start: Any = [] if isinstance(next(iter(again), 0), list) else 0
    items, again = itertools.tee(items)
    assert mode.sum_deferred(items, start) == mode._sum(again, start)
    items, again = itertools.tee(items)
    assert mode.sum_deferred(list(items), start=start) == mode._sum(list(again), start)
    for wrong in (5, ["a", "b"], [1, None]):
        errors = [outcome(function, wrong) for function in (mode.sum_deferred, mode._sum)]
        assert [str(error) for error in errors] == [str(errors[1])] * 2


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sum adds up floats as + does")
def test_pythons_sum_knows_them(far: Gated) -> None:
    values = [0.1] * 10
    assert bits(builtins.sum([number(v) for v in values])) == bits(mode._sum(values))
    found = [number(v) for v in [1e16, 1.0, -1e16]]
    assert math.sumprod(found, [1, 1, 1]) == statistics.fmean(found, [1, 1, 1]) * 3 == 1.0


# Bounds -----------------------------------------------------------------------------------------------------------


def test_a_running_sum_is_no_longer_than_what_is_on_its_way(far: Gated) -> None:
    x, total = on_server(0.5), 0.0
    with tg.deferred():
        for _ in range(100_000):
            total += x.item()
            assert len(deferred_numbers._tracked) <= deferred_numbers.MOST + 2
    gc.collect()
    left = [each for each in gc.get_objects() if type(each) is DeferredFloat]
    assert len(left) <= 3, "what has been added up is forgotten"
    assert total == 50_000.0


def test_a_chain_is_settled_without_recursion(far: Gated) -> None:
    far.gate.clear()
    with pytest.raises(KeyError), tg.deferred():
        total = on_server(0.0).item()
        for _ in range(20_000):
            total += 1
        raise KeyError
    threading.Timer(0.05, far.gate.set).start()
    assert total == 20_000.0


def test_more_than_may_be_on_their_way_wait(far: Gated, monkeypatch: pytest.MonkeyPatch, waits: list[int]) -> None:
    monkeypatch.setattr(deferred_numbers, "MOST", 100)
    far.gate.clear()
    threading.Timer(0.1, far.gate.set).start()
    total: Any = 0.0
    with tg.deferred():
        total += on_server(1.0).item()
        for _ in range(1000):
            total += 1
            assert len(deferred_numbers._tracked) <= 101
    assert waits
    assert total == 1001.0


# Failures -----------------------------------------------------------------------------------------------------------


def failing() -> Any:
    """A number whose tensor fails on the server."""
    return tg.gather(tg.ones(2), 0, tg.tensor([7]).clone()).sum().item()


def test_a_failure_is_raised_where_somebody_looks(far: Gated) -> None:
    far.gate.clear()
    with pytest.raises(KeyError), tg.deferred():
        good, bad = on_server(2.0).item(), failing()
        total = good + bad * 2
        raise KeyError
    far.gate.set()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="index 7 is out of bounds") as caught:
            print(total)
        assert any("tg.gather(" in note for note in caught.value.__notes__)
        shown = "".join(traceback.format_exception(caught.value))
        assert "deferred_numbers" not in shown
    for look in (float, bool, repr, hash, lambda x: x > 1, lambda x: f"{x:.2f}", pickle.dumps, np.asarray, copy.copy):
        with pytest.raises(RuntimeError, match="index 7"):
            look(bad)
    assert good == 2.0
    assert tg.ones(2).sum().item() == 2.0


def test_a_failure_is_raised_at_the_end_of_the_block(far: Gated) -> None:
    far.gate.clear()
    threading.Timer(0.05, far.gate.set).start()
    with pytest.raises(RuntimeError, match="index 7 is out of bounds") as caught, tg.deferred():
        failing()
    assert "deferred.py" not in "".join(traceback.format_tb(caught.tb)).replace("test_deferred.py", "")
    with tg.deferred():
        good = on_server(1.0).item()
    assert good == 1.0


def test_what_arithmetic_cannot_do_is_raised(far: Gated) -> None:
    with tg.deferred():
        zero, one, large = on_server(0).item(), on_server(1.0).item(), on_server(2**62).item()
        for divide in (lambda: one / 0, lambda: one // zero, lambda: 1 % zero, lambda: zero**-1, lambda: one / False):
            with pytest.raises(ZeroDivisionError):
                divide()
    with pytest.raises(OverflowError, match="too large to convert to float") as caught, tg.deferred():
        for _ in range(5):
            large = large * large
        large + 0.5  # nobody looks at it
    assert any("large + 0.5" in note for note in caught.value.__notes__)
    with tg.deferred():
        pass
    with pytest.raises(OverflowError):
        print(large + 0.5)


def test_an_interrupt_ends_the_waiting_only(far: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    far.gate.clear()
    with pytest.raises(KeyError), tg.deferred():
        total = on_server(1.0).item() + 1
        raise KeyError
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        patched.setattr(stream, "wait_for", interrupted)
        print(total)
    far.gate.set()
    assert total == 2.0


def test_numbers_of_a_session_that_has_ended(far: Gated) -> None:
    with tg.deferred():
        come = on_server(2.0).item() + 1
    far.gate.clear()
    with pytest.raises(KeyError), tg.deferred():
        late = on_server(2.0).item()
        raise KeyError
    following = LocalSession()
    restarting = threading.Timer(0.5, far.gate.set)
    restarting.start()
    stream.restart(following)
    assert come == 3.0
    with pytest.raises(SessionGone, match="closed"):
        float(late + come)
    restarting.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_waits_for_the_numbers_before_it(far: Gated) -> None:
    far.gate.clear()
    with pytest.raises(KeyError), tg.deferred():
        late = on_server(3.0).item() + 1
        raise KeyError
    threading.Timer(0.05, far.gate.set).start()
    child = os.fork()
    if not child:
        os._exit(int(late) if type(late) is DeferredFloat else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    assert late == 4.0


def test_what_another_thread_asks_for_during_a_fork_is_the_parents(far: Gated) -> None:
    far.gate.clear()
    with pytest.raises(KeyError), tg.deferred():
        late = on_server(3.0).item()
        raise KeyError
    deferred_numbers._in_forked_child()
    with pytest.raises(SessionGone, match="forked"):
        float(late + 1)


def test_a_batch_of_them_is_a_batch_of_numbers(far: Gated) -> None:
    collate = tg.utils.data.default_collate
    for values in ([0.5, 1.5], [1, 2], [True, False]):
        found, wanted = collate([number(v) for v in values]), collate(values)
        assert (found.dtype, found.tolist()) == (wanted.dtype, wanted.tolist())


def test_reads_tell_their_error_without_raising_it(far: Gated) -> None:
    assert tg.ones(2).clone().read().exception() is None
    failed = tg.gather(tg.ones(2), 0, tg.tensor([7]).clone()).read()
    assert isinstance(failed.exception(), RuntimeError)
    with pytest.raises(RuntimeError):
        failed.result()
