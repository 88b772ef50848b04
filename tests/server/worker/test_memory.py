"""All memory is counted: of kernels, of values that autograd saves, and of small Python objects."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import memory
from support.fuzz import new_random
from support.local_engine import LocalEngine
from support.memory import LIMIT, MIB, Case, measure

from telegrad_protocol.errors import OpError, OutOfMemory, UnknownTensor
from telegrad_protocol.messages import GRAD, Row
from telegrad_protocol.spec import OPS
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.checks.run import Run
from telegrad_server.samples import SAMPLES, Sample, T
from telegrad_server.worker import session as sessions
from telegrad_server.worker.dispatch import execute, skip
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.session import Session

OUT = Path(__file__).parents[3] / "out"
N = 1 << 28


def _call(op: str, size: int, *args: object, **named: object) -> Case:
    """A call whose tensors of that size are expanded."""
    return Case(Sample(op, OPS[op].bind(*args, **named)), size, 1, True)


NAMED = [
    _call("_one_hot_classes", N // 4, T(N // 4, dtype="int64", low=0, high=8), 10),
    _call("argmax", N, T(N)),
    _call("argmin", N, T(1, N), 1),
    _call("repeat_interleave", N, T(N), 4),
    _call("median", N, T(N)),
    _call("kthvalue", N, T(N), 7),
    _call("topk", N, T(N), 5),
    _call("mode", N, T(N)),
    _call("sort", N, T(N)),
    _call("matmul", N // 8, T(N // 8, 8), T(8, 2)),
    _call("conv2d", 1 << 12, T(1, 2, 1 << 12, 1 << 12), T(2, 2, 1 << 12, 1 << 12)),
    _call("conv2d", 1 << 13, T(1, 1, 1 << 13, 1 << 13), T(1, 1, 2, 2), None, 5000, 5000),
    _call("conv2d", 3, T(1, 1, 3, 3), T(1, 1, 3, 3), None, 9001, 9000),
    _call("cross_entropy", N // 16, T(N // 16, 16), T(N // 16, dtype="int64", low=0, high=15)),
    _call("cumsum", N, T(N), 0),
    _call("_unique", N, T(N)),
    _call("var", N, T(N)),
    _call("bincount", N, T(N, dtype="int64", low=0, high=9)),
    _call("searchsorted", N, T(8), T(N)),
    _call("randperm", 1, 100_000_000),
    _call("_exponential", N // 8, T(N // 8), 1.0, None),
]


@pytest.fixture(scope="module")
def _warm() -> None:
    """Compile kernels once, before the other processes are forked."""
    _warm_up({case.sample.op for case in NAMED})


def _warm_up(ops: set[str]) -> None:
    for sample in (sample for op in sorted(ops) for sample in SAMPLES[op]):
        run = Run(sample)
        run.call()
        if run.floating():
            run.grads()


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("case", NAMED, ids=lambda case: case.sample.op)
def test_an_op_on_large_inputs_that_take_nothing_themselves_keeps_to_the_limit(case: Case) -> None:
    taken = measure(case)
    assert taken.outcome in ("done", "refused"), taken
    assert taken.within, taken
    assert taken.resident <= 1.2 * LIMIT + 64 * MIB


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_op_takes_more_than_it_was_admitted() -> None:
    """Ops in an order of their own each time, as many as there is time for; MEMORY_SECONDS=7000 takes all."""
    rng, rows = new_random("ops"), []
    end = time.monotonic() + float(os.environ.get("MEMORY_SECONDS", "90"))
    for op in rng.sample(sorted(SAMPLES), len(SAMPLES)):
        _warm_up({op})
        rows += [(case, measure(case)) for case in memory.cases(op)]
        if time.monotonic() > end:
            break
    OUT.mkdir(exist_ok=True)
    (OUT / "memory.txt").write_text(memory.table(rows))
    assert [f"{case}: {taken}" for case, taken in rows if not taken.within] == []


# A session's budget ----------------------------------------------------------------------------


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(NumpyBackend(), Budget(1 << 30))
    _row(made, "constant", 0, np.ones(4096, np.float32).tobytes(), "float32", (4096,))
    yield made
    made.close()


def _row(session: Session, op: str, out: object, *args: object, flags: int = 0) -> None:
    execute(session, Row(OPS[op].index, flags, out, args))  # type: ignore[arg-type]


@pytest.mark.parametrize("op", ["dropout", "layer_norm", "cross_entropy"])
def test_what_a_forward_sets_aside_counts_as_long_as_its_node_lives(session: Session, op: str) -> None:
    _row(session, "reshape", 1, 0, (-1, 2))
    session.tensors[1].requires_grad = True
    _row(session, "zeros", 2, (2048,), "int64", "cpu")
    given = {
        "dropout": (1, 0.5, True, None),
        "layer_norm": (1, (2,), None, None, 1e-5),
        "cross_entropy": (1, 2, None, -100, "none", 0.0),
    }
    before = session.budget.used
    _row(session, op, 3, *given[op], flags=GRAD)
    out = session.tensors[3]
    assert out.node.aux is not None
    aux = out.node.aux if type(out.node.aux) is tuple else (out.node.aux,)
    assert session.budget.used == before + out._meta.nbytes + sum(getattr(part, "nbytes", 0) for part in aux)
    out.node.free()
    assert session.budget.used == before + out._meta.nbytes


def test_a_read_that_keeps_what_is_overwritten_counts_until_it_has_left(session: Session) -> None:
    _row(session, "constant", 1, bytes(1 << 20), "float32", (1 << 18,))
    _row(session, "read", 2, 1)
    before = session.budget.used
    session.engine.keep_reads([session.tensors[1]])
    assert session.budget.used == before + (1 << 20)
    session.reads.pop(2).release()
    assert session.budget.used == before
    _row(session, "read", 2, 1)
    session.budget.limit = session.budget.room = before
    with pytest.raises(OutOfMemory, match="overwritten"):
        session.engine.keep_reads([session.tensors[1]])


def test_gradients_that_wait_in_a_pass_of_steps_count(session: Session) -> None:
    session.tensors[0].requires_grad = True
    _row(session, "exp", 1, 0, flags=GRAD)
    _row(session, "exp", 2, 1, flags=GRAD)
    before = session.budget.used
    _row(session, "begin_walk", 9, (2,), (0,), (), True, False)
    _row(session, "walk_to", 3, 9, 1)
    held = session.autograd_calls[9].held_bytes
    assert held
    assert session.budget.used == before + held + session.tensors[3]._meta.nbytes
    _row(session, "drop_walk", None, 9)
    assert session.budget.used == before + session.tensors[3]._meta.nbytes


@pytest.mark.parametrize("op", ["view", "mul"])
def test_small_tensors_leave_less_room_and_are_refused_in_the_end(session: Session, op: str) -> None:
    session.budget.limit = 1 << 20
    _row(session, "constant", 1, bytes(4), "float32", ())
    args = (1, ()) if op == "view" else (1, (2.0,))
    made = 0
    with pytest.raises(OutOfMemory):
        for made in range(5000):
            session.count_objects()
            _row(session, op, 100 + made, *args)
    assert 1000 < made < 4000
    _row(session, "free", None, tuple(range(100, 100 + made)))
    session.count_objects()
    _row(session, op, 100, *args)


def test_nodes_of_a_graph_without_names_leave_less_room(session: Session) -> None:
    session.tensors[0].requires_grad = True
    _row(session, "view", 1, 0, (64, 64), flags=GRAD)
    session.count_objects()
    before = session.budget.objects
    for _ in range(1000):
        _row(session, "transpose", 1, 1, 0, 1, flags=GRAD)
    session.count_objects()
    assert 500_000 < session.budget.objects - before < 2_000_000
    _row(session, "free", None, (1,))
    gc.collect()
    session.count_objects()
    assert session.budget.objects < before


def test_failed_ids_share_their_cause_and_are_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_FAILED", 100)
    cause = OpError("no such luck")
    for i in range(50):
        skip(session, Row(OPS["add"].index, 0, (1000 + 10 * i, *range(1001 + 10 * i, 1010 + 10 * i)), ()), cause)
    assert len(session.failed) == 100
    assert all(error is cause for error in session.failed.values())
    with pytest.raises(OpError, match="no such luck"):
        _row(session, "exp", 1, 1499)
    with pytest.raises(UnknownTensor):
        _row(session, "exp", 1, 1000)
    _row(session, "free", None, tuple(range(1400, 1500)))
    assert not session.failed


def test_a_closed_session_leaves_nothing_in_the_worker_budget() -> None:
    engine = LocalEngine()
    engine.ask("open_session", "s")
    session = engine.executor.sessions["s"]
    for i in range(100):
        _row(session, "zeros", i, (10,), "float32", "cpu")
    session.count_objects()
    assert engine.executor.budget.objects > 10_000
    del session
    engine.ask("close_session", "s")
    assert engine.executor.budget.objects == engine.executor.budget.used == 0


def _allocator() -> tuple[NumpyBackend, int]:
    xp = NumpyBackend()
    xp.count_memory()
    assert xp._counted is not None, "the C library does not tell how large a piece of memory is"
    return xp, xp._counted.used


@pytest.mark.usefixtures("_warm")
def test_memory_goes_back_to_the_system_after_a_peak() -> None:
    def peak() -> list[int]:
        xp, _ = _allocator()
        before = memory._status("VmRSS")
        pieces = [np.ones(100_000, np.float64) for _ in range(400)]
        kept = pieces[::40]
        pieces.clear()
        high = memory._status("VmRSS")
        assert xp.kept_back() > 200 * MIB
        xp.give_back()
        assert xp.kept_back() == 0
        return [before, high, memory._status("VmRSS"), len(kept)]

    before, _, after, _ = memory.in_a_process(peak)
    assert after - before < 40 * MIB


def test_the_allocator_counts_and_refuses_in_every_thread_that_runs_kernels() -> None:
    from telegrad_server.backend.numpy import jit

    def tried() -> list[bool]:
        xp, used = _allocator()
        x = np.ones(1 << 20)
        counted = xp._counted.used - used >= x.nbytes
        del x
        gone = xp._counted.used == used
        xp.hold_to(used + (4 << 20))
        refused = []
        jit.set_threads(2)
        for make in (np.empty, np.zeros):
            for run in (lambda make=make: make(1 << 20), lambda make=make: _on_a_thread(make, 1 << 20)):
                try:
                    run()
                    refused.append(False)
                except MemoryError:
                    refused.append(True)
        return [counted, gone, *refused, bool(np.zeros(100).sum() == 0)]

    assert memory.in_a_process(tried) == [True] * 7


def _on_a_thread(make: object, size: int) -> None:
    from telegrad_server.backend.numpy.jit._jit import together

    together(lambda n: make(n), (1,), (size,))  # type: ignore[operator]
