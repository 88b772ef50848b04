"""One client's tensors, generators, uploads and reads, and how a row of its streams is carried out."""

from __future__ import annotations

import gc
import sys
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Any, Final, NoReturn

from telegrad_protocol.errors import (
    Malformed,
    OutOfMemory,
    StaleEpoch,
    TelegradError,
    UnknownOp,
    UnknownTensor,
    shown,
)
from telegrad_protocol.kinds import Role
from telegrad_protocol.messages import GRAD, INPLACE, ReadResult, Row
from telegrad_protocol.spec import BY_INDEX, OpSpec, describe
from telegrad_server.kernels import IMPLS
from telegrad_server.kernels.registry import OpImpl

from . import autograd as autograd  # registers its handlers
from . import optim as optim
from .controls import HANDLERS, RELEASES, Sent
from .dispatch import Execute, make
from .engine import Engine
from .memory import FAILED_BYTES, GENERATOR_BYTES, ID_BYTES, NODE_BYTES, STORAGE_BYTES, Budget, largest
from .tensor import Storage, Tensor
from .transfers import Read, Upload

DEFAULT_SEED = 67280421310721
"""PyTorch's, for a generator that nobody has seeded."""


MOST_FAILED: Final = 1 << 17
"""Ids of results that never came to be whose cause a session remembers, the latest."""


class Stream:
    """Rows in order. `failed` is the error that ended the present epoch."""

    def __init__(self) -> None:
        self.epoch = 0
        self.failed: TelegradError | None = None
        self.jobs: deque[Any] = deque()

    def enter(self, epoch: int) -> None:
        """Move to an epoch. Raises `StaleEpoch` for one that is over."""
        if epoch < self.epoch:
            raise StaleEpoch(f"epoch {epoch} is over", expected=self.epoch, got=epoch)
        if epoch > self.epoch:
            self.epoch, self.failed = epoch, None


