"""Each rule of the strict module bites: what CuPy refuses, what it lacks, and what it does silently."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from gpu.strict import Machine, NotInStrict, OutOfMemoryError, StrictBlas, StrictError, make_module
from gpu.strict.functions import Functions
from gpu.strict.signatures import SNAPSHOT, describe, parse, signature, snapshot

BF16 = ml_dtypes.bfloat16


@pytest.fixture
def machine() -> Machine:
    return Machine(seed=3)


@pytest.fixture
def cp(machine: Machine) -> Any:
    return make_module(machine)


# Names and signatures ---------------------------------------------------------------------------------------------


def test_snapshot_is_that_of_the_installed_cupy() -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: its names cannot be compared with the snapshot")
    from gpu.snapshot import render, take

    if cupy.__version__ != snapshot()["cupy"]:
        pytest.skip(f"CuPy {cupy.__version__} is installed, the snapshot is of {snapshot()['cupy']}")
    assert json.loads(render(take(cupy))) == json.loads(SNAPSHOT.read_text())


@pytest.mark.parametrize("text", ["", "a, axis=, *, dtype=", "*args, out=, **kwargs", "a, /, b"])
def test_signatures_survive_being_written_down(text: str) -> None:
    assert describe(parse(text)) == text


def test_implementations_take_what_cupy_takes() -> None:
    helpers = {"operand", "array_operand", "fresh", "matmul"}
    written = {name: f for name, f in vars(Functions).items() if name[0] != "_" and inspect.isfunction(f)}
    assert len(written) > 30
    for name, function in written.items():
        if name in helpers:
            continue
        full = f"lib.stride_tricks.{name}" if name in ("as_strided", "sliding_window_view") else name
        known = signature(full)
        assert known is not None, full
        ours = describe(inspect.signature(function)).removeprefix("self, ")
        assert ours == describe(known), name


@pytest.mark.parametrize("name", ["block", "errstate", "unstack", "nditer", "vecdot", "no_such_thing"])
def test_numpys_own_names_do_not_exist(cp: Any, name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(cp, name)


def test_what_is_not_implemented_says_its_name(cp: Any) -> None:
    with pytest.raises(NotInStrict, match=r"cupy\.hanning"):
        _ = cp.hanning
    with pytest.raises(NotInStrict, match=r"cupy\.ndarray\.toDlpack"):
        _ = cp.zeros(3).toDlpack
    with pytest.raises(AttributeError):
        _ = cp.linalg.vector_norm


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: cp.sum(x, where=x > 0),
        lambda cp, x: cp.sum(x, initial=0),
        lambda cp, x: cp.add(x, x, where=x > 0),
        lambda cp, x: cp.add(x, x, order="C"),
        lambda cp, x: cp.take(x, cp.zeros(1, int), mode="wrap"),
        lambda cp, x: cp.sort(x, stable=True),
        lambda cp, x: cp.clip(x, min=0, max=1),
        lambda cp, x: cp.reshape(x, shape=(3,)),
        lambda cp, x: cp.zeros(3, device="cpu"),
        lambda cp, x: cp.linalg.eigh(x, uplo="L"),
        lambda cp, x: x.sum(where=True),
    ],
)
def test_keywords_that_cupy_lacks(cp: Any, call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(cp, cp.ones(3))


# NumPy stays out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: x + np.ones(3),
        lambda cp, x: np.ones(3) + x,
        lambda cp, x: np.float32(2) * x,
        lambda cp, x: x @ np.ones(3),
        lambda cp, x: x + [1, 2, 3],  # noqa: RUF005
        lambda cp, x: np.add(x, 1),
        lambda cp, x: np.sum(x),
        lambda cp, x: np.asarray(x),
        lambda cp, x: np.concatenate([x, x]),
        lambda cp, x: cp.sum(np.ones(3)),
        lambda cp, x: cp.where(x > 0, np.ones(3), x),
        lambda cp, x: cp.concatenate([x, np.ones(3)]),
        lambda cp, x: cp.take(x, np.array([0])),
        lambda cp, x: x[np.array([0, 1])],
        lambda cp, x: x[[0, 1]],
        lambda cp, x: cp.full(3, np.ones(3)),
        lambda cp, x: cp.linalg.inv(np.eye(3)),
    ],
)
def test_arrays_and_lists_of_the_host_are_refused(cp: Any, call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(cp, cp.ones(3))


@pytest.mark.parametrize("value", [np.ones(3), [1.0, 2.0, 3.0]])
def test_assigning_from_the_host_is_refused(cp: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="non-scalar"):
        cp.ones(3)[:] = value


def test_numbers_of_the_host_are_operands(cp: Any) -> None:
    x = cp.ones(3, np.float32)
    assert (x + 1.5).dtype == np.float32
    assert (x + np.float64(1)).dtype == np.float64
    assert (x + cp.asarray(1.0)).dtype == np.float64
    assert (2 - x).tolist() == [1, 1, 1]


def test_none_equals_no_element(cp: Any) -> None:
    assert (cp.ones(2) == None).tolist() == [False, False]  # noqa: E711 - the comparison is what is tested
    assert (cp.ones(2) != None).tolist() == [True, True]  # noqa: E711


# Synchronisations -------------------------------------------------------------------------------------------------

WAITING: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "float": (1, lambda cp, x: float(x.sum())),
    "int": (1, lambda cp, x: int(x.sum())),
    "bool": (1, lambda cp, x: bool(x.all())),
    "if": (1, lambda cp, x: 1 if x[0] else 2),
    "item": (1, lambda cp, x: x[0].item()),
    "get": (1, lambda cp, x: x.get()),
    "tolist": (1, lambda cp, x: x.tolist()),
    "repr": (1, lambda cp, x: repr(x)),
    "format": (1, lambda cp, x: f"{x.sum():.2f}"),
    "asnumpy": (1, lambda cp, x: cp.asnumpy(x)),
    "mask": (1, lambda cp, x: x[x > 1]),
    "nonzero": (1, lambda cp, x: cp.nonzero(x)),
    "where": (1, lambda cp, x: cp.where(x > 1)),
    "unique": (1, lambda cp, x: cp.unique(x)),
    "slice bound": (1, lambda cp, x: x[: cp.asarray(2)]),
    "repeat": (2, lambda cp, x: cp.repeat(x, cp.asarray([1, 2, 1]))),
    "tril_indices": (2, lambda cp, x: cp.tril_indices(3)),
    "histogram": (4, lambda cp, x: cp.histogram(x)),
    "in": (1, lambda cp, x: 1.0 in x),
    "stream": (1, lambda cp, x: cp.cuda.get_current_stream().synchronize()),
    "device": (1, lambda cp, x: cp.cuda.Device().synchronize()),
}


@pytest.mark.parametrize("name", WAITING)
def test_waiting_is_counted_and_forbidden(cp: Any, machine: Machine, name: str) -> None:
    waits, call = WAITING[name]
    x = cp.asarray(np.array([1.0, 2.0, 3.0]))
    with machine.no_sync(), pytest.raises(StrictError, match="waits"):
        call(cp, x)
    machine.syncs.clear()
    call(cp, x)
    assert machine.syncs.total() == waits


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: x.sum() + x.max(axis=0) * x[0],
        lambda cp, x: cp.where(x > 1, x, 0.0),
        lambda cp, x: x.__setitem__(x > 1, 0.0),
        lambda cp, x: cp.asarray(np.ones(3)),
        lambda cp, x: cp.take(x, cp.asarray([0, 2])),
        lambda cp, x: cp.sort(cp.concatenate([x, x]))[::-1],
        lambda cp, x: cp.repeat(x, 2),
        lambda cp, x: x[x.argmax()],
    ],
)
def test_work_on_the_device_waits_for_nothing(cp: Any, machine: Machine, call: Callable[[Any, Any], Any]) -> None:
    x = cp.ones(3)
    with machine.no_sync():
        call(cp, x)
    assert not machine.syncs


def test_reductions_and_elements_are_arrays(cp: Any) -> None:
    x = cp.ones((2, 3))
    for found in (x.sum(), x[0, 0], cp.argmax(x), cp.mean(x), x.max(axis=(0, 1))):
        assert isinstance(found, cp.ndarray)
        assert found.shape == ()


@pytest.mark.parametrize(
    "call",
    [lambda cp, n: range(n), lambda cp, n: [1, 2][n], lambda cp, n: cp.zeros((n,)), lambda cp, n: cp.arange(n)],
)
def test_an_array_is_no_index(cp: Any, call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(cp, cp.asarray(1))


# Indices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x, i: x[i],
        lambda cp, x, i: x[..., i],
        lambda cp, x, i: x[:, i],
        lambda cp, x, i: cp.take(x, i, 1),
        lambda cp, x, i: cp.take_along_axis(x, i.reshape(-1, 1), 1),
        lambda cp, x, i: x.__setitem__((slice(None), i), 0.0),
        lambda cp, x, i: cp.add.at(x, (slice(None), i), 1.0),
    ],
)
@pytest.mark.parametrize("bad", [3, -4])
def test_indices_out_of_bounds_are_found(cp: Any, call: Callable[..., Any], bad: int) -> None:
    x = cp.zeros((3, 3))
    call(cp, x, cp.asarray([0, 2, -3]))
    with pytest.raises(StrictError, match="wraps"):
        call(cp, x, cp.asarray([0, 2, bad]))


def test_two_values_for_one_element_are_found(cp: Any) -> None:
    x = cp.zeros(4)
    x[cp.asarray([0, 1])] = cp.asarray([1.0, 2.0])
    x[cp.asarray([3, 3])] = 5.0
    assert x.tolist() == [1, 2, 0, 5]
    with pytest.raises(StrictError, match="twice"):
        x[cp.asarray([1, -3])] = cp.asarray([1.0, 2.0])


# Dtypes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int16, BF16, np.complex64])
def test_add_at_for_dtypes_without_atomics(cp: Any, dtype: Any) -> None:
    with pytest.raises(TypeError, match="at is not supported"):
        cp.add.at(cp.zeros(3, dtype), cp.asarray([0]), 1)


def test_at_and_reduce_that_exist(cp: Any) -> None:
    x = cp.zeros(3, np.float16)
    cp.add.at(x, cp.asarray([1, 1]), 2.0)
    assert x.tolist() == [0, 4, 0]
    assert cp.add.reduce(cp.ones((2, 3))).tolist() == [2, 2, 2]
    assert cp.multiply.accumulate(cp.full(3, 2)).tolist() == [2, 4, 8]
    with pytest.raises(TypeError):
        cp.maximum.at(x, cp.asarray([1]), 2.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: cp.maximum.reduce(x),
        lambda cp, x: cp.logical_and.reduce(x),
        lambda cp, x: cp.maximum.accumulate(x),
        lambda cp, x: cp.multiply.at(x, cp.asarray([0]), 2),
        lambda cp, x: cp.subtract.at(x, cp.asarray([0]), 2),
        lambda cp, x: cp.multiply.reduceat(x, cp.asarray([0])),
    ],
)
def test_methods_of_ufuncs_that_do_not_exist(cp: Any, call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(NotImplementedError, match="not supported"):
        call(cp, cp.ones(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: cp.matmul(x, x),
        lambda cp, x: cp.einsum("bij,bjk->bik", x, x),
        lambda cp, x: cp.cumsum(x),
        lambda cp, x: cp.sort(x),
        lambda cp, x: cp.argsort(x),
        lambda cp, x: cp.where(x > 0, x, 0),
        lambda cp, x: cp.where(x > 0, x, x.astype(np.float32)),
        lambda cp, x: cp.tril(x),
        lambda cp, x: cp.clip(x, 0, 1),
        lambda cp, x: cp.linalg.inv(x),
    ],
)
def test_gaps_of_bfloat16(cp: Any, call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(cp, cp.ones((2, 3, 3), BF16))


def test_bfloat16_where_it_works(cp: Any) -> None:
    x = cp.full((2, 2), 1.5, BF16)
    assert (x + 1.5).dtype == np.float32
    assert (x + 1).dtype == BF16
    assert (x @ x).dtype == x.sum().dtype == cp.exp(x).dtype == BF16
    assert cp.full(1000, 1, BF16).sum().item() == 1000


def test_batched_products_of_float16_are_refused(cp: Any) -> None:
    x = cp.ones((2, 3, 3), np.float16)
    with pytest.raises(TypeError, match="halves"):
        cp.matmul(x, x)
    assert cp.matmul(x[0], x[0]).dtype == np.float16


def test_a_ufunc_takes_the_loops_that_cupy_has(cp: Any) -> None:
    flags, floats = cp.ones(2, bool), cp.ones(2)
    assert cp.sqrt(cp.ones(2, np.int8)).dtype == np.float16
    assert cp.power(flags, flags).dtype == np.int8
    assert cp.floor(cp.ones(2, np.int32)).dtype == np.int32
    with pytest.raises(TypeError, match="Wrong type"):
        cp.bitwise_and(floats, floats)
    with pytest.raises(TypeError, match="coerced"):
        cp.add(cp.ones(2, int), 0.5, out=cp.ones(2, int))


def test_integers_divided_by_zero_and_negative_powers(cp: Any) -> None:
    x, zero = cp.asarray([1, -7]), cp.asarray([0, 0])
    assert (x // zero).tolist() == (x % zero).tolist() == [0, 0]
    assert (cp.asarray([2, 1, -1]) ** cp.asarray([-1, -2, -3])).tolist() == [0, 1, -1]


def test_casts_to_integers_saturate(cp: Any) -> None:
    x = cp.asarray([np.nan, np.inf, -np.inf, 1e30, -2.7])
    limits = np.iinfo(np.int64)
    assert x.astype(np.int64).tolist() == [0, limits.max, limits.min, limits.max, -2]


def test_subnormals_of_float32_are_flushed(cp: Any) -> None:
    assert (cp.asarray(np.float32(1e-38)) * np.float32(0.1)).item() == 0
    assert (cp.asarray(1e-308) * 0.1).item() > 0


def test_singular_matrices_raise_nothing(cp: Any) -> None:
    assert np.isnan(cp.linalg.inv(cp.zeros((2, 2))).get()).all()
    assert np.isnan(cp.linalg.cholesky(-cp.eye(2)).get()).all()


# Memory -----------------------------------------------------------------------------------------------------------


def test_unwritten_memory_is_poison(cp: Any) -> None:
    assert np.isnan(cp.empty((2, 2), np.float32).get()).all()
    assert np.isnan(cp.empty(2, BF16).get().astype(np.float32)).all()
    assert cp.empty(2, np.int64).get().min() > 1 << 60
    assert np.isnan(cp.ndarray(4, np.float32, cp.cuda.alloc(16)).get()).all()


def test_freed_memory_is_poison(cp: Any) -> None:
    x = cp.ones(4, np.float32)
    kept = x._a
    del x
    assert np.isnan(kept).all()


def test_a_view_keeps_its_memory(cp: Any) -> None:
    x = cp.ones((4, 4))[1:].T
    assert x.sum().item() == 12


def test_pools_have_limits_of_their_own(cp: Any) -> None:
    pool = cp.cuda.MemoryPool()
    pool.set_limit(size=4096)
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros(256, np.float32)
        assert pool.used_bytes() == 1024
        with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="Out of memory"):
            cp.zeros(1000, np.float32)
        y = x + 1
    cp.zeros(1 << 16)
    del x
    assert (pool.used_bytes(), pool.total_bytes()) == (1024, 2048)
    pool.free_all_blocks()
    assert pool.total_bytes() == 1024
    assert isinstance(OutOfMemoryError(1, 2), MemoryError)
    assert y.sum().item() == 256


def test_the_nth_allocation_fails_once(cp: Any, machine: Machine) -> None:
    machine.fail_allocation(3)
    x = cp.ones(4) + 1
    with pytest.raises(OutOfMemoryError):
        x + 1
    assert (x + 1).tolist() == [3, 3, 3, 3]


# Devices, streams, copies -------------------------------------------------------------------------------------------


def test_memory_of_another_device_is_refused(cp: Any) -> None:
    x = cp.ones(3)
    with cp.cuda.Device(1):
        y = cp.ones(3)
        assert y.device.id == 1
        with pytest.raises(ValueError, match="device"):
            x + y
    with pytest.raises(ValueError, match="device"):
        x + y
    with pytest.raises(RuntimeError, match="invalid device"):
        cp.cuda.Device(2)


def test_a_stream_waits_for_another_by_an_event(cp: Any) -> None:
    side = cp.cuda.Stream(non_blocking=True)
    x, y = cp.ones(3), cp.ones(3)
    event = cp.cuda.get_current_stream().record()
    with side:
        with pytest.raises(StrictError, match="has not waited"):
            x + 1
        side.wait_event(event)
        assert (y + 1).tolist() == [2, 2, 2]


def test_synchronizing_lets_every_stream_go_on(cp: Any) -> None:
    x = cp.ones(3)
    cp.cuda.Device().synchronize()
    with cp.cuda.Stream():
        x += 1


def pinned(cp: Any, count: int) -> np.ndarray:
    return np.frombuffer(cp.cuda.alloc_pinned_memory(4 * count), np.float32, count)


def test_a_download_arrives_with_its_event(cp: Any) -> None:
    x, host = cp.ones(3, np.float32), pinned(cp, 3)
    x.get(out=host, blocking=False)
    event = cp.cuda.get_current_stream().record()
    assert np.isnan(host).all()
    x += 1
    assert not event.done
    assert event.done
    assert host.tolist() == [1, 1, 1]
    x.data.copy_to_host_async(host.ctypes.data, 12)
    assert np.isnan(host).all()
    cp.cuda.get_current_stream().synchronize()
    assert host.tolist() == [2, 2, 2]


def test_an_event_does_not_cover_what_came_after_it(cp: Any) -> None:
    x, host = cp.ones(3, np.float32), pinned(cp, 3)
    event = cp.cuda.get_current_stream().record()
    x.get(out=host, blocking=False)
    event.synchronize()
    assert np.isnan(host).all()


def test_an_upload_owns_its_bytes_until_it_has_ended(cp: Any) -> None:
    x, host = cp.empty(3, np.float32), pinned(cp, 3)
    host[:] = 7
    x.set(host)
    host[:] = 8
    with pytest.raises(StrictError, match="overwritten"):
        cp.cuda.get_current_stream().synchronize()


def test_pinned_memory_lives_until_its_copy_has_ended(cp: Any) -> None:
    x = cp.ones(3, np.float32)
    x.get(out=pinned(cp, 3), blocking=False)
    with pytest.raises(StrictError, match="freed"):
        cp.cuda.get_current_stream().synchronize()


def test_memory_stays_until_a_copy_on_another_stream_has_read_it(cp: Any) -> None:
    x, host, copies = cp.ones(3, np.float32), pinned(cp, 3), cp.cuda.Stream(non_blocking=True)
    copies.wait_event(cp.cuda.get_current_stream().record())
    x.data.copy_to_host_async(host.ctypes.data, 12, copies)
    x + 1  # reading it meanwhile is no fault
    del x
    with pytest.raises(StrictError, match="freed while"):
        copies.synchronize()


def test_memory_of_the_host_can_be_pinned_where_it_is(cp: Any) -> None:
    x, host = cp.ones(3, np.float32), np.zeros(3, np.float32)
    cp.cuda.runtime.hostRegister(host.ctypes.data, host.nbytes, 0)
    x.get(out=host, blocking=False)
    cp.cuda.get_current_stream().synchronize()
    assert host.tolist() == [1, 1, 1]


def test_copies_beside_the_host_need_pinned_memory(cp: Any) -> None:
    with pytest.raises(StrictError, match="not pinned"):
        cp.ones(3).get(out=np.empty(3), blocking=False)


# Layout -----------------------------------------------------------------------------------------------------------


def test_layouts_are_random_where_cupy_promises_none(cp: Any) -> None:
    x = cp.ones((2, 3, 4))
    assert {(x + 1).strides for _ in range(20)} > {x.strides}
    assert all(cp.ascontiguousarray(x + 1).flags.c_contiguous for _ in range(9))
    assert all((x + 1).copy().flags.c_contiguous for _ in range(9))
    assert all(cp.empty((2, 3)).flags.c_contiguous for _ in range(9))


def test_the_seed_decides_the_layouts() -> None:
    def layouts(seed: int) -> list[tuple[int, ...]]:
        x = make_module(Machine(seed)).ones((2, 3, 4))
        return [(x + n).strides for n in range(9)]

    assert layouts(5) == layouts(5) != layouts(6)


def test_views_can_be_written(cp: Any) -> None:
    x = cp.zeros((3, 3))
    cp.diagonal(x)[...] = 2.0
    cp.flip(x, 1)[0, 0] = 7.0
    assert x.tolist() == [[2, 0, 7], [0, 2, 0], [0, 0, 2]]
    row = cp.zeros(3)
    cp.broadcast_to(row, (2, 3))[0] = 1.0
    assert row.tolist() == [1, 1, 1]
    with pytest.raises(StrictError, match="beyond"):
        cp.lib.stride_tricks.as_strided(row, (1 << 10,), (8,))


# Kernels ----------------------------------------------------------------------------------------------------------

SOURCE = """
template <class T> __global__ void twice(const T* x, T* out, long long count) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = x[i] + x[i];
}
"""


@pytest.mark.usefixtures("host_compiler")
def test_kernels_run_on_the_memory_of_the_device(cp: Any) -> None:
    module = cp.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=("twice<float>",), backend="nvrtc")
    twice, x, out = module.get_function("twice<float>"), cp.ones(5, np.float32), cp.empty(5, np.float32)
    twice((1,), (32,), (x, out, np.int64(5)))
    assert out.tolist() == [2] * 5
    with pytest.raises(StrictError, match="width"):
        twice((1,), (32,), (x, out, 5))
    with pytest.raises(TypeError, match="Unsupported"):
        twice((1,), (32,), (x, np.empty(5, np.float32), np.int64(5)))
    for grid, block in (((0,), (32,)), ((1,), (2048,))):
        with pytest.raises(RuntimeError, match="INVALID_VALUE"):
            twice(grid, block, (x, out, np.int64(5)))


# Products ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, BF16, np.float32, np.float64])
def test_gemm_is_that_of_cublas(cp: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (cp.asarray(rng.standard_normal(shape).astype(dtype)) for shape in ((2, 4, 3), (2, 4, 5)))
    out = cp.empty((2, 3, 5), dtype)
    # Row-major: out = a.T @ b, which is in column-major terms out.T = b.T @ a.
    StrictBlas().gemm(b, a, out, (5, 3, 4), (False, True), (5, 3, 5), 2, (20, 12, 15))
    wanted = np.swapaxes(a.get().astype(np.float32), 1, 2) @ b.get().astype(np.float32)
    np.testing.assert_allclose(out.get().astype(np.float32), wanted, rtol=2e-2, atol=2e-2)


GOOD: dict[str, Any] = {
    "sizes": (5, 3, 4),
    "transposed": (False, False),
    "leading": (5, 4, 5),
    "batch": 1,
    "steps": (0, 0, 0),
}


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": (5, 3, 5)},
        {"sizes": (0, 3, 4)},
        {"leading": (4, 4, 5)},
        {"leading": (6, 4, 5)},
        {"leading": (5, 4, 6)},
        {"transposed": (True, False)},
        {"batch": 2},
        {"batch": 2, "steps": (20, 12, 15)},
    ],
    ids=str,
)
def test_gemm_out_of_its_matrices_is_found(cp: Any, change: dict[str, Any]) -> None:
    arrays = [cp.ones(shape, np.float32) for shape in ((4, 5), (3, 4), (3, 5))]
    StrictBlas().gemm(*arrays, **GOOD)
    with pytest.raises(StrictError):
        StrictBlas().gemm(*arrays, **(GOOD | change))


def test_gemm_of_mixed_dtypes_is_found(cp: Any) -> None:
    arrays = [cp.ones(s, d) for s, d in (((4, 5), np.float32), ((3, 4), np.float64), ((3, 5), np.float32))]
    with pytest.raises(StrictError, match="float64"):
        StrictBlas().gemm(*arrays, **GOOD)
