"""The general path of a call: check and infer, make the results, put the row on the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from telegrad._runtime.grad_mode import born, grad_mode
from telegrad._runtime.process import stream
from telegrad_protocol.dtypes import FLOAT
from telegrad_protocol.errors import AutogradError, OpTypeError, UnsupportedOp
from telegrad_protocol.messages import INPLACE
from telegrad_protocol.rules import check_history, check_inplace, check_overlap, frozen_view
from telegrad_protocol.spec import Inferred, OpSpec

from .arguments import leaves_of, on_one_device, tensors_of
from .call_sites import warn
from .contents import forget
from .leaf_sets import LeafSet
from .proxy import TensorBase
from .rows import append

ON_HOST: Final[dict[str, Callable[[OpSpec, tuple[Any, ...]], Any]]] = {}
"""Ops that are done on the host where all their tensors are there: such a function gives None where it does not apply."""


ON_HOST_TOO: Final = frozenset("add sub mul floor_divide remainder eq ne lt le gt ge".split())
"""Ops on integers that are done on the host while all their tensors are there."""


def record(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """Record a call of any op on arguments in declared order. Raises what metadata alone tells."""
    if spec.dtype_slot is not None and isinstance(args[spec.dtype_slot], str):
        raise OpTypeError(f"{spec.shown}(): argument 'dtype' must be torch.dtype, not str", op=spec.name)
    args = spec.convert(args)
    if len(spec.tensor_slots) > 1 or spec.takes_lists:
        args = on_one_device(spec, args)
    on_host = ON_HOST.get(spec.name)
    if on_host is not None and (found := on_host(spec, args)) is not None:
        return found
    if not spec.static_shape:
        return _record_dynamic_shape(spec, args)
    inferred = spec.infer(args)
    if inferred.warning is not None:
        warn(inferred.warning)
    outs = tuple([stream.next_id() for _ in inferred.metas])
    leaves = leaves_of(spec, args) if grad_mode.on and spec.differentiable else None
    results = _wrap(spec, args, inferred, outs, leaves)
    append(spec, args, outs[0] if spec.returns == ("out",) else outs)
    return results[0] if spec.returns == ("out",) else several(spec, results)


def _record_dynamic_shape(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """Record a call whose result shapes depend on values: a result fetches its shape when it is asked for."""
    bound = spec.infer(args)
    outs = tuple([stream.next_id() for _ in spec.returns or ()])
    leaves = leaves_of(spec, args) if grad_mode.on and spec.differentiable else None
    results = []
    for tensor_id, meta in zip(outs, bound.metas, strict=True):
        result = born(TensorBase.make(tensor_id, None))
        result._device_bits = meta.device_bits
        if leaves is not None and meta.dtype.category == FLOAT:
            _join_graph(result, spec, args, leaves)
        results.append(result)
    append(spec, args, outs[0] if spec.returns == ("out",) else outs)
    return results[0] if spec.returns == ("out",) else several(spec, tuple(results))


def _wrap(
    spec: OpSpec, args: tuple[Any, ...], inferred: Inferred, outs: tuple[int, ...], leaves: LeafSet | None
) -> tuple[TensorBase, ...]:
    results = []
    offsets = inferred.offset if isinstance(inferred.offset, tuple) else (inferred.offset,) * len(outs)
    for number, (tensor_id, meta, offset) in enumerate(zip(outs, inferred.metas, offsets, strict=True)):
        result = born(TensorBase.make(tensor_id, meta))
        flows = leaves if leaves is None or not spec.separate else args[spec.tensor_slots[0]][number]._leaves
        if flows is not None and meta.dtype.category == FLOAT:
            _join_graph(result, spec, args, flows)
        if offset is not None:
            _make_view(spec, number, result, args[spec.tensor_slots[0]], offset)
        results.append(result)
    return tuple(results)


def _join_graph(result: TensorBase, spec: OpSpec, args: tuple[Any, ...], leaves: LeafSet) -> None:
    """Make gradients flow through a result, which then keeps its graph's memory alive."""
    result._leaves, result._fn = leaves, spec.name
    if any(tensor._free_now for tensor in tensors_of(spec, args)):
        leaves.large = True
    if leaves.large:
        result._free_now = True


def _make_view(spec: OpSpec, number: int, view: TensorBase, source: TensorBase, offset: int) -> None:
    view._free_now = True
    view._offset = source._offset + offset
    if spec.detached:
        view._memory, view._own_version = source.root, spec.own_version
    else:
        view._base = source.base
        frozen = frozen_view(spec, grad_mode.on, number) or source._frozen
        if frozen is not None:
            view._frozen = frozen
    if source._stray:
        view._stray = True
    source.root.add_alias(view)


def several(spec: OpSpec, results: tuple[TensorBase, ...]) -> Any:
    return results if spec.returns is None else return_type(spec)(*results)


_return_types: dict[str, Any] = {}


def return_type(spec: OpSpec) -> Any:
    """The named tuple of an op with several results, as PyTorch's `return_types`."""
    if spec.name not in _return_types:
        from collections import namedtuple

        _return_types[spec.name] = namedtuple(spec.name.strip("_"), spec.returns or ())
    return _return_types[spec.name]


def inplace(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """Record a call whose result is written into the first argument."""
    args = on_one_device(spec, spec.convert(args, f"{spec.shown}_"))
    target: TensorBase = args[0]
    if not spec.inplace:
        raise UnsupportedOp(f"{spec.name} has no in-place variant", op=spec.name)
    if target.root._inference and not grad_mode.inference:
        raise AutogradError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
            "normal tensor before doing inplace update.",
            op=spec.name,
        )
    leaves = leaves_of(spec, args) if grad_mode.on else None
    if leaves is not None:
        check_history(
            spec.name,
            leaf=target.is_leaf_with_grad,
            of_leaf=target._base is not None and target._leaves is not None and target._base.is_leaf_with_grad,
            frozen=target._frozen,
        )
    check_inplace(spec, spec.infer(args).metas[0], target._meta)
    if spec.elementwise:
        for other in args[1:]:
            if isinstance(other, TensorBase) and other.root is target.root:
                check_overlap(spec.name, target._meta, target._offset, other._meta, other._offset)
    if target._meta.dtype.category != FLOAT:
        leaves = None
    if leaves is not None and (leaves.large or any(tensor._free_now for tensor in tensors_of(spec, args))):
        target._free_now = True
    append(spec, args, None, INPLACE, target.written(leaves, spec.name))
    forget(target)
    return target
