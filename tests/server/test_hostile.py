"""Hostile rows: with any arguments, a row reads and writes no memory but its tensors'."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telegrad_protocol.errors import OpError, ShapeError, TooLarge, UnknownOp, VersionChanged
from telegrad_protocol.messages import GRAD, Row
from telegrad_protocol.spec import BY_INDEX, OPS
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.kernels import IMPLS
from telegrad_server.samples import SAMPLES
from telegrad_server.worker.dispatch import execute, execute_any
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Tensor

FAMILIES = sorted({OPS[op].family for op in SAMPLES})
FOURTHS = [FAMILIES[first::4] for first in range(4)]
HUGE = (1 << 63) - 1


def run(families: list[str], folder: Path, *options: str, timeout: float, **environment: str) -> None:
    """Run the hostile cases of families in a process of its own; after a crash, name the case."""
    now = folder / "now"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "support.hostile", ",".join(families), str(now), *options],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    faults = done.stdout.splitlines()
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:20]])
    assert done.returncode == 0, f"ended at {now.read_text().strip()}\n{done.stderr[-3000:]}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("families", FOURTHS, ids=lambda families: families[0])
def test_no_argument_reaches_foreign_memory(families: list[str], tmp_path: Path) -> None:
    run(families, tmp_path, timeout=390)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_two_arguments_reach_foreign_memory(family: str, tmp_path: Path) -> None:
    run([family], tmp_path, "--thorough", timeout=1100)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_kernels_stay_within_their_arrays(family: str, tmp_path: Path) -> None:
    run([family], tmp_path, timeout=1100, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))


# Known by name ----------------------------------------------------------------------------------------------------


def session(*arrays: Any) -> Session:
    """A session whose tensors are these, with ids from 1 on."""
    made = Session(NumpyBackend(), Budget(1 << 28))
    for number, array in enumerate(arrays, 1):
        tensor = made.engine.wrap(np.array(array))
        tensor.requires_grad = tensor._meta.floating
        made.tensors[number] = tensor
    return made


def row(op: str, *args: Any, out: Any = 100) -> Row:
    return Row(OPS[op].index, GRAD, out, args)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


IMAGES = (ones(1, 1, 5, 5), ones(1, 1, 3, 3))
STEP = ((1, 1), (1, 1))


@pytest.mark.parametrize(
    ("arrays", "op", "args"),
    [
        (IMAGES, "_conv", (1, 2, None, *STEP, (-2, 1), 1)),
        (IMAGES, "_conv", (1, 2, None, (1, 1), (-1, 1), (1, 1), 1)),
        (IMAGES, "_conv", (1, 2, None, (0, 1), *STEP, 1)),
        ((ones(1, 2, 5), ones(2, 1, 3)), "conv1d", (1, 2, None, (1,), "same", (HUGE,), 2)),
        ((ones(1, 1, 2, 2),), "_avg_pool2d_backward", (1, (1, 1, 4, 4), (2, 2), (2, 2), (HUGE, 0), False, True, None)),
        ((ones(4, 2), np.full(4, HUGE)), "_embedding_backward", (1, 2, (5, 2), None, True)),
        ((ones(4, 2), np.full(4, HUGE)), "_embedding_rows", (1, 2, None, True)),
        ((ones(4), np.full(4, 1 << 62)), "_repeat_interleave_each", (1, 2, 0)),
        ((ones(0),), "as_strided", (1, (1,), (1,), 0)),
        ((ones(3, 0),), "multinomial", (1, 2, True, None)),
        ((ones(3) * 0,), "multinomial", (1, 2, True, None)),
        ((), "sub", ((1,), (2,), 1)),
        ((ones(3),), "_bernoulli", (1, (1.5,), None)),
        ((ones(1, 4, 4),), "fold", (1, (1 << 40, 2), (2, 2), (1, 1), (1, 1), (2, 2))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused_where_it_once_crashed_or_told_what_memory_held(arrays: Any, op: str, args: Any) -> None:
    with pytest.raises((OpError, TooLarge)):
        execute_any(session(*arrays), row(op, *args))


def test_values_with_more_batches_than_queries_have_gradients() -> None:
    made = session(ones(1, 4, 5), ones(1, 4, 5), ones(2, 4, 3))
    execute_any(made, row("_attention", 1, 2, 3, None, True, 1.0))
    execute_any(made, row("sum", 100, None, False, None, out=101))
    execute_any(made, row("backward", (101,), (None,), (), False, False, out=None))
    found = made.tensors[1]
    assert isinstance(found, Tensor)
    assert found.grad is not None
    np.testing.assert_allclose(found.grad.data, np.zeros((1, 4, 5)), atol=1e-6)


# Ops that no caller needs -----------------------------------------------------------------------------------------

INNER = [spec for spec in BY_INDEX if spec.inner]


def test_inner_ops_are_no_ops_to_a_row() -> None:
    assert {"_conv", "_avg_pool2d_backward", "_embedding_backward"} <= {spec.name for spec in INNER}
    for spec in INNER:
        with pytest.raises(UnknownOp, match=f"there is no op {spec.index}"):
            execute(session(), Row(spec.index, 0, 1, ()))
        assert not spec.public
        assert spec.name in IMPLS


def test_the_client_records_no_inner_op() -> None:
    import telegrad

    source = "\n".join(path.read_text() for path in Path(telegrad.__file__).parent.rglob("*.py"))
    assert [spec.name for spec in INNER if f'["{spec.name}"]' in source] == []


# Gradients that come from outside ------------------------------------------------------------------------------------


def backward(made: Session, output: int, gradient: int) -> None:
    execute_any(made, row("backward", (output,), (gradient,), (), False, False, out=None))


def test_a_saved_tensor_whose_data_was_set_to_another_shape_is_not_followed() -> None:
    made = session(ones(2, 3, 8), ones(4, 3, 3), ones(1, 1, 1))
    execute_any(made, row("conv1d", 1, 2, None, (1,), (0,), (1,), 1))
    execute_any(made, row("sum", 100, None, False, None, out=101))
    execute_any(made, row("set_data", 1, 3, out=None))
    with pytest.raises(VersionChanged):
        execute_any(made, row("backward", (101,), (None,), (), False, False, out=None))


def test_a_gradient_is_of_what_was_computed_not_of_what_the_data_was_set_to() -> None:
    made = session(ones(2, 3, 8), ones(4, 3, 3), ones(1, 1, 1), ones(1, 1, 1))
    execute_any(made, row("conv1d", 1, 2, None, (1,), (0,), (1,), 1))
    execute_any(made, row("set_data", 100, 3, out=None))
    with pytest.raises(ShapeError, match="Mismatch in shape"):
        backward(made, 100, 4)


def test_no_hook_puts_a_gradient_of_another_shape_where_the_data_was_set() -> None:
    made = session(ones(2, 3, 8), ones(4, 3, 3), ones(1, 1, 1), ones(1, 1, 1))
    execute_any(made, row("conv1d", 1, 2, None, (1,), (0,), (1,), 1))
    execute_any(made, row("sum", 100, None, False, None, out=101))
    execute_any(made, row("begin_walk", (101,), (None,), (), False, False, out=50))
    execute_any(made, row("walk_to", 50, 100, out=51))
    execute_any(made, row("set_data", 100, 3, out=None))
    with pytest.raises(ShapeError, match="cannot go on"):
        execute_any(made, row("replace_gradient", 50, 100, 4, out=None))


def test_a_gradient_of_another_dtype_is_cast() -> None:
    made = session(ones(2, 3), np.array([[1, 2, 3], [4, 5, 6]]))
    execute_any(made, row("gelu", 1, "none"))
    backward(made, 100, 2)
    found = made.tensors[1]
    assert isinstance(found, Tensor)
    assert found.grad is not None
    assert found.grad.data.dtype == np.float32


def test_a_gradient_is_not_added_to_one_of_another_shape() -> None:
    made = session(ones(2, 3), ones(4), ones(4))
    execute_any(made, row("sum", 1, None, False, None))
    execute_any(made, row("set_data", 1, 2, out=None))
    execute_any(made, row("set_grad", 1, 3, out=None))
    with pytest.raises(OpError, match="cannot be added"):
        execute_any(made, row("backward", (100,), (None,), (), False, False, out=None))
