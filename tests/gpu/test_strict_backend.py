"""The CuPy backend on the strict module: every op against NumPy, what waits, what memory that runs out leaves behind,
and models that train.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gpu.backends import Strict, strict_backend
from gpu.samples import Case, cases, compare, skip_reason
from gpu.strict import Machine, StrictBlas
from support.engine import Run
from support.inprocess import LocalSession
from support.local_engine import LocalEngine
from support.models import MODELS, step_losses
from support.trainings import TRAININGS, assert_trained_alike

import telegrad as tg
from telegrad._runtime.process import stream
from telegrad_protocol.errors import OpIndexError, OutOfMemory
from telegrad_protocol.spec import OPS
from telegrad_server.backend.cupy import CupyBackend
from telegrad_server.backend.cupy.device import DeviceSession
from telegrad_server.samples import SAMPLES, Sample
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import Engine
from telegrad_server.worker.executor import Executor
from telegrad_server.worker.memory import Budget

pytestmark = pytest.mark.usefixtures("host_compiler")

FAMILIES = sorted({OPS[op].family for op in SAMPLES})
QUICK = ("float32", "bfloat16")
"""The dtypes of every run; the others first compile for minutes."""

SHAPES_FROM_VALUES = frozenset(
    "_index_backward _index_mask _masked_scatter_backward _one_hot_inferred _repeat_interleave_each _repeated_index "
    "_unique _unique_consecutive argwhere bincount histc index_put masked_scatter masked_select nonzero".split()
)
"""Ops that may wait for the device, since what they do next depends on values."""

PART: dict[str, Any] = {"mlp": np.s_[:32], "cnn": np.s_[:8], "gpt": np.s_[:2, :16]}
"""How much of a model's batch is trained on: threads are emulated one by one."""


@pytest.fixture(scope="module")
def strict() -> Strict:
    return strict_backend(seed=7)


@pytest.fixture(scope="module")
def machine(strict: Strict) -> Machine:
    return strict.machine


@pytest.fixture(scope="module")
def xp(strict: Strict) -> CupyBackend:
    return strict.xp


# Ops --------------------------------------------------------------------------------------------------------------


def all_cases() -> Iterator[Any]:
    for dtype in FLOATING:
        marks = () if dtype in QUICK else (pytest.mark.slow,)
        for case in cases(FAMILIES, (dtype,)):
            if case.dtype is not None or dtype == QUICK[0]:
                yield pytest.param(case, marks=marks, id=str(case))


@pytest.mark.parametrize("case", list(all_cases()))
def test_an_op_gives_what_numpy_gives(xp: CupyBackend, case: Case) -> None:
    reason = skip_reason(case)
    if reason is not None:
        pytest.skip(reason)
    compare(case, xp)


@pytest.mark.parametrize("op", sorted(SAMPLES))
def test_an_op_waits_for_nothing(xp: CupyBackend, machine: Machine, op: str) -> None:
    waits = False
    for sample in SAMPLES[op]:
        run = run_on(xp, sample)
        machine.syncs.clear()
        run.call()
        if OPS[op].differentiable:
            run.grads()
        waits = waits or machine.syncs.total() > 0
    assert waits == (op in SHAPES_FROM_VALUES)


def run_on(xp: CupyBackend, sample: Sample) -> Run:
    return Run(sample, engine=Engine(xp, Budget(1 << 30)))


@pytest.mark.parametrize("op", ["addmm", "group_norm", "cumsum", "index_add", "sort", "conv2d"])
def test_layouts_of_results_do_not_matter(op: str) -> None:
    """The same bits, whatever order the array module chose for the arrays on the way."""
    for sample in SAMPLES[op]:
        found = [run_on(strict_backend(seed).xp, sample).call() for seed in (1, 2)]
        for first, second in zip(*found, strict=True):
            assert first.data.tobytes() == second.data.tobytes()


def test_a_wrong_index_is_kept_inside_and_reported_at_the_read(xp: CupyBackend, machine: Machine) -> None:
    engine = Engine(xp, Budget(1 << 30))
    table, index = engine.wrap(xp.copy(np.ones((3, 2), np.float32))), engine.wrap(xp.copy(np.array([0, 3])))
    with machine.no_sync():
        found = engine.unrecorded.embedding(index, table)
    with pytest.raises(OpIndexError):
        xp.raise_faults()
    xp.raise_faults()
    assert np.isfinite(xp.to_host(found.data)).all()


# Memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "op",
    [
        "softmax",
        "matmul",
        "layer_norm",
        "sort",
        *(pytest.param(op, marks=pytest.mark.slow) for op in ("index_add", "conv2d", "cross_entropy")),
    ],
)
def test_memory_that_runs_out_fails_the_op_and_nothing_else(machine: Machine, xp: CupyBackend, op: str) -> None:
    sample = SAMPLES[op][0]
    wanted = [xp.to_host(out.data) for out in run_on(xp, sample).call()]
    run, number, refused = run_on(xp, sample), 0, True
    gc.collect()
    before = machine.pools[0].used_bytes()
    while refused:
        number, refused = number + 1, fails_at(machine, run, number + 1)
        gc.collect()  # as the executor does: a traceback holds arrays
        assert not refused or machine.pools[0].used_bytes() == before
    assert number > 1
    for out, want in zip(run.outs, wanted, strict=True):
        assert xp.to_host(out.data).tobytes() == want.tobytes()


