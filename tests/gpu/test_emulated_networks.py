"""Networks on the CuPy backend, on emulated devices: what they compute, what they wait for, what a bad index does."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from gpu.emulated import Counters, check_fences, counters
from gpu.samples import Case, cases, compare, skip_reason

from telegrad_protocol.errors import OpIndexError
from telegrad_server.backend.cupy import CupyBackend, open_device
from telegrad_server.backend.numpy import NumpyBackend

FAMILIES = "matmul normalization loss attention convolution pooling resampling embedding activation".split()
# Relative and absolute: what one rounding more or less may make of a few steps.
CLOSE = {
    np.dtype(np.float16): (4e-3, 2e-3),
    np.dtype(ml_dtypes.bfloat16): (3e-2, 2e-2),
    np.dtype(np.float32): (2e-5, 2e-6),
    np.dtype(np.float64): (1e-11, 1e-12),
}
SGD = {
    "plain": (0.0, 0.0, 0.0, False, False),
    "momentum": (0.9, 0.1, 0.05, False, True),
    "nesterov": (0.9, 0.0, 0.1, True, False),
}
ADAM = {"adam": (0.1, False, False), "adamw": (0.1, True, True), "plain": (0.0, False, False)}
NUMPY = NumpyBackend()
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def xp(cp: ModuleType) -> CupyBackend:
    return open_device()


@pytest.fixture(autouse=True)
def intact(xp: CupyBackend) -> Any:
    """No test writes outside its arrays, or leaves a fault."""
    yield
    check_fences()
    assert not xp.device.fault.get()[0]


@pytest.fixture(params=CLOSE, ids=str)
def dtype(request: pytest.FixtureRequest) -> np.dtype[Any]:
    return request.param


def drawn(dtype: Any, *shape: int) -> np.ndarray:
    return np.asarray(rng.standard_normal(shape)).astype(dtype)


def on(cp: ModuleType, values: Any) -> Any:
    """NumPy arrays, also in lists, as arrays on the device."""
    if isinstance(values, list):
        return [on(cp, value) for value in values]
    return cp.asarray(values) if isinstance(values, np.ndarray) else values


def agree(found: Any, expected: Any) -> None:
    if isinstance(expected, list | tuple):
        for mine, other in zip(found, expected, strict=True):
            agree(mine, other)
        return
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype
    rtol, atol = CLOSE.get(expected.dtype, (0, 0))
    np.testing.assert_allclose(found.get().astype("f8"), expected.astype("f8"), rtol=rtol, atol=atol)


# Ops ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", list(cases(FAMILIES)), ids=str)
def test_a_sample_gives_what_numpy_gives(xp: CupyBackend, case: Case) -> None:
    reason = skip_reason(case)
    if reason is not None:
        pytest.skip(reason)
    compare(case, xp)


@pytest.mark.parametrize("width", [1, 31, 257, 3000])
@pytest.mark.parametrize("log", [False, True])
def test_rows_of_any_width(cp: ModuleType, xp: CupyBackend, dtype: Any, width: int, log: bool) -> None:
    x, g = drawn(dtype, 3, width, 2), drawn(dtype, 3, width, 2)
    out = NUMPY.softmax(x, 1, log)
    agree(xp.softmax(cp.asarray(x), 1, log), out)
    agree(xp.softmax_backward(cp.asarray(g), cp.asarray(out), 1, log), NUMPY.softmax_backward(g, out, 1, log))


def test_layer_norm_adds_up_a_weights_gradient_in_parts(cp: ModuleType, xp: CupyBackend) -> None:
    x, g, weight = drawn("f8", 150, 9), drawn("f8", 150, 9), drawn("f8", 9)
    out, *saved = NUMPY.layer_norm(x, weight, None, 1e-5)
    found, *kept = xp.layer_norm(*on(cp, [x, weight]), None, 1e-5)
    agree(found, out)
    expected = NUMPY.layer_norm_backward(g, x, *saved, weight)
    agree(xp.layer_norm_backward(*on(cp, [g, x]), *kept, cp.asarray(weight)), expected)


@pytest.mark.parametrize(("width", "rows"), [(3, 200), (300, 20)])
def test_a_tables_gradient_adds_up_in_the_order_of_the_indices(
    cp: ModuleType, xp: CupyBackend, width: int, rows: int
) -> None:
    """Bit by bit as on the CPU, for indices that come once, often, and not at all."""
    g, index = drawn("f4", rows, width), rng.integers(0, 9, rows)
    found = xp.embedding_backward(*on(cp, [g, index]), 12, 3)
    np.testing.assert_array_equal(found.get(), NUMPY.embedding_backward(g, index, 12, 3))


def test_a_maximums_gradient_adds_up_in_the_order_of_the_windows(cp: ModuleType, xp: CupyBackend) -> None:
    g, indices = drawn("f4", 2, 7, 7), rng.integers(0, 4, (2, 7, 7))
    found = xp.max_pool2d_backward(*on(cp, [g, indices]), (2, 5, 5))
    np.testing.assert_array_equal(found.get(), NUMPY.max_pool2d_backward(g, indices, (2, 5, 5)))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution_in_blocks_of_images(
    cp: ModuleType, xp: CupyBackend, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telegrad_server.backend._cupy_windows.BLOCK_BYTES", 8000)
    x, weight, bias = drawn("f8", 7, 4, 6, 5), drawn("f8", 8, 4 // groups, 3, 2), drawn("f8", 8)
    options = ((2, 1), (1, 0), (1, 2), groups)
    out = NUMPY.conv(x, weight, bias, *options)
    agree(xp.conv(*on(cp, [x, weight, bias]), *options), out)
    g = drawn("f8", *out.shape)
    agree(
        xp.conv_input_grad(*on(cp, [g, weight]), x.shape, *options), NUMPY.conv_input_grad(g, weight, x.shape, *options)
    )
    expected = NUMPY.conv_weight_grad(g, x, weight.shape, *options)
    agree(xp.conv_weight_grad(*on(cp, [g, x]), weight.shape, *options), expected)


# Products -----------------------------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "as they are": lambda x: x,
    "transposed": lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "wider rows": lambda x: x.repeat(2, -1)[..., ::1][..., : x.shape[-1]],
    "broadcast": lambda x: x[:1, :1],
    "one batch broadcast": lambda x: x[:, :1],
    "batches swapped": lambda x: x.swapaxes(0, 1).copy().swapaxes(0, 1),
    "steps": lambda x: x.repeat(2, -1)[..., ::2],
}
COPIES = {"batches swapped": 1, "steps": 1, "one batch broadcast": 1}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_read_operands_where_they_lie(cp: ModuleType, xp: CupyBackend, dtype: Any, layout: str) -> None:
    a, b = (cp.asarray(drawn(dtype, *shape)) for shape in ((2, 3, 4, 5), (2, 3, 5, 6)))
    laid_out, full = LAYOUTS[layout](a), (2, 3, 4, 5)
    expected = NUMPY.matmul(np.broadcast_to(laid_out.get(), full), b.get())
    before = counters()
    found = xp.matmul(laid_out, b)
    assert (counters() - before).launches == COPIES.get(layout, 0)
    agree(found, expected)
    flipped = xp.matmul(b.swapaxes(-1, -2), laid_out.swapaxes(-1, -2))
    agree(flipped, np.asarray(expected.swapaxes(-1, -2)))


@pytest.mark.parametrize("native", [np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64])
def test_products_of_integers(cp: ModuleType, xp: CupyBackend, native: Any) -> None:
    a, b = rng.integers(-9, 9, (2, 4, 3)).astype(native), rng.integers(-9, 9, (3, 5)).astype(native)
    agree(xp.matmul(cp.asarray(a), cp.asarray(b)), NUMPY.matmul(a, b))


# Optimizers ---------------------------------------------------------------------------------------------------

# More than a table holds, more than a block of one, and one without elements.
SHAPES = [(5,), (3, 4), (70, 130), (0,), (2,)] * 10


def draws(dtype: Any) -> list[np.ndarray]:
    return [drawn(dtype, *shape) for shape in SHAPES]


def blank(arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [np.zeros_like(array) for array in arrays]


@pytest.mark.parametrize("options", SGD.values(), ids=SGD)
def test_sgd_steps_as_on_the_cpu(cp: ModuleType, xp: CupyBackend, dtype: Any, options: Any) -> None:
    params = draws(dtype)
    buffers = blank(params) if options[0] else None
    mine, held = on(cp, params), on(cp, buffers)
    for step in range(3):
        grads, fresh = draws(dtype), [step == 0] * len(params)
        NUMPY.sgd_update(params, grads, buffers, fresh, 0.1, *options)
        xp.sgd_update(mine, on(cp, grads), held, fresh, 0.1, *options)
    agree(mine, params)
    if buffers is not None:
        agree(held, buffers)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("options", ADAM.values(), ids=ADAM)
def test_adam_steps_as_on_the_cpu(cp: ModuleType, xp: CupyBackend, dtype: Any, options: Any, amsgrad: bool) -> None:
    params = draws(dtype)
    states = [[np.zeros((), np.float32) for _ in params], *(blank(params) for _ in range(2 + amsgrad))]
    mine, held, rest = on(cp, params), on(cp, states), () if amsgrad else (None,)
    for _ in range(4):
        grads = draws(dtype)
        NUMPY.adam_update(params, grads, *states, *rest, 0.01, 0.9, 0.99, 1e-6, *options)
        xp.adam_update(mine, on(cp, grads), *held, *rest, 0.01, 0.9, 0.99, 1e-6, *options)
    agree(mine, params)
    agree(held, states)


def adam_of(cp: ModuleType, p: Any, g: Any) -> tuple[Any, ...]:
    """The arguments of Adam's first step on one parameter."""
    zeros = [cp.zeros(p.shape, p.dtype) for _ in range(2)]
    return [p], [g], [cp.zeros((), np.float32)], *([z] for z in zeros), None, 0.01, 0.9, 0.99, 1e-6, 0.0, False, False


