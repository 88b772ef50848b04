"""The core of the CuPy backend on the real CuPy: samples in half and double precision, bytes, sessions, draws.

`test_emulated_backend.py` has those in single precision.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gpu.emulated import check_fences, counters
from gpu.samples import cases, compare, skip_reason

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError
from telegrad_server.backend import philox
from telegrad_server.backend.cupy import CupyBackend, open_device
from telegrad_server.backend.philox import PhiloxGenerator, Place
from telegrad_server.samples.base import FLOATING

FAMILIES = (
    "activation arrange counting creation embedding indexing padding pointwise reduce scan shaping slicing sorting"
).split()


@pytest.fixture(scope="module")
def xp(cp: ModuleType) -> CupyBackend:
    return open_device()


@pytest.fixture(autouse=True)
def intact(xp: CupyBackend) -> Any:
    """No test writes outside its arrays, or leaves a fault."""
    yield
    check_fences()
    xp.raise_faults()


@pytest.mark.parametrize("dtype", [name for name in FLOATING if name != "float32"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.timeout(900)
def test_samples_give_what_numpy_gives(xp: CupyBackend, family: str, dtype: str) -> None:
    for case in cases([family], [dtype]):
        if skip_reason(case) is None:
            compare(case, xp)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_bytes_go_there_and_back(xp: CupyBackend, dtype: Any) -> None:
    data = bytes(b & 1 if dtype is dtypes.bool_ else b for b in range(1, 49))
    array = xp.from_bytes(data, (2, 24 // dtype.itemsize), dtype)
    assert xp.to_bytes(array) == data
    arena = memoryview(bytearray(data + bytes(48)))
    xp.pin(arena)
    landing = xp.landing(48)
    ends = [xp.copy_in(landing, at, arena[at : at + 16], xp.moment()) for at in (32, 0, 16)]
    assert all(end.done for end in ends)
    end = xp.copy_out(xp.landed(landing, array.shape, dtype), 8, arena[48:88], xp.moment())
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
    start, shape = Place(np.uint64(11), np.uint64(0)), (5, 41)
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
