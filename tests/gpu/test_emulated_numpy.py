"""CuPy on an emulated device against NumPy: the functions that the backend builds on, by dtype and by layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = (np.dtype(np.float32), np.dtype(np.float16), BF16)
INTEGERS = (np.dtype(np.int64), np.dtype(np.uint8))
BOOL = (np.dtype(np.bool_),)
NUMBERS = FLOATS + INTEGERS
ALL = NUMBERS + BOOL
SORTABLE = tuple(dtype for dtype in ALL if dtype != BF16)

# Rounding of one operation, of sums, and of elementary functions that are not NumPy's.
TOLERANCES = {2: 1e-2, 4: 1e-5, 8: 1e-12}

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda x: x,
    "transposed": lambda x: x.T,
    "strided": lambda x: x[1:, ::2],
    "reversed": lambda x: x[::-1, ::-1],
    "0-d": lambda x: x[1, 2],
    "empty": lambda x: x[:0],
    "vector": lambda x: x[1],
}


class Operation(NamedTuple):
    """`call(xp, x, y)` for arrays of one dtype, in module `xp`; both in NumPy and in CuPy."""

    name: str
    call: Callable[[Any, Any, Any], Any]
    dtypes: tuple[np.dtype[Any], ...]


ELEMENTWISE = [
    Operation("add", lambda xp, x, y: x + y, ALL),
    Operation("subtract", lambda xp, x, y: x - y, NUMBERS),
    Operation("multiply", lambda xp, x, y: x * y, ALL),
    Operation("divide", lambda xp, x, y: x / y, FLOATS),
    Operation("floor_divide", lambda xp, x, y: xp.floor_divide(x, y), NUMBERS),
    Operation("remainder", lambda xp, x, y: xp.remainder(x, y), NUMBERS),
    Operation("maximum", lambda xp, x, y: xp.maximum(x, y), ALL),
    Operation("minimum", lambda xp, x, y: xp.minimum(x, y), ALL),
    Operation("less", lambda xp, x, y: x < y, ALL),
    Operation("equal", lambda xp, x, y: x == y, ALL),
    Operation("logical_and", lambda xp, x, y: xp.logical_and(x, y), ALL),
    Operation("logical_not", lambda xp, x, y: xp.logical_not(x), ALL),
    Operation("where", lambda xp, x, y: xp.where(x < y, x, y), SORTABLE),
    Operation("negative", lambda xp, x, y: -x, NUMBERS),
    Operation("absolute", lambda xp, x, y: xp.absolute(x), NUMBERS),
    Operation("exp", lambda xp, x, y: xp.exp(x), FLOATS),
    Operation("log", lambda xp, x, y: xp.log(xp.exp(x)), FLOATS),
    Operation("sqrt", lambda xp, x, y: xp.sqrt(xp.exp(x)), FLOATS),
    Operation("tanh", lambda xp, x, y: xp.tanh(x), FLOATS),
    Operation("power", lambda xp, x, y: xp.power(x, 2), NUMBERS),
    Operation("floor", lambda xp, x, y: xp.floor(x), FLOATS),
    Operation("trunc", lambda xp, x, y: xp.trunc(x), FLOATS),
    Operation("around", lambda xp, x, y: xp.around(x), FLOATS[:1]),
    Operation("isnan", lambda xp, x, y: xp.isnan(x), FLOATS),
    Operation("nan_to_num", lambda xp, x, y: xp.nan_to_num(x, nan=1.0), FLOATS[:1]),
    Operation("nextafter", lambda xp, x, y: xp.nextafter(x, y), FLOATS[:1]),
    Operation("to float32", lambda xp, x, y: x.astype(np.float32), ALL),
    Operation("to int32", lambda xp, x, y: x.astype(np.int32), ALL),
    Operation("to bfloat16", lambda xp, x, y: x.astype(BF16), ALL),
    Operation("to bool", lambda xp, x, y: x.astype(bool), ALL),
    Operation("copy", lambda xp, x, y: xp.ascontiguousarray(x), ALL),
    Operation("in place", lambda xp, x, y: xp.add(x, y, out=xp.empty(x.shape, x.dtype)), ALL),
]

SHAPED = [
    Operation("sum", lambda xp, x, y: x.sum(), SORTABLE),
    Operation("sum of rows", lambda xp, x, y: x.sum(axis=1, keepdims=True), SORTABLE),
    Operation("mean", lambda xp, x, y: x.mean(axis=0), FLOATS[:2]),
    Operation("prod", lambda xp, x, y: xp.prod(x, axis=0), SORTABLE),
    Operation("max", lambda xp, x, y: x.max(axis=1), ALL),
    Operation("min", lambda xp, x, y: x.min(), ALL),
    Operation("argmax", lambda xp, x, y: x.argmax(axis=1), SORTABLE),
    Operation("argmin", lambda xp, x, y: x.argmin(axis=0), SORTABLE),
    Operation("any", lambda xp, x, y: xp.any(x, axis=1), SORTABLE),
    Operation("all", lambda xp, x, y: xp.all(x, axis=0), SORTABLE),
    Operation("cumsum", lambda xp, x, y: xp.cumsum(x, axis=1), SORTABLE),
    Operation("sort", lambda xp, x, y: xp.sort(x, axis=1), SORTABLE),
    Operation("argsort", lambda xp, x, y: xp.argsort(x, axis=0) if xp is not np else x.argsort(0, "stable"), SORTABLE),
    Operation("nonzero", lambda xp, x, y: xp.stack(xp.nonzero(x)), ALL),
    Operation("take", lambda xp, x, y: x[xp.asarray([1, 0, 1])], ALL),
    Operation("take two", lambda xp, x, y: x[xp.asarray([1, 0]), xp.asarray([2, 0])], ALL),
    Operation("mask", lambda xp, x, y: x[x < y], ALL),
    Operation("concatenate", lambda xp, x, y: xp.concatenate([x, y], 1), ALL),
    Operation("stack", lambda xp, x, y: xp.stack([x, y], 1), ALL),
    Operation("flip", lambda xp, x, y: xp.flip(x, 1) * 1, ALL),
    Operation("moveaxis", lambda xp, x, y: xp.moveaxis(x, 0, 1) * 1, ALL),
    Operation("diagonal", lambda xp, x, y: xp.diagonal(x) * 1, ALL),
    Operation("tril", lambda xp, x, y: xp.tril(x), SORTABLE),
    Operation("triu", lambda xp, x, y: xp.triu(x, 1), SORTABLE),
    Operation("diff", lambda xp, x, y: xp.diff(x, axis=1), NUMBERS),
    Operation("broadcast_to", lambda xp, x, y: xp.broadcast_to(x, (2, *x.shape)) * 1, ALL),
    Operation("matmul", lambda xp, x, y: x @ y.T, FLOATS[:2]),
    Operation("batched matmul", lambda xp, x, y: xp.stack([x, y]) @ xp.stack([y.T, x.T]), FLOATS[:1]),
    Operation("windows", lambda xp, x, y: xp.lib.stride_tricks.sliding_window_view(x, (2, 2)) * 1, ALL),
]

MADE = [
    Operation("arange", lambda xp, x, y: xp.arange(0, 7, 2, x.dtype), NUMBERS[:1]),
    Operation("linspace", lambda xp, x, y: xp.linspace(0, 1, 5, dtype=x.dtype), FLOATS[:1]),
    Operation("eye", lambda xp, x, y: xp.eye(3, 4, dtype=x.dtype), ALL),
    Operation("full", lambda xp, x, y: xp.full((2, 3), 1, x.dtype), ALL),
    Operation("ones", lambda xp, x, y: xp.ones((2, 0), x.dtype), ALL),
]


def operands(dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    if dtype == np.bool_:
        return rng.random((4, 6)) < 0.5, rng.random((4, 6)) < 0.5
    low = 0 if dtype.kind == "u" else -4
    scale = 1 if dtype.kind in "iu" else 0.75
    x, y = ((rng.integers(low, 5, (4, 6)) * scale).astype(dtype) for _ in "xy")
    y[y == 0] = 2
    if dtype.kind in "fV":
        x[3, 5] = np.nan
    return x, y


def check(cp: Any, operation: Operation, dtype: np.dtype[Any], layout: str = "C") -> None:
    x, y = operands(dtype)
    arrange = LAYOUTS[layout]
    with np.errstate(all="ignore"):
        expected = np.asarray(operation.call(np, arrange(x), arrange(y)))
    found = operation.call(cp, arrange(cp.asarray(x)), arrange(cp.asarray(y)))
    assert isinstance(found, cp.ndarray)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    tolerance = TOLERANCES.get(dtype.itemsize, 0) if expected.dtype.kind in "fV" else 0
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(found.get().astype(wide), expected.astype(wide), tolerance, tolerance)


def every(operations: list[Operation]) -> list[Any]:
    return [pytest.param(op, dtype, id=f"{op.name}-{dtype}") for op in operations for dtype in op.dtypes]


@pytest.mark.parametrize(("operation", "dtype"), every(ELEMENTWISE + SHAPED + MADE))
def test_each_dtype(cp, operation, dtype):
    check(cp, operation, dtype)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "C"])
@pytest.mark.parametrize("operation", ELEMENTWISE[::8], ids=lambda op: op.name)
def test_elementwise_in_each_layout(cp, operation, layout):
    check(cp, operation, operation.dtypes[0], layout)


@pytest.mark.parametrize("operation", SHAPED, ids=lambda op: op.name)
def test_shaped_with_gaps_in_memory(cp, operation):
    check(cp, operation, operation.dtypes[0], "strided")


def test_where_makes_float32_of_bfloat16_unlike_numpy(cp):
    x = cp.asarray(operands(BF16)[0])
    assert [cp.where(x > 0, x, other).dtype for other in (x, 0)] == [np.float32, np.float32]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda cp, x: cp.cumsum(x), Exception, "bfloat16"),
        (lambda cp, x: x.reshape(2, 3, 4) @ x.reshape(2, 4, 3), TypeError, "data type 'E' not understood"),
        (lambda cp, x: cp.add.at(x, (cp.asarray([0, 0]),), 1), TypeError, "add.at only supports int32"),
    ],
    ids=["cumsum", "batched matmul", "add.at"],
)
def test_what_cupy_refuses_in_bfloat16_is_refused_here(cp, call, error, message):
    with pytest.raises(error, match=message):
        call(cp, cp.asarray(operands(BF16)[0]))


def test_a_network_trains_as_it_does_in_numpy(cp):
    def step(xp, x, target, first, second):
        hidden = xp.maximum(x @ first, 0)
        scores = hidden @ second
        odds = xp.exp(scores - scores.max(1, keepdims=True))
        gradient = odds / odds.sum(1, keepdims=True)
        gradient[xp.arange(len(target)), target] -= 1
        gradient /= len(target)
        back = gradient @ second.T * (hidden > 0)
        second -= 0.1 * (hidden.T @ gradient)
        first -= 0.1 * (x.T @ back)

    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((32, 64)).astype(np.float32), rng.integers(0, 10, 32)
    weights = [(0.1 * rng.standard_normal(shape)).astype(np.float32) for shape in ((64, 128), (128, 10))]
    on_device = [cp.asarray(array) for array in weights]
    data = [cp.asarray(array) for array in inputs]
    for _ in range(20):
        step(np, *inputs, *weights)
        step(cp, *data, *on_device)
    for expected, found in zip(weights, on_device, strict=True):
        np.testing.assert_allclose(found.get(), expected, 0, 1e-6)
