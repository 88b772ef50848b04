"""Ops called by name: arguments bound as Python binds them, their rows, and the answer with the results."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from telegrad_protocol import dtypes
from telegrad_protocol import spec as table
from telegrad_protocol.devices import canonical
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import DeviceError, OpTypeError, TooLarge, UnknownOp, UnknownTensor, UnsupportedOp
from telegrad_protocol.kinds import Role
from telegrad_protocol.limits import MOST_RESULTS
from telegrad_protocol.messages import GRAD, INPLACE, ReadResult, Row
from telegrad_protocol.shapes import HasMeta, contiguous
from telegrad_protocol.spec import OpSpec, Param

from .codec import finite, number
from .offload import work
from .op_stream import OpStream, control_row
from .schemas import TENSOR

ELSEWHERE: Final = {
    "constant": "POST /v1/sessions/{session}/tensors",
    "upload": "POST /v1/sessions/{session}/tensors",
    "read": "GET /v1/sessions/{session}/tensors/{tensor}/value",
    "describe": "GET /v1/sessions/{session}/tensors/{tensor}",
    "free": "DELETE /v1/sessions/{session}/tensors/{tensor}",
    "backward": "POST /v1/sessions/{session}/tensors/{tensor}/backward",
}
"""Rows that callers ask for as if they were ops, and the routes that they have instead."""


class Ref(HasMeta):
    """A tensor that a caller names. Its metadata is fetched only where the number of results depends on it."""

    __slots__ = ("_meta", "id")

    def __init__(self, tensor: int) -> None:
        self.id = tensor


class Names:
    """The words that name tensors in arguments: ids and, in a list of calls, the names of earlier results."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}
        self.freed: set[int] = set()

    def find(self, name: str) -> int | None:
        """The id that a word names, or None. Raises `OpTypeError` for a tensor that an earlier call has freed."""
        found = self.given.get(name)
        if found is None and TENSOR.fullmatch(name):
            found = id_of(name)
        if found in self.freed:
            raise OpTypeError(f"'{name}' was freed before", got=name)
        return found

    def tensor(self, name: str, argument: str) -> int:
        """The id that a word names. Raises `OpTypeError` if it names none."""
        try:
            found = self.find(name)
        except OpTypeError as error:
            error.details["argument"] = argument
            raise
        if found is None:
            raise OpTypeError(
                f"argument '{argument}': '{name[:100]}' names no tensor",
                argument=argument,
                expected="a tensor's id, as in 't5', or in a list of calls the name of an earlier one",
                got=name[:100],
            )
        return found


def id_of(name: str) -> int:
    return int(name[1:])


def find_op(name: str) -> OpSpec:
    """The op of that name. Raises `UnknownOp`, with the probable name."""
    try:
        return table.find(name)
    except UnknownOp as error:
        base = table.OPS.get(name.removesuffix("_"))
        if name in ELSEWHERE:
            error.details["hint"] = f"use {ELSEWHERE[name]}"
        elif base is not None and base.public and base.inplace:
            error.details["hint"] = f"""call '{base.name}' with "inplace": true"""
        raise


def metadata(tensor_id: int, dtype: str, shape: tuple[int, ...], requires_grad: bool) -> dict[str, Any]:
    """A tensor's metadata as callers get it."""
    nbytes = contiguous(shape, dtypes.by_name(dtype)).nbytes
    return {
        "id": f"t{tensor_id}",
        "dtype": dtype,
        "shape": list(shape),
        "requires_grad": requires_grad,
        "bytes": nbytes,
    }


async def describe(op_stream: OpStream, rows: list[Row], ids: list[int], made: list[int]) -> list[dict[str, Any]]:
    """Run rows; the metadata of the tensors `ids` afterwards."""
    asked = [control_row("describe", None, tensor_id) for tensor_id in ids]
    found = await op_stream.submit([*rows, *asked], made)
    return [metadata_of(tensor_id, result) for tensor_id, result in zip(ids, found, strict=True)]


def metadata_of(tensor: int, described: ReadResult) -> dict[str, Any]:
    """The answer of a `describe` row as callers get it."""
    return metadata(tensor, described.dtype, described.shape, described.data == b"\1")