class Session:
    """What one client has on one device. `tensors` maps ids to tensors, `failed` those that never came to be to the cause."""

    def __init__(self, xp: Any, parent: Budget) -> None:
        self.budget = Budget(parent.limit, parent)
        self.xp = xp.for_session(parent.limit)
        self.engine = Engine(self.xp, self.budget)
        self.tensors: dict[int, Tensor] = {}
        self.failed: dict[int, TelegradError] = {}
        self.generators: dict[int | None, Any] = {None: xp.new_generator(DEFAULT_SEED)}
        self.uploads: dict[int, Upload] = {}
        self.reads: dict[int, Read] = {}
        self.walks: dict[Any, Any] = {}
        self.streams: dict[int, Stream] = {0: Stream()}
        self.room = 0  # bytes that values may still take in the reply of the submission that runs

    def execute(self, row: Row) -> ReadResult | Sent | None:
        """Carry out one row: all of it, or none of it and an error."""
        run = _EXECUTE.get(row[0])
        return _first_of_its_op(self, row) if run is None else run(self, row)

    def execute_any(self, row: Row) -> ReadResult | Sent | None:
        """As `execute`, for any row: the general path."""
        index, flags, outs, wired = row
        spec = BY_INDEX[index]
        args = self.resolve(spec, wired)
        if spec.control or spec.generator_slot is not None or flags & INPLACE:
            return self._execute_other(spec, Row(*row), args)
        try:
            result = self.engine.apply(IMPLS[spec.name], args, grad=bool(flags & GRAD))
        except MemoryError as error:
            raise self._out_of_memory(error, spec.name) from None
        self.bind(outs, result, spec.name)
        return None

    def refuse(self, impl: OpImpl, error: Exception) -> NoReturn:
        """Raise what a kernel's failure means to the user."""
        try:
            self.engine.refuse(impl, error)
        except OutOfMemory as refusal:
            raise self._out_of_memory(refusal, impl.name) from None

    def _execute_other(self, spec: OpSpec, row: Row, args: tuple[Any, ...]) -> ReadResult | Sent | None:
        """Rows that act on the session, draw random numbers, or write in place."""
        slot = spec.generator_slot
        drawn = None if slot is None else args[slot].snapshot()
        try:
            if spec.control:
                return HANDLERS[spec.name](self, row, *args)
            self._apply(spec, row, args)
            return None
        except BaseException as error:
            if drawn is not None:
                args[slot].restore(drawn)
            if not isinstance(error, MemoryError):
                raise
            self.refuse_row(spec.name, error)

    def refuse_row(self, op: str, error: MemoryError) -> NoReturn:
        """Raise the refusal of a row that found no memory."""
        raise self._out_of_memory(error, op) from None

    def _apply(self, spec: OpSpec, row: Row, args: tuple[Any, ...]) -> None:
        impl, grad = IMPLS[spec.name], bool(row.flags & GRAD)
        if row.flags & INPLACE:
            self.engine.apply_inplace(impl, args, grad=grad)
        else:
            self.bind(row.outs, self.engine.apply(impl, args, grad=grad), spec.name)

    def _out_of_memory(self, cause: MemoryError, op: str) -> OutOfMemory:
        """A refusal with what holds memory."""
        error = cause if isinstance(cause, OutOfMemory) else self.budget.exhausted(op)
        held = largest(self.tensors)
        return OutOfMemory(f"{error.message}; the largest tensors: {held or 'none'}", **error.details)

    def bind(self, outs: int | tuple[int, ...] | None, result: Any, op: str) -> None:
        """Give results the names that the client chose."""
        if type(outs) is int and type(result) is Tensor:
            self.tensors[outs] = result
            return
        names = (outs,) if type(outs) is int else outs or ()
        results = result if type(result) is tuple else (result,)
        if len(names) != len(results):
            raise Malformed(f"{op} has {len(results)} results, the row names {len(names)}", op=op)
        self.tensors.update(zip(names, results, strict=True))

    def skip(self, row: Row, error: TelegradError) -> None:
        """Pass over a row after a failure: its results fail with the same cause, what it lets go of is let go of.

        Whatever is wrong with the row itself, nobody is told: the failure before it was.
        """
        release = RELEASES.get(BY_INDEX[row.op].name) if 0 <= row.op < len(BY_INDEX) else None
        if release is not None:
            with suppress(TelegradError, TypeError):
                release(self, *row.args)
        names = (row.outs,) if type(row.outs) is int else row.outs or ()
        for name in names:
            self.tensors.pop(name, None)
        self.failed.update(dict.fromkeys(names[-MOST_FAILED:], error))
        for name in list(islice(self.failed, max(len(self.failed) - MOST_FAILED, 0))):
            del self.failed[name]

    def tensor(self, name: Any, spec: OpSpec, argument: str) -> Tensor:
        """The tensor of that id. Raises the cause if it failed, `UnknownTensor` if there is none."""
        if type(name) is not int or name < 0:
            raise Malformed(f"{spec.name}: '{argument}' is the id of a tensor", op=spec.name, got=shown(name))
        found = self.tensors.get(name)
        if type(found) is Tensor:
            return found
        cause = self.failed.get(name)
        if cause is not None:
            raise type(cause)(cause.message, **{k: v for k, v in cause.details.items() if k != "row"})
        raise UnknownTensor(
            f"{spec.name}(): there is no tensor {name!r} for argument '{argument}' in this session",
            op=spec.name,
            argument=argument,
            got=str(name),
            hint="it was freed, or belongs to another session, or to the process that this one was forked from",
        )

    def resolve(self, spec: OpSpec, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Wire arguments to what the engine takes: ids to tensors, [number] to the number, names to dtypes."""
        if len(args) != len(spec.params):
            raise Malformed(f"{spec.name} takes {len(spec.params)} arguments, the row has {len(args)}", op=spec.name)
        if not spec.well_formed(*args):
            raise _not_declared(spec, args)
        values = list(args)
        for slot in spec.tensor_slots:
            value = values[slot]
            if type(value) is int and not (spec.takes_lists and _is_list(spec, slot)):
                found = self.tensors.get(value)
                values[slot] = found if type(found) is Tensor else self.tensor(value, spec, spec.names[slot])
            elif value is not None or not spec.params[slot].kind.optional:
                values[slot] = self._resolve_group(spec, slot, value)
        for slot, decode in spec.decoders:
            values[slot] = spec.decode(slot, decode, values[slot])
        if spec.generator_slot is not None:
            values[spec.generator_slot] = self.generator(values[spec.generator_slot])
        return tuple(values)

    def _resolve_group(self, spec: OpSpec, slot: int, value: Any) -> Any:
        if type(value) is not tuple:
            raise Malformed(f"{spec.name}: a number beside tensors travels as [number]", op=spec.name, got=shown(value))
        name = spec.names[slot]
        kind = spec.params[slot].kind
        if kind.optional_items:
            return tuple([None if item is None else self.tensor(item, spec, name) for item in value])
        if kind.role is Role.TENSORS:
            return tuple([self.tensor(item, spec, name) for item in value])
        if len(value) == 1 and type(value[0]) in (bool, int, float) and kind.takes_numbers:
            return value[0]
        raise Malformed(f"{spec.name}: '{name}' is an id or [number]", op=spec.name, got=shown(value))

    def generator(self, name: Any) -> Any:
        if name is not None and (type(name) is not int or name < 0):
            raise Malformed("a generator is named by its id", argument="generator", got=shown(name))
        found = self.generators.get(name)
        if found is None:
            raise UnknownTensor(f"there is no generator {name!r} in this session", got=str(name))
        return found

    def count_objects(self) -> None:
        """Count anew what ids, tensors and nodes take of the budget themselves."""
        ids, failed = len(self.tensors) * ID_BYTES, len(self.failed) * FAILED_BYTES
        storages = sys.getrefcount(self.budget) * STORAGE_BYTES
        nodes = len(self.engine.nodes) * NODE_BYTES
        self.budget.count_objects(ids + failed + storages + nodes + len(self.generators) * GENERATOR_BYTES)

    def adopt(self, data: Any, meta: Any) -> Tensor:
        """A tensor on memory that was already admitted."""
        return Tensor(data, meta, Storage(meta.nbytes, self.budget))

    def drop_read(self, name: int) -> None:
        """Forget a read, if there is one of that name: writes need not copy for it any more."""
        dropped = self.reads.pop(name, None)
        if dropped is not None:
            dropped.release()

    def drop_upload(self, name: int) -> None:
        """Forget an upload, if there is one of that name; what it took is free again."""
        dropped = self.uploads.pop(name, None)
        if dropped is not None:
            dropped.release()

    def close(self) -> None:
        """Let go of everything."""
        for name in list(self.uploads):
            self.drop_upload(name)
        for name in list(self.reads):
            self.drop_read(name)
        for table in (self.walks, self.tensors, self.failed, self.generators, self.streams):
            table.clear()
        self.budget.count_objects(0)
        if self.budget.used:  # two tensors may be each other's gradients
            gc.collect()


def _is_list(spec: OpSpec, slot: int) -> bool:
    return spec.params[slot].kind.role is Role.TENSORS


def _not_declared(spec: OpSpec, args: tuple[Any, ...]) -> Malformed:
    for param, value in zip(spec.params, args, strict=True):
        if not param.kind.check(value):
            break
    message = f"{spec.name}(): argument '{param.name}' must be {param.kind.shown}, not {describe(value)}"
    return Malformed(message, op=spec.name, argument=param.name, expected=param.kind.shown, got=shown(value))


_EXECUTE: Final[dict[int, Execute]] = {}
"""What carries out the rows of an op, by the op's code; filled as ops are met."""


def _first_of_its_op(session: Session, row: Row) -> ReadResult | Sent | None:
    index = row[0]
    if not 0 <= index < len(BY_INDEX) or BY_INDEX[index].inner:
        raise unknown_op(row)
    _EXECUTE[index] = run = make(index, Session.execute_any)
    return run(session, row)


def unknown_op(row: Row) -> UnknownOp:
    return UnknownOp(f"there is no op {row[0]}", got=row[0], expected=f"0 to {len(BY_INDEX) - 1}")
