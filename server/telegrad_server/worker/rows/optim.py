"""The optimizer rows. Each checks and allocates everything first, then writes every parameter."""

from __future__ import annotations

from typing import Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import Malformed, OpError, ShapeError
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.rules import check_overlap, check_writable
from telegrad_protocol.shapes import Meta, contiguous
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Storage, Tensor, count_writes

from .registry import answer_id, handles


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
    result = ReadResult(answer_id(row), "bool", (), xp.to_bytes(finite))
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
    step = Step(session, params, state_ids, width, counted=False)
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
    step = Step(session, params, state_ids, width, counted=True)
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
    """One optimizer step: its parameters and their state tensors. The missing ones are admitted together and made.

    Each parameter has `width` state tensors, which follow each other in `state_ids`: the step's number where it is
    `counted`, then tensors of the parameter's own shape and dtype.
    """

    def __init__(
        self, session: Session, params: tuple[Tensor, ...], state_ids: tuple[int, ...], width: int, counted: bool
    ) -> None:
        if len(state_ids) != width * len(params):
            raise Malformed(f"{len(params)} parameters need {width * len(params)} state tensors, not {len(state_ids)}")
        self.session, self.params, self.width = session, params, width
        number, metas = (contiguous((), dtypes.float32),) * counted, list[Meta]()
        for param in params:
            metas += (*number, *(_of_state(param._meta),) * (width - counted))
        self.made: dict[int, Tensor] = {}
        self.states = self._found(state_ids, metas)
        self._check_memory()

    def _found(self, state_ids: tuple[int, ...], metas: list[Meta]) -> list[Tensor]:
        """The state tensors, the missing ones made. Asks also for the memory that the reads of written tensors keep."""
        session, found = self.session, list(map(self.session.tensors.get, state_ids))
        missing = {i: meta for i, state, meta in zip(state_ids, found, metas, strict=True) if state is None}
        kept = sum(read.meta.nbytes for tensor in {*self.params, *found} for read in _pins(tensor))
        session.budget.check(sum(meta.nbytes for meta in missing.values()) + kept, "the optimizer's state")
        for i, meta in missing.items():
            self.made[i] = session.adopt(session.xp.zeros(meta.shape, meta.dtype), meta)
        held = [self.made[i] if state is None else state for i, state in zip(state_ids, found, strict=True)]
        return list(map(_checked, held, metas))

    def _check_memory(self) -> None:
        """Raise for a state tensor that shares memory, and for a gradient that overlaps its parameter."""
        params, grads = self.params, [param.grad for param in self.params if param.grad is not None]
        taken = {tensor.storage.memory for tensor in (*params, *grads)}
        states = {state.storage.memory for state in self.states}
        if not taken.isdisjoint(states) or (len(states) < len(self.states) and self._has_two_users()):
            raise OpError("the optimizer's state shares memory with what it is the state of", argument="state")
        for param, grad in zip(params, grads, strict=True):
            if grad.storage.memory is param.storage.memory:
                check_overlap("step", param._meta, param.offset, grad._meta, grad.offset)

    def _has_two_users(self) -> bool:
        """Whether two parameters, or two places at one, have the same state. A parameter may come twice."""
        users: dict[Storage, tuple[Tensor, int]] = {}
        places = [(self.params[i // self.width], i % self.width) for i in range(len(self.states))]
        return any(
            users.setdefault(state.storage.memory, place) != place
            for state, place in zip(self.states, places, strict=True)
        )

    def written(self) -> list[list[Any]]:
        """The arrays that are about to be written in place: the parameters', then those of each kind of state."""
        self.session.engine.keep_reads((*self.params, *self.states))
        columns = (self.params, *(self.states[i :: self.width] for i in range(self.width)))
        return [[tensor.data for tensor in column] for column in columns]

    def end(self) -> None:
        """Count the writes, and give the new state tensors their ids."""
        count_writes((*self.params, *self.states))
        self.session.tensors.update(self.made)


def _of_state(meta: Meta) -> Meta:
    """The `Meta` of a state tensor for a parameter. Raises where the parameter cannot be written."""
    if meta.contiguous:
        return meta
    check_writable("step", meta)
    return contiguous(meta.shape, meta.dtype)


def _checked(state: Any, meta: Meta) -> Tensor:
    """A state tensor. Raises `ShapeError` if it has another shape or dtype, or is not contiguous."""
    if isinstance(state, Tensor):
        found = state._meta
        if found is meta or (found.contiguous and (found.shape, found.dtype) == (meta.shape, meta.dtype)):
            return state
    raise ShapeError(f"the optimizer's state should be {meta!r}", argument="state")


def _pins(tensor: Any) -> tuple[Any, ...]:
    """The reads under way of a tensor's memory."""
    return tensor.storage.memory.pins if type(tensor) is Tensor else ()
