"""One client's tensors, generators, uploads and reads on one device."""

from __future__ import annotations

import gc
import sys
from itertools import islice
from typing import Any, Final, NoReturn

from telegrad_protocol.errors import (
    Malformed,
    NotFound,
    OpTypeError,
    OutOfMemory,
    TelegradError,
    UnknownTensor,
    shown,
)
from telegrad_protocol.kinds import Role
from telegrad_protocol.spec import OpSpec
from telegrad_server.kernels.registry import OpImpl

from .engine import Engine
from .memory import FAILED_BYTES, GENERATOR_BYTES, ID_BYTES, NODE_BYTES, STORAGE_BYTES, Budget, largest
from .submissions import Stream
from .tensor import Storage, Tensor
from .transfers import Read, Upload

DEFAULT_SEED = 67280421310721
"""The seed of a generator until `manual_seed`: PyTorch's."""

MOST_FAILED: Final = 1 << 17
"""The most ids of failed results whose cause a session remembers: the latest ones."""


class Session:
    """One client on one device. `tensors` maps ids to tensors, `failed` ids of failed results to the cause.

    `unwanted` are uploads that had not come when the row that takes them was skipped.

    `autograd_calls` are the backward passes in steps that are under way; `room` is the bytes that values may still take
    in the reply of the submission that runs.
    """

    def __init__(self, xp: Any, parent: Budget) -> None:
        self.budget = Budget(parent.limit, parent)
        self.xp = xp.for_session(parent.limit)
        self.engine = Engine(self.xp, self.budget)
        self.tensors: dict[int, Tensor] = {}
        self.failed: dict[int, TelegradError] = {}
        self.generators: dict[int | None, Any] = {None: xp.new_generator(DEFAULT_SEED)}
        self.uploads: dict[int, Upload] = {}
        self.unwanted: set[int] = set()
        self.reads: dict[int, Read] = {}
        self.autograd_calls: dict[int, Any] = {}
        self.streams: dict[int, Stream] = {0: Stream()}
        self.room = 0

    def refuse(self, impl: OpImpl, error: Exception) -> NoReturn:
        """Raise the error that a kernel's failure means for the user."""
        try:
            self.engine.refuse(impl, error)
        except OutOfMemory as refusal:
            raise self._out_of_memory(refusal, impl.name) from None

    def refuse_row(self, op: str, error: MemoryError) -> NoReturn:
        """Raise the refusal of a row that found no memory."""
        raise self._out_of_memory(error, op) from None

    def _out_of_memory(self, cause: MemoryError, op: str) -> OutOfMemory:
        """A refusal that lists the largest tensors."""
        error = cause if isinstance(cause, OutOfMemory) else self.budget.exhausted(op)
        held = largest(self.tensors)
        return OutOfMemory(f"{error.message}; the largest tensors: {held or 'none'}", **error.details)

    def bind(self, outs: int | tuple[int, ...] | None, result: Any, op: str) -> None:
        """Give results the ids that the client chose."""
        if type(outs) is int and type(result) is Tensor:
            self.tensors[outs] = result
            return
        ids, results = _as_ids(outs), result if type(result) is tuple else (result,)
        if len(ids) != len(results):
            raise Malformed(f"{op} has {len(results)} results, the row names {len(ids)}", op=op)
        self.tensors.update(zip(ids, results, strict=True))

    def fail_results(self, outs: int | tuple[int, ...] | None, error: TelegradError) -> None:
        """Remember the cause for the ids of results that could not be made."""
        ids = _as_ids(outs)
        for tensor_id in ids:
            self.tensors.pop(tensor_id, None)
        self.failed.update(dict.fromkeys(ids[-MOST_FAILED:], error))
        for tensor_id in list(islice(self.failed, max(len(self.failed) - MOST_FAILED, 0))):
            del self.failed[tensor_id]

    def tensor(self, tensor_id: Any, spec: OpSpec, argument: str) -> Tensor:
        """The tensor of that id. Raises the cause if it failed, `UnknownTensor` if there is none."""
        if type(tensor_id) is not int or tensor_id < 0:
            raise Malformed(f"{spec.name}: '{argument}' is the id of a tensor", op=spec.name, got=shown(tensor_id))
        found = self.tensors.get(tensor_id)
        if type(found) is Tensor:
            return found
        cause = self.failed.get(tensor_id)
        if cause is not None:
            raise type(cause)(cause.message, **{k: v for k, v in cause.details.items() if k != "row"})
        raise UnknownTensor(
            f"{spec.name}(): there is no tensor {tensor_id!r} for argument '{argument}' in this session",
            op=spec.name,
            argument=argument,
            got=str(tensor_id),
            hint="it was freed, or belongs to another session, or to the process that this one was forked from",
        )

    def resolve(self, spec: OpSpec, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row's arguments as the engine takes them: tensors for ids, the number for [number], dtypes for names."""
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
        if kind.role is Role.TENSORS and not kind.optional_items:
            return tuple([self.tensor(item, spec, name) for item in value])
        if kind.role is Role.TENSORS:
            return tuple([None if item is None else self.tensor(item, spec, name) for item in value])
        if len(value) == 1 and type(value[0]) in (bool, int, float) and kind.takes_numbers:
            return value[0]
        raise Malformed(f"{spec.name}: '{name}' is an id or [number]", op=spec.name, got=shown(value))

    def generator(self, generator_id: Any) -> Any:
        """The generator of that id, or the default one for None."""
        if generator_id is not None and (type(generator_id) is not int or generator_id < 0):
            raise Malformed("a generator is named by its id", argument="generator", got=shown(generator_id))
        found = self.generators.get(generator_id)
        if found is None:
            raise UnknownTensor(f"there is no generator {generator_id!r} in this session", got=str(generator_id))
        return found

    def count_objects(self) -> None:
        """Count anew the memory that the Python objects of ids, tensors and nodes take."""
        ids, failed = len(self.tensors) * ID_BYTES, len(self.failed) * FAILED_BYTES
        storages = sys.getrefcount(self.budget) * STORAGE_BYTES
        nodes = len(self.engine.tape.nodes) * NODE_BYTES
        self.budget.count_objects(ids + failed + storages + nodes + len(self.generators) * GENERATOR_BYTES)

    def adopt(self, data: Any, meta: Any) -> Tensor:
        """A tensor on memory that was already admitted."""
        return Tensor(data, meta, Storage(meta.nbytes, self.budget))

    def drop_read(self, read_id: int) -> None:
        """Forget a read, if there is one of that id: writes need not copy for it any more."""
        dropped = self.reads.pop(read_id, None)
        if dropped is not None:
            dropped.release()

    def drop_upload(self, upload_id: int) -> None:
        """Forget an upload, if there is one of that id, and free its memory."""
        dropped = self.uploads.pop(upload_id, None)
        if dropped is not None:
            dropped.release()

    def refuse_upload(self, upload_id: int) -> None:
        """Forget an upload, or refuse it once it comes: the row that takes it was skipped."""
        if upload_id in self.uploads:
            self.drop_upload(upload_id)
        elif len(self.unwanted) < MOST_FAILED:
            self.unwanted.add(upload_id)

    def check_wanted(self, upload_id: int) -> None:
        """Raise `NotFound` for an upload whose row was skipped."""
        if upload_id in self.unwanted:
            self.unwanted.discard(upload_id)
            raise NotFound(f"upload {upload_id} is not wanted: the row that takes it was skipped", got=upload_id)

    def close(self) -> None:
        """Free everything."""
        for upload_id in list(self.uploads):
            self.drop_upload(upload_id)
        for read_id in list(self.reads):
            self.drop_read(read_id)
        for table in (self.autograd_calls, self.tensors, self.failed, self.generators, self.streams):
            table.clear()
        self.budget.count_objects(0)
        if self.budget.used:  # two tensors may be each other's gradients
            gc.collect()


def _is_list(spec: OpSpec, slot: int) -> bool:
    return spec.params[slot].kind.role is Role.TENSORS


def _not_declared(spec: OpSpec, args: tuple[Any, ...]) -> OpTypeError:
    """As the client says it of a call that it had not seen before: `sum(dim=1.0)` travels after `sum(dim=1)`."""
    checked = enumerate(zip(spec.params, args, strict=True))
    position = next(position for position, (param, value) in checked if not param.kind.check(value))
    return spec.not_of_kind(position, args[position])


def _as_ids(outs: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The ids of a row's results."""
    return (outs,) if isinstance(outs, int) else outs or ()