def fails_at(machine: Machine, run: Run, number: int) -> bool:
    """Whether a call makes so many allocations that it fails at the one of this number."""
    machine.fail_allocation(number)
    try:
        run.call()
    except OutOfMemory:
        return True
    machine.fail_allocation(None)
    return False


def test_sessions_have_memory_of_their_own(xp: CupyBackend) -> None:
    small, large = xp.for_session(1 << 16), xp.for_session(1 << 24)
    with small.active(), pytest.raises(OutOfMemory):
        engine = Engine(small, Budget(1 << 30))
        engine.unrecorded.zeros((1 << 16,))
    with large.active():
        Engine(large, Budget(1 << 30)).unrecorded.zeros((1 << 16,))
    assert small.pool.used_bytes() == large.pool.used_bytes() == 0


def test_a_session_on_the_second_device_stays_there(xp: CupyBackend) -> None:
    with xp.cp.cuda.Device(1):
        second = CupyBackend(DeviceSession(xp.cp, StrictBlas(), 1)).for_session(1 << 24)
    with second.active():
        engine = Engine(second, Budget(1 << 30))
        x = engine.wrap(second.copy(np.ones((3, 4), np.float32)))
        assert engine.unrecorded.softmax(x, 1).data.device.id == 1
    with pytest.raises(ValueError, match="current device"):
        xp.add(x.data, x.data)


# Training ---------------------------------------------------------------------------------------------------------


class StrictEngine(LocalEngine):
    """An executor in this process, on the strict module."""

    def __init__(self, xp: CupyBackend) -> None:
        super().__init__()
        self.executor = Executor(xp, 1 << 31, self.link)


class DirectSession(LocalSession):
    """Uploads come from pinned memory, as those of a server do."""

    def upload(self, upload: int, data: memoryview, device: str = "cpu") -> None:
        held = memoryview(bytearray(data))
        self.engine.executor.xp.pin(held)
        super().upload(upload, held, device)


@pytest.fixture(autouse=True)
def own_session() -> Iterator[None]:
    before = stream.session
    yield
    stream.restart()
    stream.session = before


def connect(engine: LocalEngine) -> None:
    """Let this client's stream go to an engine, which draws with the generator of its own backend."""
    stream.restart()
    stream.session = DirectSession(engine)
    stream.session.open()
    session, xp = engine.executor.sessions["local"], engine.executor.xp
    session.generators[None] = xp.new_generator(0)


@pytest.mark.parametrize(("name", "dtype"), TRAININGS)
def test_a_model_trains_as_on_numpy(name: str, dtype: str) -> None:
    connect(StrictEngine(strict_backend(seed=1).xp))
    built = MODELS[name].build(tg)
    start = {key: value.numpy() for key, value in built[0].state_dict().items()}
    found = [float(loss) for loss in step_losses(tg, name, built, 20, dtype, PART[name])]
    connect(LocalEngine())
    built = MODELS[name].build(tg)
    built[0].load_state_dict({key: tg.from_numpy(value) for key, value in start.items()})
    wanted = [float(loss) for loss in step_losses(tg, name, built, 20, dtype, PART[name])]
    assert_trained_alike(found, wanted, dtype)


@pytest.mark.parametrize("name", PART)
def test_a_step_that_is_not_read_waits_for_nothing(name: str) -> None:
    xp, machine = strict_backend(seed=1)
    connect(StrictEngine(xp))
    built = MODELS[name].build(tg)
    waits = []
    for steps in (1, 4):
        machine.syncs.clear()
        float(step_losses(tg, name, built, steps, part=PART[name])[-1])
        waits.append(machine.syncs.total())
    assert waits[0] == waits[1] <= 2


def test_a_device_without_memory_left_says_what_holds_it_and_the_session_goes_on() -> None:
    xp, machine = strict_backend()
    connect(StrictEngine(xp))
    kept = tg.ones(1000) + 1
    tg.synchronize()
    machine.fail_allocation(1)
    with pytest.raises(
        tg.OutOfMemoryError,
        match=r"mul needs more memory on its way than is left: .* are in use; the largest tensors: t\d+ float",
    ):
        (kept * 2).tolist()
    machine.fail_allocation(1)
    with pytest.raises(tg.OutOfMemoryError, match="constant"):
        (tg.tensor([1.0, 2.0]) + 1).tolist()
    assert (kept * 2).sum().item() == 4000.0
    machine.fail_allocation(None)


def test_an_upload_that_finds_no_memory_on_the_device_is_refused_and_takes_nothing() -> None:
    xp, machine = strict_backend()
    engine = StrictEngine(xp)
    connect(engine)
    budget = engine.executor.sessions["local"].budget
    before = budget.used
    machine.fail_allocation(1)
    with pytest.raises(OutOfMemory, match="upload"):
        engine.ask("admit_upload", "local", 1 << 39, 1 << 20)
    assert budget.used == before
    engine.ask("admit_upload", "local", 1 << 39, 1 << 20)
    assert budget.used == before + (1 << 20)
