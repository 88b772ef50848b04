"""Rows that go wrong: valid ones of every op and handler, and mutations of them."""

from __future__ import annotations

import os
import random
from copy import deepcopy
from typing import Any, Final

import numpy as np
import psutil

from telegrad_protocol.messages import GRAD, INPLACE
from telegrad_protocol.shapes import contiguous
from telegrad_protocol.spec import BY_INDEX, OPS
from telegrad_server.checks.run import fill, seeded
from telegrad_server.http.rest.calls import Ref, prepare
from telegrad_server.samples import SAMPLES, Sample

Row = list[Any]

NUMBERS: Final = (0, 1, 2, 3, 7, 64, -1, -2, -3, 1 << 16)
HUGE: Final = (-1, -(1 << 31), -(1 << 63), 1 << 31, 1 << 40, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)
ODD: Final = (
    None,
    True,
    False,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "t1",
    "cpu",
    "float32",
    "\ud7ff",
    b"",
    b"\x00" * 9,
)
NEVER: Final = (b"\x00", {}, {"a": 1}, [{}], [b""], [[[[[[1]]]]]], {"a": {"a": []}})
"""What no argument of an op may be."""

NESTED: Final = ([], [None], [[]], {}, {"a": 1}, [{}], [[[[[[1]]]]]], {"a": {"a": []}}, [1, "a", None])


def new_random(name: str) -> random.Random:
    """Numbers to mutate by; FUZZ_SEED repeats a run."""
    seed = int(os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"{name}: FUZZ_SEED={seed}")
    return random.Random(seed)


class Flat:
    """Holds processes to the memory that they have once they are warm."""

    def __init__(self, *processes: psutil.Process, slack: int = 64 << 20) -> None:
        self.processes = processes
        self.slack = slack
        self.warm = self._now()

    def _now(self) -> int:
        return sum(process.memory_info().rss for process in self.processes)

    def check(self) -> str:
        """What was and what is. Raises AssertionError if much was added."""
        now = self._now()
        assert now - self.warm <= self.slack, f"memory grew from {self.warm >> 20} to {now >> 20} MiB"
        return f"memory from {self.warm >> 20} to {now >> 20} MiB"


def odd_value(rng: random.Random) -> Any:
    """Something of any type."""
    kinds = [NUMBERS, HUGE, ODD, NESTED]
    return deepcopy(rng.choice(rng.choice(kinds)))


class Valid:
    """Rows as clients write them. Ids 1 to 9 are the inputs of a row, 20 to 39 its results."""

    def __init__(self) -> None:
        self.plain = [sample for samples in SAMPLES.values() for sample in samples]

    def call(self, rng: random.Random) -> list[Row]:
        """A sample of an op, after the rows that make its inputs."""
        sample = rng.choice(self.plain)
        spec, arrays = OPS[sample.op], seeded(sample)
        rows = [_constant(name, array) for name, array in enumerate(arrays, 1)]
        rows += [_row("set_requires_grad", None, n, True) for n, t in enumerate(sample.tensors(), 1) if t.grad]
        bound = spec.convert(fill(sample, _refs(sample, arrays)))
        count = 1 if spec.returns is None else len(spec.returns)
        if spec.rule is not None and spec.static_shape:
            count = len(spec.infer(bound).metas)
        return [*rows, list(prepare(spec, bound, list(range(20, 20 + count)), inplace=False, grad=True).row)]

    def session(self, rng: random.Random) -> list[Row]:
        """Rows that act on the session, among them ones that belong together."""
        size = rng.choice((0, 1, 5, 5056))
        made = [_constant(n, np.ones(size, np.float32)) for n in (1, 2)]
        made += [
            _row("set_requires_grad", None, 1, True),
            _row("mul", 20, 1, 2),
            _row("sum", 21, 20, None, False, None),
        ]
        return [*made, *rng.choice(_TOGETHER)(size)]


_HANDLED: Final = [spec.index for spec in BY_INDEX if spec.control]


def _backward(size: int) -> list[Row]:
    return [
        _row("retain_grad", None, 20),
        _row("backward", None, [21], [None], [], True, False),
        _row("gradients", [22], [21], [1], [None], True, True, False),
        _row("get_grad", 23, 1),
        _row("has_grad", 24, [1, 2]),
        _row("unscale_grads", 25, [1], 0.5),
        _row("sgd_step", None, [1], [30], 0.1, 0.9, 0.0, 0.0, False, False),
        _row("adam_step", None, [1], [31, 32, 33, 34], 0.1, 0.9, 0.99, 1e-8, 0.0, True, False, False),
        _row("set_grad", None, 1, 2),
        _row("set_grad", None, 1, None),
        _row("clear_grads", None, [1, 2]),
    ]


