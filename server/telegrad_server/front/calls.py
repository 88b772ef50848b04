"""One op called by name: its arguments bound as Python would, its rows, and what is told of the results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import UnsupportedOp
from telegrad_protocol.messages import GRAD, INPLACE, Row
from telegrad_protocol.shapes import HasMeta, contiguous
from telegrad_protocol.spec import OpSpec, Param

from .caller import Caller, control_row
from .codec import finite, number

_NAME: Final = re.compile(r"t[0-9]{1,15}")
_NUMBERS: Final = ("Number", "Value", "float")
ELSEWHERE: Final = {
    "constant": "POST /v1/sessions/{session}/tensors",
    "upload": "POST /v1/sessions/{session}/tensors",
    "read": "GET /v1/sessions/{session}/tensors/{tensor}/value",
    "describe": "GET /v1/sessions/{session}/tensors/{tensor}",
    "free": "DELETE /v1/sessions/{session}/tensors/{tensor}",
}
"""Rows that have a route of their own, because they carry bytes or name no tensor that must exist."""


class Ref(HasMeta):
    """A tensor that a caller names; its metadata is asked for only where it decides something."""

    __slots__ = ("_meta", "id")

    def __init__(self, name: str) -> None:
        self.id = id_of(name)


def id_of(name: str) -> int:
    return int(name[1:])


def metadata(name: int, dtype: str, shape: tuple[int, ...], requires_grad: bool) -> dict[str, Any]:
    """What a caller is told of a tensor."""
    nbytes = contiguous(shape, dtypes.by_name(dtype)).nbytes
    return {
        "id": f"t{name}",
        "dtype": dtype,
        "shape": list(shape),
        "requires_grad": requires_grad,
        "bytes": nbytes,
    }


async def describe(caller: Caller, rows: list[Row], names: list[int], made: list[int]) -> list[dict[str, Any]]:
    """Carry out rows, and tell of the tensors `names` afterwards."""
    asked = [control_row("describe", None, name) for name in names]
    found = await caller.submit([*rows, *asked], made)
    return [metadata(name, r.dtype, r.shape, r.data == b"\1") for name, r in zip(names, found, strict=True)]


async def call(caller: Caller, spec: OpSpec, args: Any, *, inplace: bool, grad: bool) -> Any:
    """Carry out one op: the metadata of its result, a list where there are several, None where there is none.

    Raises the `OpError` that says which argument is wrong, and how.
    """
    if spec.name in ELSEWHERE:
        raise UnsupportedOp(f"{spec.name} is not called by name", op=spec.name, hint=f"use {ELSEWHERE[spec.name]}")
    if inplace and not spec.inplace:
        raise UnsupportedOp(f"{spec.name} has no in-place variant", op=spec.name, argument="inplace")
    bound = bind(spec, args)
    wired = tuple([_wired(param, value) for param, value in zip(spec.params, bound, strict=True)])
    flags = GRAD if grad else 0
    if inplace:
        (changed,) = await describe(caller, [Row(spec.index, flags | INPLACE, None, wired)], [wired[0]], [])
        return changed
    made = [caller.new_id() for _ in range(await _count(caller, spec, bound))]
    several = spec.returns is None or len(spec.returns) > 1
    row = Row(spec.index, flags, tuple(made) if several else made[0] if made else None, wired)
    if spec.name == "new_generator":  # its result is no tensor: there is nothing to tell but its number
        await caller.submit([row], made)
        return {"generator": made[0]}
    results = await describe(caller, [row], made, made)
    return results if several else results[0] if results else None


def bind(spec: OpSpec, args: Any) -> tuple[Any, ...]:
    """Arguments in declared order, checked and converted, from a list or from names."""
    given = spec.bind(**args) if isinstance(args, Mapping) else spec.bind(*args)
    return spec.convert(tuple([_meant(param, value) for param, value in zip(spec.params, given, strict=True)]))


def _meant(param: Param, value: Any) -> Any:
    """What a caller means where JSON has no word for it: a tensor, or a number that is not finite."""
    if isinstance(value, str):
        if param.kind.holds_tensors and _NAME.fullmatch(value):
            return Ref(value)
        if any(word in param.shown for word in _NUMBERS):
            found = number(value)
            return value if found is None else found
    if isinstance(value, list | tuple):
        return tuple([_meant(param, item) for item in value])
    return value


def _wired(param: Param, value: Any) -> Any:
    """An argument as it travels; a number beside tensors is wrapped."""
    if isinstance(value, Ref):
        return value.id
    if isinstance(value, DType):
        return value.name
    if not param.kind.holds_tensors:
        return value
    if isinstance(value, tuple):
        return tuple([None if item is None else item.id for item in value])
    return None if value is None else (value,)


async def _count(caller: Caller, spec: OpSpec, args: tuple[Any, ...]) -> int:
    """How many results a call has: declared, or inferred where that depends on the arguments."""
    if spec.returns is not None:
        return len(spec.returns)
    if spec.rule is None:  # gradients: one for every input
        return len(args[spec.names.index("inputs")])
    refs = [item for value in args for item in (value if isinstance(value, tuple) else (value,))]
    refs = [ref for ref in refs if isinstance(ref, Ref)]
    for ref, found in zip(refs, await describe(caller, [], [ref.id for ref in refs], []), strict=True):
        ref._meta = contiguous(tuple(found["shape"]), dtypes.by_name(found["dtype"]))
    return len(spec.infer(args).metas)


def op_info(spec: OpSpec) -> dict[str, Any]:
    """What `GET /v1/ops` tells of an op."""
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
        "type": param.shown,
        "required": param.required,
        "keyword_only": param.keyword_only,
        "schema": param.kind.schema or {},
    }
    return found if param.required else {**found, "default": _plain(param.default)}


def _plain(default: Any) -> Any:
    if isinstance(default, DType):
        return default.name
    return [_plain(item) for item in default] if isinstance(default, tuple) else finite(default)
