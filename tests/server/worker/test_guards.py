"""Rows of any content: none ends the worker, and none leaves something behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.local_engine import LocalEngine

from telegrad_protocol import wire
from telegrad_protocol.devices import ProcessDevice
from telegrad_protocol.errors import OpError, TelegradError, TooLarge
from telegrad_protocol.limits import LIMITS
from telegrad_protocol.messages import GRAD, INPLACE, Reply
from telegrad_protocol.spec import OPS
from telegrad_server.worker import submissions
from telegrad_server.worker.rows.autograd import MOST_PASSES
from telegrad_server.worker.rows.registry import HANDLERS


class Rows:
    """A session of an executor in this process, which runs rows, an epoch at a time."""

    def __init__(self) -> None:
        self.engine = LocalEngine()
        self.engine.ask("open_session", "s")
        self.session = self.engine.executor.sessions["s"]
        self.epoch = 0

    def run(self, *rows: Any) -> Reply:
        self.epoch += 1
        return wire.decode_reply(self.engine.ask("submit", "s", 0, self.epoch, wire.pack(rows))[0])

    def code(self, *rows: Any) -> str | None:
        error = self.run(*rows).error
        return None if error is None else str(error["code"])


@pytest.fixture
def rows() -> Rows:
    made = Rows()
    assert made.code(constant(1, [1.0, 2.0]), row("set_requires_grad", None, 1, True)) is None
    return made


def row(name: str, outs: Any, *args: Any, flags: int = GRAD) -> list[Any]:
    return [OPS[name].index, flags, outs, list(args)]


def constant(tensor_id: int, values: list[float]) -> list[Any]:
    data = np.array(values, np.float32)
    return row("constant", tensor_id, data.tobytes(), "float32", list(data.shape))


FAILS = row("neg", 99, 12345)
HOSTILE = [{}, {"a": 1}, 1.5, "t1", b"1", [[]], [{}], [1.5], [None], None, True, -1, -(1 << 63), (1 << 64) - 1, [-1]]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize("name", ["free", "drop_walk", "end_walk"])
def test_a_row_that_is_skipped_may_be_anything(rows: Rows, name: str, value: Any) -> None:
    reply = rows.run(FAILS, row(name, None, value), row(name, None), row(name, None, 1, 2), [1 << 40, 0, 5, []])
    assert reply.error is not None
    assert (reply.error["code"], reply.error["row"]) == ("unknown_tensor", 0)
    assert rows.code(row("neg", 2, 5)) == "unknown_tensor", "its result has failed with it"


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_what_is_no_id_is_malformed(rows: Rows, value: Any) -> None:
    for name in ("neg", "read", "get_grad", "has_grad", "backward", "manual_seed"):
        spec = OPS[name]
        slot = spec.tensor_slots[0] if spec.tensor_slots else spec.generator_slot
        args: list[Any] = [1 if param.required else param.default for param in spec.params]
        args[slot or 0] = value
        rows.run(row("neg", 2, 1))  # from then on carried out without a second look at its shape
        if value is not None or name != "manual_seed":
            is_id = type(value) is int and value >= 0 and not spec.takes_lists
            assert rows.code(row(name, 7, *args)) == ("unknown_tensor" if is_id else "malformed"), name


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_in_place_what_is_no_tensor_is_refused(rows: Rows, value: Any) -> None:
    if value == (1 << 64) - 1:
        return
    assert rows.code(row("add", None, value, [1.0], [1], flags=INPLACE)) in ("malformed", "bad_type")


def test_a_row_that_stores_under_an_id_needs_one(rows: Rows) -> None:
    for outs in (None, [], [1, 2]):
        for name, args in (
            ("read", [1]),
            ("send", [1, "cpu"]),
            ("new_generator", [1]),
            ("begin_walk", [[1], [None], []]),
        ):
            assert rows.code(row(name, outs, *args)) in ("malformed", "autograd"), (name, outs)
    assert set(rows.session.generators) == {None}
    assert not rows.session.reads
    assert not rows.session.autograd_calls


def test_an_invalid_generator_state_is_refused_and_the_generator_as_before(rows: Rows) -> None:
    assert rows.code(row("get_generator_state", 5, None)) is None
    before = rows.session.tensors[5].data.copy()
    for state in ([0.0], [1.0] * 5056):
        assert rows.code(constant(2, state), row("set_generator_state", None, 2, None)) == "op_failed"
    zeros = row("zeros", 3, [5056], "uint8", None)
    assert rows.code(zeros, row("set_generator_state", None, 3, None)) == "op_failed"
    assert rows.code(row("get_generator_state", 6, None)) is None
    assert (rows.session.tensors[6].data == before).all()


def test_an_error_may_say_anything_and_can_be_told(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        deep: list[Any] = [1 << 70]
        for _ in range(100):
            deep = [deep]
        raise OpError("\ud800" * 5000, expected=[1 << 64, -(1 << 80)], got={1: float("nan"), "x": b"\xff"}, hint=deep)

    monkeypatch.setitem(HANDLERS, "empty_cache", refuse)
    error = rows.run(row("empty_cache", None)).error
    assert error is not None
    assert error["expected"] == (str(1 << 64), str(-(1 << 80)))
    assert error["got"]["1"] == "nan"
    assert len(error["message"]) <= 6 * 4000


def test_a_reply_that_cannot_be_written_is_an_error_of_its_submission_alone(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    from telegrad_protocol.messages import ReadResult

    monkeypatch.setitem(HANDLERS, "device_name", lambda *_: ReadResult(1, "uint8", (1,), object()))
    with pytest.raises(TelegradError, match="could not be written"):
        rows.run(row("device_name", 1))
    assert rows.code(row("neg", 2, 1)) is None


def test_values_beyond_what_a_reply_holds_are_fetched(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "REPLY_BYTES", 20)
    reply = rows.run(*[row("read", n, 1) for n in range(10, 14)])
    assert [result.data is None for result in reply.results] == [False, False, True, True]
    assert sorted(rows.session.reads) == [12, 13]
    assert rows.engine.ask("read_size", "s", 13) == 8


def test_a_read_of_the_same_id_releases_the_one_before(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "REPLY_BYTES", 0)
    for _ in range(3):
        assert rows.code(row("read", 10, 1)) is None
    assert len(rows.session.tensors[1].storage.pins) == 1


def test_a_pass_that_failed_or_was_skipped_is_over(rows: Rows) -> None:
    assert rows.code(row("mul", 2, 1, 1), row("sum", 3, 2, None, False, None)) is None
    begin = row("begin_walk", 50, [3], [None], [], True, False)
    assert rows.code(begin, row("walk_to", 51, 50, 777)) == "unknown_tensor"
    assert list(rows.session.autograd_calls) == [50], "the row was refused before it went on with the pass"
    assert rows.code(begin, FAILS, row("end_walk", [], 50)) == "unknown_tensor"
    assert not rows.session.autograd_calls
    assert rows.code(begin, constant(4, [1.0]), row("walk_to", 51, 50, 4)) == "autograd"
    assert not rows.session.autograd_calls
    many = [row("begin_walk", 100 + n, [3], [None], [], True, False) for n in range(MOST_PASSES + 1)]
    assert rows.code(*many) == "too_many"
    assert len(rows.session.autograd_calls) == MOST_PASSES
    assert rows.code(row("neg", 60, 1)) is None, "the session goes on"
    session = rows.session
    rows.engine.ask("close_session", "s")
    assert not session.autograd_calls
    assert rows.engine.executor.budget.used == 0


def test_gradients_that_go_in_circles_leave_nothing_behind(rows: Rows) -> None:
    assert rows.code(row("set_grad", None, 1, 1)) == "autograd"
    both = constant(2, [1.0, 2.0]), row("set_grad", None, 1, 2), row("set_grad", None, 2, 1), row("free", None, [1, 2])
    assert rows.code(*both) is None
    rows.engine.ask("close_session", "s")
    assert rows.engine.executor.budget.used == 0


def test_tensors_are_listed_in_pages_by_their_ids(rows: Rows) -> None:
    assert rows.code(*[row("neg", tensor_id, 1) for tensor_id in (9, 3, 7, 5)], row("free", None, [1])) is None
    ask = rows.engine.ask
    assert [listed[0] for listed in ask("tensors", "s", -1, 3)] == [3, 5, 7]
    assert [listed[0] for listed in ask("tensors", "s", 7, 3)] == [9]


def test_results_of_one_call_are_bounded_by_its_rule() -> None:
    for name, args in (
        ("unbind", [0]),
        ("split", [1, 0]),
        ("chunk", [4_000_000, 0]),
        ("tensor_split", [4_000_000, 0]),
    ):
        engine = Rows()
        many = row("expand", 2, 1, [4_000_000])
        assert engine.code(constant(1, [1.0]), many, row(name, [3], 2, *args)) == "too_large", name
        assert engine.code(constant(1, [0.0] * 10), row("unbind", list(range(20, 30)), 1, 0)) is None


def test_a_row_and_a_submission_name_a_bounded_number_of_results() -> None:
    limits = LIMITS
    wide = [row("unbind", list(range(limits.results)), 1, 0)] * (limits.ids // limits.results + 1)
    with pytest.raises(TooLarge, match="the rows of a submission"):
        wire.decode_submission(wire.pack(wide))
    with pytest.raises(TooLarge, match="a row with"):
        wire.decode_submission(wire.pack([row("unbind", list(range(limits.results + 1)), 1, 0)]))


def test_an_op_visits_no_more_than_a_kernel_can_in_reasonable_time(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProcessDevice, "most_elements", 1 << 20)
    one = [constant(1, [1.0]), row("set_requires_grad", None, 1, True), row("expand", 2, 1, [1 << 30])]
    assert rows.code(*one) is None, "an expanded view costs nothing"
    assert rows.code(row("sum", 3, 2, None, False, None)) == "too_large"
    assert rows.code(row("sum", 3, 2, None, False, None)) == "too_large", "also the second time"
    assert rows.code(row("backward", None, [2], [2], [], False, False)) == "too_large"
    assert rows.code(row("select", 4, 2, 0, 5), row("neg", 5, 4)) is None