class Call(NamedTuple):
    """A call that has been bound. `outs`: the ids of the tensors that it makes. `ids`: of its results, also in place."""

    spec: OpSpec
    row: Row
    outs: list[int]
    ids: list[int]
    several: bool

    @property
    def makes_generator(self) -> bool:
        """Its result is a generator, which has an id and no metadata."""
        return self.spec.name == "new_generator"

    def metadata(self, result: int, described: Iterator[ReadResult]) -> dict[str, Any]:
        """One result as callers get it."""
        return {"generator": result} if self.makes_generator else metadata_of(result, next(described))

    def answer(self, found: list[Any]) -> Any:
        """The results as callers get them: one, a list where there are several, None where there is none."""
        return found if self.several else found[0] if found else None


async def call_op(
    op_stream: OpStream,
    spec: OpSpec,
    args: Any,
    *,
    inplace: bool,
    grad: bool,
    free: Sequence[str] = (),
    large: bool = False,
) -> Any:
    """Run one op, then free tensors; the results. `large`: there are many arguments.

    Raises the `OpError` that names the argument that is wrong; nothing has been freed then.
    """
    frees = freed_ids(Names(), free)
    bound = await work(large, bind, op_stream, spec, args, Names())
    outs = [] if inplace else [op_stream.new_id() for _ in range(await _count(op_stream, spec, bound))]
    if len(outs) > MOST_RESULTS:
        raise TooLarge(f"the call would have {len(outs)} results", op=spec.name, expected=MOST_RESULTS, got=len(outs))
    made = prepare(spec, bound, outs, inplace=inplace, grad=grad)
    described_ids = [] if made.makes_generator else made.ids
    checks = [control_row("describe", None, tensor) for tensor in frees]
    outcome = await op_stream.attempt(
        [*checks, made.row, *(control_row("describe", None, t) for t in described_ids)], outs
    )
    if outcome.error is not None:
        if outcome.row is not None and outcome.row < len(checks):
            raise not_there("free", frees[outcome.row])
        raise outcome.error
    if frees:
        await op_stream.forget(frees)
    described = iter(outcome.results[len(checks) :])
    return made.answer([made.metadata(result, described) for result in made.ids])


def prepare(spec: OpSpec, bound: tuple[Any, ...], outs: list[int], *, inplace: bool, grad: bool) -> Call:
    """A call's row, for bound arguments and the ids of its results. Raises `UnsupportedOp`."""
    if inplace and not spec.inplace:
        raise UnsupportedOp(f"{spec.name} has no in-place variant", op=spec.name, argument="inplace")
    wired = tuple([_wired(param, value) for param, value in zip(spec.params, bound, strict=True)])
    flags = GRAD if grad else 0
    if inplace:
        return Call(spec, Row(spec.index, flags | INPLACE, None, wired), [], [wired[0]], False)
    several = spec.returns is None or len(spec.returns) > 1
    named = tuple(outs) if several else outs[0] if outs else None
    return Call(spec, Row(spec.index, flags, named, wired), outs, outs, several)


def freed_ids(names: Names, free: Sequence[str]) -> list[int]:
    """The ids that a call frees. From then on `names` refuses them."""
    found = []
    for name in free:
        tensor = names.tensor(name, "free")
        names.freed.add(tensor)
        found.append(tensor)
    return found


def not_there(argument: str, tensor: int) -> UnknownTensor:
    name = f"t{tensor}"
    return UnknownTensor(f"{argument}: there is no tensor '{name}' in this session", argument=argument, got=name)


def bind(op_stream: OpStream, spec: OpSpec, args: Any, names: Names) -> tuple[Any, ...]:
    """Arguments in declared order, checked and converted, from a list or from names."""
    given = spec.bind(**args) if isinstance(args, Mapping) else spec.bind(*args)
    try:
        meant = tuple([_value_of(param, value, names) for param, value in zip(spec.params, given, strict=True)])
    except OpTypeError as error:
        error.details["op"] = spec.name
        raise
    bound = spec.convert(meant)
    if spec.device_slot is not None and bound[spec.device_slot] is not None:
        _check_device(op_stream, spec, canonical(bound[spec.device_slot]))
    return bound


