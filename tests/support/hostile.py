"""Rows with arguments that nobody in their right mind sends, and what may come of them: an error of ours, or a result.

`python -m support.hostile FAMILIES NOW` runs the samples of op families with every integer, number, size, shape and dtype in
turn replaced, twice each in guarded memory of two patterns, and prints what was found wrong, a line each. The file NOW
names the case that runs, should it end the process. `--thorough` takes every sample, and two integers at once.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any, Final, NamedTuple

import numpy as np
from numba import config

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import InternalError, OpError, ServiceError, TelegradError
from telegrad_protocol.kinds import Role
from telegrad_protocol.messages import GRAD, INPLACE, Row
from telegrad_protocol.spec import OPS, OpSpec, Param
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.checks.run import fill, seeded
from telegrad_server.samples import SAMPLES, Sample, T
from telegrad_server.samples.base import numpy_dtype
from telegrad_server.worker.dispatch import execute, execute_any
from telegrad_server.worker.engine import Engine, backward_pass
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Tensor, edge_of

from . import guarded

INTEGERS: Final = (-(1 << 63), -2, -1, 0, 1, 1 << 31, 1 << 62, (1 << 63) - 1)
IN_PAIRS: Final = (-1, 0, 1 << 31, 1 << 62, (1 << 63) - 1)
NUMBERS: Final = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e308, -(1 << 63), (1 << 63) - 1, True)
DTYPES: Final = ("float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
MEMORY: Final = 64 << 20
ADDRESSES: Final = 12 << 30
PATIENCE: Final = 1.0
RESULT: Final = 1000
PATTERNS: Final = (0xA5, 0x3C)

Path = tuple[int, ...]


class Case(NamedTuple):
    """A call: the arrays of its tensors, and arguments as they travel, ids of tensors counted from 1."""

    label: str
    op: str
    arrays: list[np.ndarray]
    args: tuple[Any, ...]
    inplace: bool = False


# Making cases ---------------------------------------------------------------------------------------------------------


def as_sent(sample: Sample) -> Case:
    """The sample itself."""
    spec, ids = OPS[sample.op], iter(range(1, 1000))

    def wire(value: Any, position: int) -> Any:
        if isinstance(value, T):
            return next(ids)
        if spec.params[position].kind.holds_tensors:
            return tuple([wire(item, position) for item in value]) if isinstance(value, tuple) else _number(value)
        return _plain(spec, position, value)

    args = tuple([wire(value, position) for position, value in enumerate(sample.args)])
    return Case("as it is", sample.op, seeded(sample), args)


def _number(value: Any) -> Any:
    return None if value is None else (value,)


def _plain(spec: OpSpec, position: int, value: Any) -> Any:
    converted = spec.params[position].kind.convert(value)
    return converted.name if isinstance(converted, DType) else converted


def cases(sample: Sample, *, pairs: bool = False) -> Iterator[Case]:
    """The sample, and all that is made of it by replacing one thing; with `pairs`, two integers."""
    base = as_sent(sample)
    yield base
    places = list(_integers(base.args, OPS[sample.op]))
    for path, value in product(places, INTEGERS):
        yield _replaced(base, {path: value})
    for two in combinations(places, 2) if pairs else ():
        for values in product(IN_PAIRS, repeat=2):
            yield _replaced(base, dict(zip(two, values, strict=True)))
    for position in range(len(base.args)):
        for other in _others(OPS[sample.op], position, base.args[position]):
            if _is_wire_form(OPS[sample.op].params[position], other):
                yield _replaced(base, {(position,): other})
    for empty in emptied(sample):
        yield as_sent(empty)._replace(label=str(empty))
    for number, array in enumerate(base.arrays):
        for label, other in _arrays(array):
            given = [other if place == number else kept for place, kept in enumerate(base.arrays)]
            yield base._replace(label=f"tensor {number}: {label}", arrays=given)


def emptied(sample: Sample) -> Iterator[Sample]:
    """The sample with one size after the other made 0, wherever its tensors have it."""
    tensors = sample.tensors()
    for size in sorted({n for t in tensors for n in t.shape if n}):
        shapes = [tuple([0 if n == size else n for n in t.shape]) for t in tensors]
        made = [
            t if shape == t.shape else T(*shape, dtype=t.dtype, low=t.low, high=t.high, grad=t.grad)
            for t, shape in zip(tensors, shapes, strict=True)
        ]
        yield sample._replace(args=fill(sample, made))


def _integers(args: tuple[Any, ...], spec: OpSpec) -> Iterator[Path]:
    """Where integers stand that are no ids of tensors."""
    for position, value in enumerate(args):
        if not spec.params[position].kind.holds_tensors:
            yield from _within(value, (position,))


def _within(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from _within(item, (*path, place))
    elif type(value) is int:
        yield path


def _replaced(case: Case, changes: dict[Path, Any]) -> Case:
    args: Any = case.args
    for path, value in changes.items():
        args = _with(args, path, value)
    return case._replace(label=", ".join(f"{path} = {value!r}" for path, value in changes.items()), args=args)


def _with(value: Any, path: Path, other: Any) -> Any:
    if not path:
        return other
    return tuple([_with(item, path[1:], other) if place == path[0] else item for place, item in enumerate(value)])


def _others(spec: OpSpec, position: int, value: Any) -> Iterator[Any]:
    """Values of another kind, length or size for an argument."""
    kind = spec.params[position].kind
    if kind.role is Role.OPERAND:
        yield from [(number,) for number in NUMBERS]
        yield from (None, "x", ())
    elif kind.role is Role.NUMBER:
        yield from (*NUMBERS, 1, None, "x", ())
    elif isinstance(value, tuple):
        yield from ((), (*value, *value[-1:]), value[:-1], 1 << 62, -1, None, "x", ((),), (None,) * len(value))
    elif type(value) is int and not kind.holds_tensors:
        yield from (None, (), (value,), (value, value), "x")
    elif value is None and not kind.holds_tensors:
        yield from (*INTEGERS, 0.5, (), (0,), (-1,), (1 << 62,), "x")
    elif isinstance(value, bool):
        yield from (2, "x", None)
    elif isinstance(value, str):
        yield from ("", "x", None, 1)
    else:
        yield from (None, 99, (1,), ())


def _is_wire_form(param: Param, value: Any) -> bool:
    """Whether a value travels as it is. What does not is refused before an op is looked at, as it is no row of ours."""
    if param.kind.holds_tensors:
        return True
    try:
        return repr(param.kind.convert(value)) == repr(value)
    except (TypeError, ValueError, OverflowError, TelegradError):
        return True


def _arrays(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Tensors of other ranks, sizes, dtypes and layouts, and with values that point anywhere."""
    for dtype in DTYPES:
        yield dtype, array.astype(numpy_dtype(dtype))
    yield "one dimension more", array[None]
    if array.ndim and array.shape[0]:
        yield "its first, expanded", np.broadcast_to(array[:1], array.shape)
    if array.ndim:
        yield "one dimension less", _flatter(array)
        yield "reversed", array.T
    yield "0-d", np.zeros((), array.dtype)
    yield "nothing", np.zeros((0,), array.dtype)
    for axis in range(array.ndim):
        yield f"empty along {axis}", np.take(array, [], axis)
        yield f"longer along {axis}", np.concatenate([array, array[(slice(None),) * axis + (slice(0, 1),)]], axis)
        yield f"first along {axis}", array[(slice(None),) * axis + (slice(0, 1),)]
    if array.dtype.kind in "iu":
        for value in INTEGERS:
            if np.iinfo(array.dtype).min <= value <= np.iinfo(array.dtype).max:
                yield f"all {value}", np.full_like(array, value)
    elif array.dtype.kind == "f":
        for number in (np.nan, np.inf, -1.0, 0.0):
            yield f"all {number}", np.full_like(array, number)