def test_one_parameter_given_thrice_is_stepped_three_times(cp: ModuleType, xp: CupyBackend) -> None:
    """Also through a view that has to be written back."""
    p, grads = drawn("f4", 4, 6), [drawn("f4", *shape) for shape in ((4, 6), (6, 4), (4, 6))]
    mine, options = cp.asarray(p), (None, [False] * 3, 0.1, 0.0, 0.0, 0.1, False, False)
    xp.sgd_update([mine, mine.T, mine], on(cp, grads), *options)
    NUMPY.sgd_update([p, p.T, p], grads, *options)
    agree(mine, p)


def test_a_step_is_few_launches_and_waits_for_nothing(cp: ModuleType, xp: CupyBackend) -> None:
    params = [cp.ones(10, np.float32) for _ in range(48)]
    states = [[cp.zeros((), np.float32) for _ in params], *([cp.zeros(10, np.float32) for _ in params] for _ in "mv")]
    before = counters()
    xp.adam_update(params, params, *states, None, 0.01, 0.9, 0.99, 1e-6, 0.0, False, False)
    assert spent(before) == (2, 0, 0)


def spent(before: Counters) -> tuple[int, int, int]:
    """Launches, copies to the host, and waits since then."""
    found = counters() - before
    return found.launches, found.to_host, found.synchronizations


