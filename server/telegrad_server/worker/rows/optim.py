"""The optimizer rows. Each checks and allocates everything first, then writes every parameter."""

from __future__ import annotations

from typing import Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import Malformed, OpError, ShapeError
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.rules import check_overlap, check_writable
from telegrad_protocol.shapes import Meta, contiguous
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Tensor, count_writes

from .registry import handles


@handles("clear_grads")
def clear_grads(session: Session, row: Row, tensors: tuple[Tensor, ...]) -> None:
    for tensor in tensors:
        tensor.grad = None


@handles("unscale_grads")
def unscale_grads(session: Session, row: Row, params: tuple[Tensor, ...], factor: float) -> ReadResult:
    _gradients(params)  # raises for a parameter without one
    xp, grads = session.xp, [param.grad for param in params if param.grad is not None]
    for grad in grads:
        check_writable("unscale_grads", grad._meta)
    xp.raise_faults()
    finite = xp.ones((), dtypes.bool_)
    for grad in grads:
        finite = xp.logical_and(finite, xp.all(xp.isfinite(grad.data), tuple(range(grad._meta.ndim))))
    result = ReadResult(row.outs, "bool", (), xp.to_bytes(finite))
    session.engine.keep_reads(grads)
    for grad in grads:
        xp.multiply_into(grad.data, float(factor))
    count_writes(grads)
    return result


@handles("sgd_step")
def sgd_step(
    session: Session,
    row: Row,
    params: tuple[Tensor, ...],
    state_ids: tuple[int, ...],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    grads = _gradients(params)
    width = 1 if momentum else 0
    fresh = [state_id not in session.tensors for state_id in state_ids] if momentum else [False] * len(params)
    step = Step(session, params, state_ids, width, lambda meta: (contiguous(meta.shape, meta.dtype),) * width)
    arrays, *buffers = step.written()
    options = (*map(float, (lr, momentum, dampening, weight_decay)), bool(nesterov), bool(maximize))
    session.xp.sgd_update(arrays, grads, buffers[0] if buffers else None, fresh, *options)
    step.end()


@handles("adam_step")
def adam_step(
    session: Session,
    row: Row,
    params: tuple[Tensor, ...],
    state_ids: tuple[int, ...],
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

    step = Step(session, params, state_ids, width, metas)
    arrays, counts, m, v, *vmax = step.written()
    options = (*map(float, (lr, beta1, beta2, eps, weight_decay)), bool(decoupled), bool(maximize))
    session.xp.adam_update(arrays, grads, counts, m, v, vmax[0] if vmax else None, *options)
    step.end()


def _gradients(params: tuple[Tensor, ...]) -> list[Any]:
    """The gradients' arrays. Raises for a parameter without one, or of a dtype that is not floating."""
    for i, param in enumerate(params):
        if param.grad is None:
            raise OpError(f"parameter {i} has no gradient", argument="params")
        if param.grad.shape != param.shape or not param.dtype.is_floating_point:
            raise ShapeError(f"parameter {i} is {param._meta!r}, its gradient {param.grad._meta!r}", argument="params")
    return [param.grad.data for param in params if param.grad is not None]


class Step:
    """One optimizer step: its parameters and their state tensors. The missing ones are admitted together and made."""

    def __init__(
        self, session: Session, params: tuple[Tensor, ...], state_ids: tuple[int, ...], width: int, metas: Any
    ) -> None:
        if len(state_ids) != width * len(params):
            raise Malformed(f"{len(params)} parameters need {width * len(params)} state tensors, not {len(state_ids)}")
        self.session, self.params, self.width = session, params, width
        for param in params:
            check_writable("step", param._meta)
        wanted = list(zip(state_ids, [meta for param in params for meta in metas(param._meta)], strict=True))
        self.made = self._make({i: meta for i, meta in wanted if i not in session.tensors}, state_ids)
        self.states = [_checked(self.made.get(i) or session.tensors[i], meta) for i, meta in wanted]
        self._check_memory()

    def _make(self, missing: dict[int, Meta], state_ids: tuple[int, ...]) -> dict[int, Tensor]:
        """The missing state tensors. Asks also for the memory that the reads of written tensors will keep."""
        session = self.session
        written = dict.fromkeys([*self.params, *(session.tensors[i] for i in state_ids if i not in missing)])
        kept = sum(read.meta.nbytes for tensor in written for read in _pins(tensor))
        session.budget.check(sum(meta.nbytes for meta in missing.values()) + kept, "the optimizer's state")
        return {i: session.adopt(session.xp.zeros(meta.shape, meta.dtype), meta) for i, meta in missing.items()}

    def _check_memory(self) -> None:
        """Raise for a state tensor that shares memory, and for a gradient that overlaps its parameter."""
        taken = {param.storage.memory for param in self.params}
        taken |= {param.grad.storage.memory for param in self.params if param.grad is not None}
        users: dict[Tensor, tuple[Tensor, int]] = {}
        for i, state in enumerate(self.states):
            user = (self.params[i // self.width], i % self.width)
            if state.storage.memory in taken or users.setdefault(state, user) != user:
                raise OpError("the optimizer's state shares memory with what it is the state of", argument="state")
        for param in self.params:
            grad = param.grad
            if grad is not None and grad.storage.memory is param.storage.memory:
                check_overlap("step", param._meta, param.offset, grad._meta, grad.offset)

    def written(self) -> list[list[Any]]:
        """The arrays that are about to be written in place: the parameters', then those of each kind of state."""
        columns = [list(self.params), *(self.states[i :: self.width] for i in range(self.width))]
        self.session.engine.keep_reads([*self.params, *self.states])
        return [[tensor.data for tensor in column] for column in columns]

    def end(self) -> None:
        """Count the writes, and give the new state tensors their ids."""
        count_writes([*self.params, *self.states])
        self.session.tensors.update(self.made)


def _checked(state: Any, meta: Meta) -> Tensor:
    """A state tensor. Raises `ShapeError` if it has another shape or dtype, or is not contiguous."""
    found = state._meta if type(state) is Tensor else None
    if found is None or not found.contiguous or (found.shape, found.dtype) != (meta.shape, meta.dtype):
        raise ShapeError(f"the optimizer's state should be {meta!r}", argument="state")
    return state


def _pins(tensor: Any) -> tuple[Any, ...]:
    """The reads under way of a tensor's memory."""
    return tensor.storage.memory.pins if type(tensor) is Tensor else ()