def _walk(size: int) -> list[Row]:
    return [
        _row("begin_walk", 40, [21], [None], [], True, False),
        _row("walk_to", 26, 40, 20),
        _row("replace_gradient", None, 40, 20, 26),
        _row("next_stop", 27, 40, [1, 20]),
        _row("end_walk", None, 40),
        _row("begin_collecting_walk", 41, [21], [1], [None], True, False, False),
        _row("watch", 29, 20),
        _row("end_walk", [28], 41),
        _row("begin_walk", 42, [21], [None], [1], False, True),
        _row("drop_walk", None, 42),
    ]


def _reading(size: int) -> list[Row]:
    return [
        _row("zeros", 22, [size, 300], "float32", None),
        _row("read", 23, 22),
        _row("read", 24, 1),
        _row("describe", None, 22),
        _row("exists", 25, [1, 99]),
        _row("memory_stats", 26),
        _row("device_name", 27),
        _row("reset_peak_memory", None),
        _row("empty_cache", None),
        _row("send", 28, 1, "cpu"),
        _row("set_data", None, 1, 2),
        _row("detach", 29, 1),
        _row("free", None, [20, 21, 99]),
    ]


def _drawing(size: int) -> list[Row]:
    return [
        _row("new_generator", 30, 7),
        _row("manual_seed", None, 1 << 40, 30),
        _row("get_generator_state", 31, 30),
        _row("set_generator_state", None, 31, None),
        _row("set_generator_state", None, 2, None),
        _row("rand", 32, [size], "float32", None, 30) if "rand" in OPS else _row("neg", 32, 1),
        _row("upload", 33, 5, "float32", [size]),
        _row("free", None, [30]),
    ]


_TOGETHER: Final = (_backward, _walk, _reading, _drawing)


def _row(name: str, outs: Any, *args: Any) -> Row:
    return [OPS[name].index, GRAD, outs, list(args)]


def _constant(name: int, array: np.ndarray) -> Row:
    return _row("constant", name, array.tobytes(), str(array.dtype), list(array.shape))


def _refs(sample: Sample, arrays: list[np.ndarray]) -> list[Ref]:
    refs = []
    for name, (t, array) in enumerate(zip(sample.tensors(), arrays, strict=True), 1):
        ref = Ref(name)
        ref._meta = contiguous(array.shape, OPS["zeros"].convert(((1,), t.dtype, None))[1])
        refs.append(ref)
    return refs


def mutated_call(rows: list[Row], rng: random.Random) -> list[Row]:
    """A call of an op that names what there is not, has an argument of another type or value, or is another op's."""
    found = [_copied(row) for row in rows]
    change = rng.random()
    if change < 0.1 and len(found) > 1:
        found.insert(-1, _row("free", None, [1]))
    elif change < 0.15:
        found[-1][0] = rng.randrange(len(BY_INDEX))
    else:
        for _ in range(rng.choice((1, 1, 2))):
            _mutate(found[-1], rng, values=rng.random() < 0.8)
    return found


def mutated_session(rows: list[Row], rng: random.Random) -> list[Row]:
    """Rows that act on the session, of which some have fields of any other type or value."""
    found = [_copied(row) for row in rows]
    for _ in range(rng.choice((1, 1, 2, 5))):
        _mutate(rng.choice(found), rng, values=True)
    if rng.random() < 0.1:
        rng.shuffle(found)
    return found


def _mutate(row: Row, rng: random.Random, *, values: bool) -> None:
    field = rng.choice(("op", "flags", "outs", "args", "args", "args", "args", "args"))
    if field == "op":
        row[0] = rng.choice((rng.choice(_HANDLED) if values else HUGE[-1], rng.choice(HUGE)))
    elif field == "flags":
        row[1] = rng.choice((0, INPLACE, GRAD | INPLACE, 1 << 8, 4, rng.choice(HUGE)))
    elif field == "outs":
        row[2] = rng.choice((None, 1, [], [1], [1, 1], [50, 51], (1 << 64) - 1))
    elif row[3]:
        _mutate_argument(row[3], rng, values=values)


def _mutate_argument(args: list[Any], rng: random.Random, *, values: bool) -> None:
    """Change an argument, or an item of one; only in ids and types unless `values` may change too."""
    at = rng.randrange(len(args))
    if isinstance(args[at], list) and args[at] and rng.random() < 0.5:
        _mutate_argument(args[at], rng, values=values)
        return
    change = rng.random()
    if not values:
        args[at] = deepcopy(rng.choice(NEVER))
    elif change < 0.1:
        del args[at]
    elif change < 0.2:
        args.insert(at, odd_value(rng))
    elif change < 0.3:
        args[at] = rng.choice((0, 1, 2, 20, 99))
    else:
        args[at] = odd_value(rng)


def _copied(value: Any) -> Any:
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value
