"""The core of the CuPy backend on the real CuPy: samples in half and double precision, bytes, sessions, draws.

`test_emulated_backend.py` has those in single precision.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gpu.emulated import check_fences, counters
from gpu.samples import PLAIN, Case, cases, compare, skip_reason

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError
from telegrad_server.backend.cupy import CupyBackend, open_device
from telegrad_server.backend.random import philox
from telegrad_server.backend.random.philox import Counter, PhiloxGenerator
from telegrad_server.samples.base import FLOATING

# cuSOLVER is not emulated.
CASES = list(cases(PLAIN - {"linalg"}, [name for name in FLOATING if name != "float32"]))


@pytest.fixture(scope="module")
def xp(cp: ModuleType) -> CupyBackend:
    return open_device()


@pytest.fixture(autouse=True)
def intact(xp: CupyBackend) -> Any:
    """No test writes outside its arrays, or leaves a fault."""
    yield
    check_fences()
    xp.raise_faults()


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.timeout(900)
def test_a_sample_gives_what_numpy_gives(xp: CupyBackend, case: Case) -> None:
    reason = skip_reason(case)
    if reason is not None:
        pytest.skip(reason)
    compare(case, xp)


def test_the_time_between_two_marks_is_the_devices(xp: CupyBackend) -> None:
    begin = xp.mark()
    xp.full((8, 8), 0.5, dtypes.float32)
    assert xp.elapsed(begin, xp.mark()) == pytest.approx(1e-6), "the emulated clock always says a microsecond"


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_bytes_go_there_and_back(xp: CupyBackend, dtype: Any) -> None:
    data = bytes(b & 1 if dtype is dtypes.bool_ else b for b in range(1, 49))
    array = xp.from_bytes(data, (2, 24 // dtype.itemsize), dtype)
    assert xp.to_bytes(array) == data
    arena = memoryview(bytearray(data + bytes(48)))
    xp.pin(arena)
    buffer = xp.upload_buffer(48)
    ends = [xp.copy_in(buffer, at, arena[at : at + 16], xp.record_event()) for at in (32, 0, 16)]
    assert all(end.done for end in ends)
    end = xp.copy_out(xp.as_array(buffer, array.shape, dtype), 8, arena[48:88], xp.record_event())
    assert bytes(arena[48:88]) != data[8:], "it is not there yet"
    assert not end.done
    assert end.done
    assert bytes(arena[48:88]) == data[8:]


def test_a_session_has_a_limit_and_faults_of_its_own(xp: CupyBackend) -> None:
    mine = xp.for_session(1 << 16)
    with mine.active():
        mine.zeros((1000,), dtypes.float32)
        with pytest.raises(MemoryError):
            mine.zeros((1 << 16,), dtypes.float32)
        mine.check_index(mine.copy(np.array([9])), 0, 1, too_far)
    xp.raise_faults()
    with pytest.raises(OpIndexError, match="9 is too far"):
        mine.raise_faults()
    mine.empty_cache()
    mine.synchronize()
    free, total = mine.memory_info()
    assert 0 < free <= total


def too_far(found: int) -> OpIndexError:
    return OpIndexError(f"{found} is too far")


def test_draws_are_those_of_the_reference_and_do_not_wait(xp: CupyBackend) -> None:
    start, shape = Counter(np.uint64(11), np.uint64(0)), (5, 41)
    xp.rand(PhiloxGenerator(11), shape, dtypes.float32)  # compiles, which loads a module and may wait
    before = counters()
    unit = xp.rand(PhiloxGenerator(11), shape, dtypes.float32)
    waited = counters() - before
    assert (waited.to_host, waited.synchronizations) == (0, 0)
    np.testing.assert_array_equal(unit.get().reshape(-1), philox.units(start, 205, np.dtype(np.float32)))
    whole = xp.randint(PhiloxGenerator(11), -7, 90, shape, dtypes.int64)
    np.testing.assert_array_equal(whole.get().reshape(-1), philox.integers(start, 205, -7, 97))
    order = xp.randperm(PhiloxGenerator(11), 30, dtypes.int64)
    np.testing.assert_array_equal(order.get(), np.argsort(philox.words64(start, 30), kind="stable"))
    normal = xp.randn(PhiloxGenerator(11), shape, dtypes.float64)
    np.testing.assert_allclose(normal.get().reshape(-1), philox.normals(start, 205, np.dtype(np.float64)), rtol=1e-13)
