"""The CuPy backend's elements, shapes, indexing, order and draws, on the strict module: values, waits and faults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from gpu.backends import Strict, strict_backend
from gpu.samples import PLAIN, Case, cases, differences
from gpu.strict import StrictError
from support.engine import GENERATOR_OPS, Run

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, ShapeError, TelegradError
from telegrad_protocol.spec import OPS
from telegrad_server.backend.cupy import CupyBackend
from telegrad_server.backend.cupy.mixin import CupyFunction
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.backend.primitives import Primitives
from telegrad_server.backend.random import philox
from telegrad_server.backend.random.philox import Counter, PhiloxGenerator
from telegrad_server.kernels import IMPLS
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import Engine
from telegrad_server.worker.memory import Budget

# Ops whose results have shapes that depend on values, or that need a value of their own to go on.
WAITING = set(
    "nonzero argwhere masked_select masked_scatter _masked_scatter_backward _index_mask bincount histc _one_hot_inferred "
    "_unique _unique_consecutive _repeated_index _repeat_interleave_each".split()
)
NUMPY = NumpyBackend()
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


@pytest.fixture(scope="module")
def strict(host_compiler: str) -> Strict:
    return strict_backend(seed=1)


@pytest.fixture
def xp(strict: Strict) -> CupyBackend:
    return strict.xp


# The interface --------------------------------------------------------------------------------------------------------

BACKENDS = (NumpyBackend, CupyBackend)
INTERFACE = sorted(Primitives.__abstractmethods__)


def test_a_backend_that_lacks_a_primitive_cannot_be_made() -> None:
    class Lacking(NumpyBackend):
        softmax = Primitives.softmax

    NumpyBackend()
    with pytest.raises(TypeError, match="softmax"):
        Lacking()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_has_no_other_primitives(backend: type) -> None:
    others = {name for name in dir(backend) if name[0] != "_"} - set(INTERFACE)
    assert {name for name in others if not isinstance(getattr(np, name, None), np.ufunc)} <= {"name", "device", "cp"}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", INTERFACE)
def test_a_primitive_takes_what_the_interface_says(name: str, backend: type) -> None:
    found = inspect.getattr_static(backend, name)
    if isinstance(found, staticmethod | CupyFunction):
        return  # a function of NumPy or CuPy, called by position
    assert parameters(found) == parameters(getattr(Primitives, name))


@pytest.mark.parametrize("made", [NumpyBackend, lambda: strict_backend().xp])
def test_functions_of_each_element_are_primitives_by_their_numpy_names(made: Callable[[], Any]) -> None:
    xp = made()
    assert xp.to_host(xp.expm1(xp.zeros((2,), dtypes.float32))).tolist() == [0.0, 0.0]
    for name in ("concat", "no_such_thing", "_add"):
        with pytest.raises(AttributeError, match=f"no primitive '{name}'"):
            getattr(xp, name)


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


# Samples ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("family", sorted(PLAIN))
def test_samples_give_what_numpy_gives(xp: CupyBackend, family: str, dtype: str) -> None:
    failed = differences(xp, [family], [dtype])
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("family", sorted(PLAIN))
def test_only_shapes_that_depend_on_values_wait(strict: Strict, family: str) -> None:
    waited = [
        str(case) for case in cases([family], ["float32"]) if case.sample.op not in WAITING and waits(case, strict)
    ]
    assert not waited


def waits(case: Case, strict: Strict) -> bool:
    """Whether an op or its gradient waits for the device; masks as indices may."""
    if any(t.dtype in ("bool", "uint8") for t in case.sample.tensors()) and case.sample.op.startswith(
        ("index", "_ind")
    ):
        return False
    run = Run(case.sample, case.dtype, engine=Engine(strict.xp, Budget(1 << 30)))
    before = strict.machine.syncs.total()
    run.call()
    if OPS[case.sample.op].differentiable:
        run.grads()
    return strict.machine.syncs.total() > before


# Faults -------------------------------------------------------------------------------------------------------------

X = np.arange(12, dtype=np.float32).reshape(3, 4)
BAD = {
    "index_select": (X, 0, np.array([0, 3])),
    "gather": (X, 1, np.array([[0, 4]])),
    "scatter": (X, 1, np.array([[-1, 0]]), np.ones((1, 2), np.float32)),
    "scatter_add": (X, 0, np.array([[7]]), np.ones((1, 1), np.float32)),
    "index_add": (X, 0, np.array([9]), np.ones((1, 4), np.float32)),
    "index_copy": (X, 0, np.array([-1]), np.ones((1, 4), np.float32)),
    "index_fill": (X, 0, np.array([-4]), 1.0),
    "index_put": (X, (np.array([5]),), np.ones(4, np.float32)),
    "_index": (X, (None, np.array([-5]))),
    "_one_hot_classes": (np.array([3]), 3),
}


def applied(xp: Any, op: str, args: tuple[Any, ...]) -> Any:
    engine = Engine(xp, Budget(1 << 20))

    def tensor(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(tensor(item) for item in value)
        return engine.wrap(xp.copy(value)) if isinstance(value, np.ndarray) else value

    return getattr(engine.unrecorded, op)(*tensor(args))


@pytest.mark.parametrize("op", BAD)
def test_a_bad_index_is_raised_at_the_next_read_in_the_same_words(xp: CupyBackend, op: str) -> None:
    with pytest.raises(TelegradError) as expected:
        applied(NUMPY, op, BAD[op])
    applied(xp, op, BAD[op])
    with pytest.raises(type(expected.value)) as found:
        xp.raise_faults()
    assert found.value.message == expected.value.message
    assert "next read" in found.value.details["hint"]
    xp.raise_faults()


def test_an_index_into_nothing_is_raised_at_once(xp: CupyBackend) -> None:
    for backend in (xp, NUMPY):
        with pytest.raises(OpIndexError, match="index out of range in self"):
            applied(backend, "index_select", (np.zeros((0, 2), np.float32), 0, np.array([0])))


def test_the_first_fault_stays(xp: CupyBackend) -> None:
    index = xp.copy(np.array([0, 5, -9]))
    xp.check_index(index, -9, 5, too_far, "first")
    xp.check_index(index, 0, 100, too_far, "second")
    with pytest.raises(OpIndexError, match="first 5"):
        xp.raise_faults()


def too_far(found: int, which: str) -> OpIndexError:
    return OpIndexError(f"{which} {found}")


def test_values_that_do_not_fit_their_places_are_refused_at_once(xp: CupyBackend) -> None:
    out = xp.copy(X)
    with pytest.raises(ShapeError, match=r"value tensor of shape \[3\] cannot be broadcast"):
        xp.add_at(out, (xp.copy(np.array([0, 1])),), xp.copy(np.ones(3, np.float32)))


@pytest.mark.parametrize("p", [-0.5, 1.5, np.nan])
def test_a_bad_probability_is_raised_at_the_next_read(xp: CupyBackend, p: float) -> None:
    xp.bernoulli(PhiloxGenerator(0), xp.copy(np.array([0.5, p])), xp.copy(np.zeros(2)))
    with pytest.raises(RuntimeError, match="Expected p_in >= 0 && p_in <= 1"):
        xp.raise_faults()


@pytest.mark.parametrize(
    ("weights", "message"), [([0.5, -1], "inf`, `nan` or element < 0"), ([0.0, 0.0], "sum of probabilities <= 0")]
)
def test_bad_weights_are_raised_at_the_next_read(xp: CupyBackend, weights: list[float], message: str) -> None:
    xp.multinomial(PhiloxGenerator(0), xp.copy(np.array(weights)), 1, False)
    with pytest.raises(RuntimeError, match=message):
        xp.raise_faults()


# What samples are too small to show ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.float16, BFLOAT16, np.float32, np.float64])
def test_values_for_one_place_are_taken_in_their_order(xp: CupyBackend, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    index = rng.integers(0, 7, 200)
    values = np.asarray(rng.standard_normal((200, 3)) * 4).astype(dtype)
    for how in ("put", "add_at"):
        found = getattr(xp, how)(xp.copy(np.zeros((7, 3), dtype)), (xp.copy(index),), xp.copy(values))
        wide = np.float32 if np.dtype(dtype).kind in "fV" and np.dtype(dtype).itemsize == 2 else dtype
        expected = getattr(NUMPY, how)(np.zeros((7, 3), wide), (index,), values.astype(wide)).astype(dtype)
        np.testing.assert_array_equal(found.get().astype("f8"), expected.astype("f8"))


@pytest.mark.parametrize("shape", [(1000,), (3, 300, 2), (2, 257), (40, 1)])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp", "max", "min", "forward", "backward"])
def test_scans_of_many_tiles(xp: CupyBackend, name: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    array, factor = rng.uniform(-1, 1, shape), rng.uniform(0.5, 1.1, shape)
    array = 1 + array / 100 if name == "cumprod" else array
    axis = 1 if len(shape) > 1 else 0
    found, expected = (scanned(backend, name, array, factor, axis) for backend in (xp, NUMPY))
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.get(), other, rtol=1e-10, atol=1e-12)


def scanned(xp: Any, name: str, array: np.ndarray, factor: np.ndarray, axis: int) -> tuple[Any, ...]:
    x, y = xp.copy(array), xp.copy(factor)
    if name in ("max", "min"):
        return xp.running_extremum(x, axis, name == "max")
    if name in ("forward", "backward"):
        return (xp.recurrence(x, y, axis, name == "backward"),)
    return (getattr(xp, name)(x, axis),)


def test_running_extrema_remember_nan_and_the_last_of_equals(xp: CupyBackend) -> None:
    array = np.array([1.0, 1.0, np.nan, 0.0, np.nan, 5.0])
    for largest in (True, False):
        mine, other = (backend.running_extremum(backend.copy(array), 0, largest) for backend in (xp, NUMPY))
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_array_equal(a.get(), b)


@pytest.mark.parametrize("right", [False, True])
def test_searching_with_nan_and_equals(xp: CupyBackend, right: bool) -> None:
    rows, values = np.array([-np.inf, 0.0, 0.0, 2.0, np.nan]), np.array([[-1.0, 0.0, np.nan], [np.inf, 2.0, -np.inf]])
    found = xp.searchsorted(xp.copy(rows), xp.copy(values), right)
    np.testing.assert_array_equal(found.get(), NUMPY.searchsorted(rows, values, right))


def test_histograms_count_as_numpy_does(xp: CupyBackend) -> None:
    values = np.concatenate([np.random.default_rng(2).uniform(-3, 3, 5000), np.linspace(-2, 2, 41), [np.nan]])
    for low, high in ((-2.0, 2.0), (-2.5, 0.1)):
        found = xp.histogram(xp.copy(values), 40, low, high)
        np.testing.assert_array_equal(found.get(), NUMPY.histogram(values, 40, low, high))


def test_integer_powers_and_quotients(xp: CupyBackend) -> None:
    base, exponent = np.array([-2, -1, 0, 1, 3, 7]), np.array([-1, -3, 2, -2, 3, 0])
    a, b = xp.copy(base), xp.copy(exponent)
    np.testing.assert_array_equal(xp.power(a, b).get(), NUMPY.power(base, exponent))
    np.testing.assert_array_equal(xp.power(a, -2).get(), NUMPY.power(base, -2))
    for name in ("floor_divide", "trunc_divide", "remainder", "fmod"):
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(getattr(xp, name)(a, b).get(), getattr(NUMPY, name)(base, exponent))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "fmod"])
def test_bfloat16_stays_itself_beside_a_number(xp: CupyBackend, name: str) -> None:
    array = np.array([0.5, 1.25, 3.0]).astype(BFLOAT16)
    for operands in ((xp.copy(array), 1.1), (1.1, xp.copy(array))):
        assert getattr(xp, name)(*operands).dtype == BFLOAT16
    assert xp.where(xp.copy(np.array([True, False, True])), xp.copy(array), 0.5).dtype == BFLOAT16


# Draws --------------------------------------------------------------------------------------------------------------

SHAPE, COUNT, SEED = (7, 29), 203, 2**63 + 5
START = Counter(np.uint64(SEED), np.uint64(0))
WIDE = {"float64": {"rtol": 1e-13}, "float32": {"rtol": 1e-6}, "float16": {"rtol": 1e-3}, "bfloat16": {"rtol": 8e-3}}


@pytest.mark.parametrize("name", WIDE)
def test_draws_are_those_of_the_reference(xp: CupyBackend, name: str) -> None:
    dtype, native = getattr(dtypes, name), xp.dtype(getattr(dtypes, name))
    like = xp.zeros(SHAPE, dtype)
    for draw, expected in (
        (lambda g: xp.rand(g, SHAPE, dtype), philox.units(START, COUNT, native)),
        (lambda g: xp.uniform(g, like, -1.0, 3.0), philox.units(START, COUNT, native) * 4 - 1),
        (lambda g: xp.randn(g, SHAPE, dtype), philox.normals(START, COUNT, native)),
        (lambda g: xp.normal(g, like, 2.0, 0.5), philox.normals(START, COUNT, native) / 2 + 2),
        (lambda g: xp.exponential(g, like, 2.0), philox.exponentials(START, COUNT, native) / 2),
        (lambda g: xp.bernoulli(g, 0.3, like), philox.truths(START, COUNT, 0.3)),
        (lambda g: xp.keep_mask(g, 0.8, SHAPE, like), philox.truths(START, COUNT, 0.8) / 0.8),
    ):
        found = draw(PhiloxGenerator(SEED))
        assert found.dtype == native
        np.testing.assert_allclose(
            found.get().reshape(-1).astype("f8"),
            expected.astype("f8"),
            **WIDE[name],
            atol=1e-6 if name != "float64" else 0,
        )


@pytest.mark.parametrize(("low", "high"), [(0, 10), (-(2**40), 2**41), (-5, 5)])
@pytest.mark.parametrize("name", ["int64", "int32", "float64"])
def test_integers_are_those_of_the_reference(xp: CupyBackend, name: str, low: int, high: int) -> None:
    if name == "int32" and high > 2**31:
        pytest.skip("int32 does not hold the range")
    found = xp.randint(PhiloxGenerator(SEED), low, high, SHAPE, getattr(dtypes, name))
    np.testing.assert_array_equal(found.get().reshape(-1), philox.integers(START, COUNT, low, high - low))


def test_integers_of_the_whole_range(xp: CupyBackend) -> None:
    like = xp.zeros(SHAPE, dtypes.int64)
    whole = xp.random_integers(PhiloxGenerator(SEED), like, -(2**63), None)
    np.testing.assert_array_equal(whole.get().reshape(-1), philox.integers(START, COUNT, -(2**63), 2**64))
    positive = xp.random_integers(PhiloxGenerator(SEED), like, None, None)
    np.testing.assert_array_equal(positive.get().reshape(-1), philox.integers(START, COUNT, 0, 2**63))


def test_permutations_order_the_words_of_the_reference(xp: CupyBackend) -> None:
    found = xp.randperm(PhiloxGenerator(SEED), 50, dtypes.int64).get()
    np.testing.assert_array_equal(found, np.argsort(philox.words64(START, 50), kind="stable"))


@pytest.mark.parametrize("native", [np.float32, np.float64])
def test_truths_by_each_probability(xp: CupyBackend, native: Any) -> None:
    p = np.random.default_rng(0).uniform(0, 1, SHAPE).astype(native)
    found = xp.bernoulli(PhiloxGenerator(SEED), xp.copy(p), xp.copy(p))
    np.testing.assert_array_equal(found.get().reshape(-1), philox.truths(START, COUNT, p.reshape(-1)))


@pytest.mark.parametrize("replacement", [False, True])
def test_samples_by_weight(xp: CupyBackend, replacement: bool) -> None:
    weights = np.array([0.0, 1.0, 2.0, 0.0, 5.0])
    found = xp.multinomial(PhiloxGenerator(1), xp.copy(np.tile(weights, (4000, 1))), 2, replacement).get()
    assert found.shape == (4000, 2)
    shares = np.bincount(found[:, 0], minlength=5) / 4000
    np.testing.assert_allclose(shares, weights / 8, atol=0.03)
    assert replacement == bool((found[:, 0] == found[:, 1]).any())


@pytest.mark.parametrize("op", sorted(op for op in GENERATOR_OPS & set(IMPLS) if OPS[op].family == "random"))
def test_a_draw_moves_the_generator_and_repeats_after_going_back(xp: CupyBackend, op: str) -> None:
    case = next(case for case in cases(["random"], ["float32"]) if case.sample.op == op)
    run = Run(case.sample, case.dtype, engine=Engine(xp, Budget(1 << 30)))
    generator = run.args[OPS[op].generator_slot]
    before = generator.snapshot()
    first = [xp.to_host(out.data) for out in run.call()]
    assert generator.snapshot() != before
    generator.restore(before)
    for out, same in zip(run.call(), first, strict=True):
        np.testing.assert_array_equal(xp.to_host(out.data), same)
        assert out.data.dtype == xp.dtype(out.dtype)


def test_a_refused_draw_consumes_nothing(xp: CupyBackend) -> None:
    generator, like = PhiloxGenerator(4), xp.zeros((3,), dtypes.float32)
    for call in (
        lambda: xp.uniform(generator, like, 2.0, 1.0),
        lambda: xp.normal(generator, like, 0.0, -1.0),
        lambda: xp.exponential(generator, like, 0.0),
        lambda: xp.bernoulli(generator, 1.5, like),
        lambda: xp.randint(generator, 3, 3, (2,), dtypes.int64),
        lambda: xp.randperm(generator, -1, dtypes.int64),
        lambda: xp.multinomial(generator, like, 4, False),
    ):
        with pytest.raises(RuntimeError):
            call()
    assert generator.snapshot() == (4, 0)


# Sessions and bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_bytes_go_there_and_back(xp: CupyBackend, dtype: Any) -> None:
    data = bytes(range(1, 49))
    data = bytes(b & 1 for b in data) if dtype is dtypes.bool_ else data
    shape = (2, 24 // dtype.itemsize)
    array = xp.from_bytes(data, shape, dtype)
    assert xp.to_bytes(array) == data
    assert xp.to_host(array).dtype == xp.dtype(dtype)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_pieces_land_and_leave_beside_the_kernels(xp: CupyBackend, dtype: Any) -> None:
    data = bytes(b & 1 if dtype is dtypes.bool_ else b for b in range(1, 49))
    arena = memoryview(bytearray(data + bytes(48)))
    xp.pin(arena)
    buffer, begin = xp.upload_buffer(48), xp.record_event()
    ends = [xp.copy_in(buffer, at, arena[at : at + 16], begin) for at in (32, 0, 16)]
    assert [end.done for end in ends] == [False, False, False], "nobody has waited"
    assert all(end.done for end in ends)
    array = xp.as_array(buffer, (2, 24 // dtype.itemsize), dtype)
    assert xp.to_bytes(array) == data
    end = xp.copy_out(array, 8, arena[48:88], xp.record_event())
    assert bytes(arena[48:88]) != data[8:], "it is not there yet"
    while not end.done:
        pass
    assert bytes(arena[48:88]) == data[8:]


def test_copies_wait_on_the_device_for_what_they_copy_and_for_memory_in_use(strict: Strict) -> None:
    xp, machine = strict
    arena = memoryview(bytearray(64))
    xp.pin(arena)
    with machine.no_sync():
        made = xp.ones((16,), dtypes.float32)
        end = xp.copy_out(made, 0, arena, xp.record_event())
        xp.add_into(made, made)  # goes on meanwhile: writers copy what a read pins
        while not end.done:
            pass
    assert np.frombuffer(arena, np.float32).tolist() == [1.0] * 16
    early = xp.record_event()
    late = xp.ones((16,), dtypes.float32)
    with pytest.raises(StrictError, match="has not waited"):
        xp.copy_out(late, 0, arena, early)


def test_a_session_has_a_limit_and_faults_of_its_own(xp: CupyBackend) -> None:
    mine = xp.for_session(1 << 16)
    with mine.active():
        mine.zeros((1000,), dtypes.float32)
        with pytest.raises(MemoryError):
            mine.zeros((1 << 16,), dtypes.float32)
        mine.check_index(mine.copy(np.array([9])), 0, 1, too_far, "mine")
    xp.raise_faults()
    with pytest.raises(OpIndexError, match="mine 9"):
        mine.raise_faults()
    mine.empty_cache()
    mine.synchronize()
    free, total = mine.memory_info()
    assert 0 < free <= total
