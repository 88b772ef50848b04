"""What the optimizer rows do: everything is checked and made first, then every parameter is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import Malformed, OpError, ShapeError
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.shapes import Meta, contiguous

from .controls import handles
from .tensor import Tensor

if TYPE_CHECKING:
    from .session import Session


@handles
def clear_grads(session: Session, row: Row, tensors: tuple[Tensor, ...]) -> None:
    for tensor in tensors:
        tensor.grad = None


@handles
def unscale_grads(session: Session, row: Row, params: tuple[Tensor, ...], factor: float) -> ReadResult:
    _gradients(params)  # raises for what has none
    xp, grads = session.xp, [param.grad for param in params if param.grad is not None]
    xp.raise_faults()
    for grad in grads:
        session.engine.about_to_write(grad)
    finite = xp.ones((), dtypes.bool_)
    for grad in grads:
        finite = xp.logical_and(finite, xp.all(xp.isfinite(grad.data), tuple(range(grad._meta.ndim))))
        xp.assign(grad.data, xp.multiply(grad.data, float(factor)))
    return ReadResult(row.outs, "bool", (), xp.to_bytes(finite))


@handles
def sgd_step(
    session: Session,
    row: Row,
    params: tuple[Tensor, ...],
    state: tuple[int, ...],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    grads = _gradients(params)
    width = 1 if momentum else 0
    fresh = [name not in session.tensors for name in state] if momentum else [False] * len(params)
    held = _state(session, params, state, width, lambda meta: (contiguous(meta.shape, meta.dtype),) * width)
    arrays, *buffers = _written(session, params, held, width)
    options = (*map(float, (lr, momentum, dampening, weight_decay)), bool(nesterov), bool(maximize))
    session.xp.sgd_update(arrays, grads, buffers[0] if buffers else None, fresh, *options)


@handles
def adam_step(
    session: Session,
    row: Row,
    params: tuple[Tensor, ...],
    state: tuple[int, ...],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    decoupled: bool,
    maximize: bool,
) -> None:
    grads = _gradients(params)
    width = 4 if amsgrad else 3
    step_meta = contiguous((), dtypes.float32)

    def metas(meta: Meta) -> tuple[Meta, ...]:
        return (step_meta, *(contiguous(meta.shape, meta.dtype),) * (width - 1))

    held = _state(session, params, state, width, metas)
    arrays, counts, m, v, *vmax = _written(session, params, held, width)
    options = (*map(float, (lr, beta1, beta2, eps, weight_decay)), bool(decoupled), bool(maximize))
    session.xp.adam_update(arrays, grads, counts, m, v, vmax[0] if vmax else None, *options)


def _gradients(params: tuple[Tensor, ...]) -> list[Any]:
    """The gradients' arrays. Raises for a parameter without one, or of a dtype that is not floating."""
    for i, param in enumerate(params):
        if param.grad is None:
            raise OpError(f"parameter {i} has no gradient", argument="params")
        if param.grad.shape != param.shape or not param.dtype.is_floating_point:
            raise ShapeError(f"parameter {i} is {param._meta!r}, its gradient {param.grad._meta!r}", argument="params")
    return [param.grad.data for param in params if param.grad is not None]


def _state(session: Session, params: Any, names: tuple[int, ...], width: int, metas: Any) -> list[list[Tensor]]:
    """The state tensors of each parameter; missing ones are admitted together, then made."""
    if len(names) != width * len(params):
        raise Malformed(f"{len(params)} parameters need {width * len(params)} state tensors, not {len(names)}")
    wanted = [meta for param in params for meta in metas(param._meta)]
    missing = [(name, meta) for name, meta in zip(names, wanted, strict=True) if name not in session.tensors]
    kept = sum(read.meta.nbytes for name in names for read in _pins(session.tensors.get(name)))
    kept += sum(read.meta.nbytes for param in params for read in _pins(param))
    session.budget.check(sum(meta.nbytes for _, meta in missing) + kept, "the optimizer's state")
    made = {name: session.adopt(session.xp.zeros(meta.shape, meta.dtype), meta) for name, meta in missing}
    found = [made[name] if name in made else session.tensors[name] for name in names]
    for tensor, meta in zip(found, wanted, strict=True):
        if type(tensor) is not Tensor or tensor._meta is not meta:
            raise ShapeError(f"the optimizer's state should be {meta!r}", argument="state")
    session.tensors.update(made)
    return [found[i * width : (i + 1) * width] for i in range(len(params))]  # type: ignore[misc]


def _pins(tensor: Any) -> tuple[Any, ...]:
    """The reads that keep the old elements of a tensor when it is written."""
    return tensor.storage.memory.pins if type(tensor) is Tensor else ()


def _written(session: Session, params: Any, held: list[list[Tensor]], width: int) -> list[list[Any]]:
    """The arrays of the parameters, and of each of their states, which are about to be written in place."""
    columns = [params, *([states[i] for states in held] for i in range(width))]
    for column in columns:
        for tensor in column:
            session.engine.about_to_write(tensor)
    return [[tensor.data for tensor in column] for column in columns]