def _flatter(array: np.ndarray) -> np.ndarray:
    if array.ndim > 1:
        return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:])
    return array.reshape(()) if array.size == 1 else np.zeros((), array.dtype)


# Running them ---------------------------------------------------------------------------------------------------------


class Held(Session):
    """A session that keeps what a row gave, however the row names it."""

    result: Any = None

    def bind(self, outs: Any, result: Any, op: str) -> None:
        self.result = result


class Outcome(NamedTuple):
    """`results`: bytes, by which two runs are compared; or `refused`, why. `wrong`: what must not be."""

    results: tuple[bytes, ...] = ()
    refused: str = ""
    wrong: str = ""


def outcome(case: Case, generated: bool) -> Outcome:
    """Carry out a case in a fresh session: the row, by the general path or by the op's own, then its gradients."""
    session = Held(NumpyBackend(), Budget(MEMORY))
    for place, array in enumerate(case.arrays):
        session.tensors[place + 1] = _tensor(session.engine, array, not case.inplace)
    row = Row(OPS[case.op].index, GRAD | (INPLACE if case.inplace else 0), RESULT, case.args)
    try:
        if generated and not OPS[case.op].inner:
            execute(session, row)
        else:
            execute_any(session, row)
        return Outcome(tuple(_told(session, case)))
    except (OpError, ServiceError) as error:
        return Outcome(refused=f"{error.code}: {error.message}", wrong=_disguised(error))
    except Exception as error:
        return Outcome(wrong=f"{type(error).__name__}: {error}")