# Faults -------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "class": (lambda xp, i: xp.cross_entropy(xp.cp.zeros((2, 4)), i, None, -100, 0.0), "Target 7 is out of bounds"),
    "checked class": (lambda xp, i: xp.checked_targets(i, 4, -100), "Target 7 is out of bounds"),
    "row": (lambda xp, i: xp.embedding(xp.cp.zeros((4, 3)), i), "index out of range in self"),
    "row's gradient": (lambda xp, i: xp.embedding_backward(xp.cp.zeros((2, 3)), i, 4, None), "index out of range"),
    "maximum": (lambda xp, i: xp.take_from_planes(xp.cp.zeros((2, 2)), i[None]), "index 7 is out of bounds"),
    "maximum's gradient": (lambda xp, i: xp.max_pool2d_backward(xp.cp.zeros((1, 2)), i[None], (2, 2)), "index 7"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_index_is_raised_late_and_leaves_the_model_as_it_was(cp: ModuleType, xp: CupyBackend, name: str) -> None:
    call, message = BAD[name]
    p, index = cp.ones(3, np.float32), cp.asarray([1, 7])
    before = counters()
    call(xp, index)
    assert spent(before)[1:] == (0, 0)
    arguments = adam_of(cp, p, p)
    xp.adam_update(*arguments)
    xp.sgd_update([p], [p], None, [True], 0.1, 0.0, 0.0, 0.0, False, False)
    with pytest.raises(OpIndexError, match=message):
        xp.raise_faults()
    np.testing.assert_array_equal(p.get(), 1)
    assert arguments[2][0].get() == 0
    xp.adam_update(*arguments)
    assert arguments[2][0].get() == 1
