"""Ops in place: the result is written into the first argument; its history and its views follow."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.errors import Malformed, UnsupportedOp
from telegrad_protocol.rules import check_history, check_inplace, check_overlap
from telegrad_server.kernels import IMPLS
from telegrad_server.kernels.registry import OpImpl
from telegrad_server.worker.tensor import Tensor

from .apply import Engine
from .tape import save_outs


def apply_inplace(engine: Engine, impl: OpImpl, args: tuple[Any, ...], *, grad: bool) -> Tensor:
    """Run an op and write its result into the first argument."""
    if not args or type(args[0]) is not Tensor:
        raise Malformed(f"{impl.name} in place: the first argument is the id of a tensor", op=impl.name)
    target: Tensor = engine.tape.refresh_view(args[0])
    _check(engine, impl, args, grad)
    result = _result(engine, impl, args, grad)
    engine.write(target, result.data)
    if result.requires_grad:
        if result.node is not None and result.node.outs:
            save_outs(result.node, (target,))
        engine.tape.rebase(target, result)
    return target


def _result(engine: Engine, impl: OpImpl, args: tuple[Any, ...], grad: bool) -> Tensor:
    """The result in the target's dtype, with its history."""
    target = args[0]
    if grad:
        # The graph's first argument must outlive the write: it is a copy if a VJP reads its value.
        first = _snapshot(engine, target) if _reads_first(engine, impl, args) else target.alias()
        args = (first, *args[1:])
    result = engine.apply(impl, args, grad=grad)
    if grad and target.requires_grad and not impl.spec.differentiable:
        # The result depends on the old value no more: the gradient of the old value is zeros.
        result = engine.apply(IMPLS["copy"], (target.alias(), result), grad=True)
    if result._meta.dtype is not target._meta.dtype:
        result = engine.apply(IMPLS["_to_dtype"], (result, target._meta.dtype), grad=grad)
    made: Tensor = result
    return made


def _check(engine: Engine, impl: OpImpl, args: tuple[Any, ...], grad: bool) -> None:
    target: Tensor = args[0]
    if not impl.spec.inplace:
        raise UnsupportedOp(f"{impl.name} has no in-place variant", op=impl.name)
    if grad and engine.tape.edges_of(impl.spec, args):
        root = target.origin or target.base
        check_history(
            impl.name,
            leaf=target.requires_grad and target.node is None,
            of_leaf=target.requires_grad and root is not None and root.requires_grad and root.node is None,
            frozen=target.frozen,
        )
    check_inplace(impl.spec, impl.spec.infer(args).metas[0], target._meta)
    if impl.spec.elementwise:
        for other in args[1:]:
            if type(other) is Tensor and other.storage.memory is target.storage.memory:
                check_overlap(impl.name, target._meta, target.offset, other._meta, other.offset)


def _reads_first(engine: Engine, impl: OpImpl, args: tuple[Any, ...]) -> bool:
    """Whether a gradient needs the first argument's value; assumed of a decomposition, whose parts are not looked at."""
    return impl.run is None or 0 in impl.plan(tuple(engine.tape.edges_of(impl.spec, args))).kept


def _snapshot(engine: Engine, tensor: Tensor) -> Tensor:
    engine.budget.check(tensor._meta.nbytes, "keeping a value that is about to be overwritten")
    kept = engine.wrap(engine.xp.copy(tensor.data))
    kept.share_history(tensor)
    return kept