def _check_device(op_stream: OpStream, spec: OpSpec, device: str) -> None:
    if device != op_stream.device:
        raise DeviceError(
            f"{spec.name}(): the calls of this session run on {op_stream.device}",
            op=spec.name,
            argument=spec.names[spec.device_slot or 0],
            expected=op_stream.device,
            got=device,
            hint=f"""a session opened with {{"device": "{device}"}} is on that device""",
        )


def _value_of(param: Param, value: Any, names: Names) -> Any:
    """The value of a JSON string where it stands for a tensor, or for a number that is not finite."""
    if param.kind.role is Role.IDS:
        return _ids(param, value, names)
    if isinstance(value, str):
        return _word(param, value, names)
    if isinstance(value, list | tuple):
        return tuple([_value_of(param, item, names) for item in value])
    return value


def _word(param: Param, value: str, names: Names) -> Any:
    if param.kind.takes_numbers:
        not_finite = number(value)
        if not_finite is not None:
            return not_finite
    if param.kind.holds_tensors:
        return Ref(names.tensor(value, param.name))
    generator = names.find(value) if param.kind.role is Role.GENERATOR else None
    return value if generator is None else generator


def _ids(param: Param, value: Any, names: Names) -> tuple[int, ...]:
    """The ids of tensors, for a row that takes ids as they are: only tensors that a caller can name."""
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise OpTypeError(
            f"argument '{param.name}' must be a list of tensors", argument=param.name, expected=["t5", "t6"]
        )
    return tuple([names.tensor(name, param.name) for name in value])


def _wired(param: Param, value: Any) -> Any:
    """An argument as the row carries it; a number in place of a tensor is wrapped."""
    if isinstance(value, Ref):
        return value.id
    if isinstance(value, DType):
        return value.name
    if not param.kind.holds_tensors:
        return value
    if isinstance(value, tuple):
        return tuple([None if item is None else item.id for item in value])
    return None if value is None else (value,)


async def _count(op_stream: OpStream, spec: OpSpec, args: tuple[Any, ...]) -> int:
    """The number of results of a call: declared, or inferred where it depends on shapes."""
    known = known_count(spec, args)
    if known is not None:
        return known
    refs = [item for value in args for item in (value if isinstance(value, tuple) else (value,))]
    refs = [ref for ref in refs if isinstance(ref, Ref)]
    for ref, found in zip(refs, await describe(op_stream, [], [ref.id for ref in refs], []), strict=True):
        ref._meta = contiguous(tuple(found["shape"]), dtypes.by_name(found["dtype"]))
    return len((await asyncio.to_thread(spec.infer, args)).metas)


def known_count(spec: OpSpec, args: tuple[Any, ...]) -> int | None:
    """The number of results of a call, or None where it depends on shapes."""
    if spec.returns is not None:
        return len(spec.returns)
    return len(args[spec.names.index("inputs")]) if spec.rule is None else None  # gradients: one for every input


def op_info(spec: OpSpec) -> dict[str, Any]:
    """An op as `GET /v1/ops` shows it."""
    return {
        "name": spec.name,
        "signature": spec.signature,
        "doc": spec.doc,
        "family": spec.family,
        "params": [_param_info(param) for param in spec.params],
        "returns": None if spec.returns is None else list(spec.returns),
        "inplace": spec.inplace,
        "view": spec.view,
        "differentiable": spec.differentiable,
        "control": spec.control,
    }


def _param_info(param: Param) -> dict[str, Any]:
    found = {
        "name": param.name,
        "type": param.kind.shown,
        "required": param.required,
        "keyword_only": param.keyword_only,
        "schema": param.kind.schema or {},
    }
    return found if param.required else {**found, "default": _plain(param.default)}


def _plain(default: Any) -> Any:
    if isinstance(default, DType):
        return default.name
    return [_plain(item) for item in default] if isinstance(default, tuple) else finite(default)