def _tensor(engine: Engine, array: np.ndarray, grad: bool) -> Tensor:
    """The array as a tensor; one with steps of 0 is seen through `expand`."""
    own = array[tuple([slice(0, 1) if step == 0 else slice(None) for step in array.strides])]
    tensor = engine.wrap(engine.xp.copy(own))
    if own.shape != array.shape:
        made: Tensor = engine.unrecorded.expand(tensor, array.shape)
        return made
    tensor.requires_grad = grad and tensor._meta.floating
    return tensor


def _disguised(error: TelegradError) -> str:
    """What an error of ours covers up: a failure inside a kernel that a rule should have foreseen."""
    if isinstance(error, InternalError):
        return error.message
    cause = error.__cause__
    # A matrix is singular by its values; a number that no integer dtype holds is told of as such.
    foreseen = (TelegradError, MemoryError, np.linalg.LinAlgError, OverflowError)
    if cause is None or isinstance(cause, foreseen):
        return ""
    return f"{type(cause).__name__} in a kernel: {cause}"


def _told(session: Held, case: Case) -> Iterator[bytes]:
    found = session.tensors[1] if case.inplace else session.tensors.get(RESULT, session.result)
    outs = found if isinstance(found, tuple) else (found,)
    for out in outs:
        if out.data.shape != out._meta.shape or session.xp.dtype(out._meta.dtype) != out.data.dtype:
            raise AssertionError(f"{out.data.dtype}{out.data.shape} was inferred to be {out._meta}")
        yield _bytes(out.data)
    for create_graph in (False, True):
        yield from _gradients(session, outs, create_graph)


def _bytes(array: np.ndarray) -> bytes:
    """The elements; of one that shows its memory very often, the first."""
    return array.tobytes() if array.size <= MEMORY else array[(slice(0, 2),) * array.ndim].tobytes()


def _gradients(session: Held, outs: tuple[Tensor, ...], create_graph: bool) -> Iterator[bytes]:
    roots = [out for out in outs if out.requires_grad]
    leaves = [t for t in session.tensors.values() if isinstance(t, Tensor) and t.requires_grad and t.node is None]
    if not roots or not leaves or sum(out._meta.numel for out in roots) > MEMORY >> 5:
        return
    engine = session.engine
    backward = backward_pass(engine, create_graph=create_graph, retain=True)
    backward.want([edge_of(leaf) for leaf in leaves], [edge_of(out) for out in roots])
    for out in roots:
        ones = session.xp.ones(out.shape, out._meta.dtype)
        backward.start(edge_of(out), engine.wrap(ones) if create_graph else ones, out._meta)
    backward.run()
    for leaf in leaves:
        gradient = backward.gradient_at(edge_of(leaf))
        if gradient is not None:
            yield _bytes(np.asarray(gradient.data if create_graph else gradient))


def faults(case: Case, patience: float) -> Iterator[str]:
    """What is wrong with the outcomes of a case: nothing, one hopes."""
    outcomes = []
    for byte in PATTERNS:
        guarded.fill_with(byte)
        begun = time.process_time()
        outcomes.append(outcome(case, generated=bool(outcomes)))
        took = time.process_time() - begun
    first, second = outcomes
    if took > patience:  # the first run may have compiled something
        yield f"took {took:.1f} s"
    if second.wrong:
        yield second.wrong
    if first.results != second.results or bool(first.refused) != bool(second.refused):
        yield "what memory held before shows in the result"
    if guarded.broken():
        yield "memory beyond an array was written"


def of_family(family: str, thorough: bool) -> Iterator[Case]:
    """Cases of a family's ops: of one sample each; `thorough`, of all, and of two integers at once for two of them."""
    for op, samples in SAMPLES.items():
        if OPS[op].family != family:
            continue
        for number, sample in enumerate(samples if thorough else samples[:1]):
            for case in cases(sample, pairs=thorough and number < 2):
                yield case
                if OPS[op].inplace and type(case.args[0]) is int:
                    yield case._replace(label=f"in place, {case.label}", inplace=True)


def main(families: str, now: str, *options: str) -> None:
    """Run the cases of families, named with commas between; each is told before it is run, so that a crash has a name."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    guarded.install()
    # With bounds checked, everything is compiled anew.
    patience, count = (60.0 if config.BOUNDSCHECK else PATIENCE), 0
    with open(now, "w") as told:
        every = (case for family in families.split(",") for case in of_family(family, "--thorough" in options))
        for case in every:
            told.seek(0)
            told.write(f"{case.op}: {case.label}".ljust(300))
            told.flush()
            count += 1
            for fault in faults(case, patience):
                shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in case.arrays)
                print(f"{case.op}: {case.label}: {fault} ({shapes}; {str(case.args)[:200]})", flush=True)
    print(f"{count} cases", file=sys.stderr)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    main(*sys.argv[1:])
