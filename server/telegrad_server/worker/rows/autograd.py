"""The rows of autograd: backward passes, and the gradients that they leave.

A backward pass usually is one row. If hooks are to see, and may replace, gradients on the way, the client takes the pass
in steps: `begin_walk`, for each hook's tensor `walk_to` and perhaps `replace_gradient`, then `end_walk`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from telegrad_protocol.errors import AutogradError, Malformed, NotFound, OpError, ShapeError, TooMany
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.shapes import PAGE, check_work
from telegrad_server.worker.engine import Engine, backward_pass
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Edge, Storage, Tensor, edge_of

from .registry import answer_id, handles, releases, result_id

MOST_PASSES: Final = 64
"""Backward passes in steps that a session may have begun and not ended."""


@handles("get_grad")
def get_grad(session: Session, row: Row, input: Tensor) -> None:
    if input.grad is None:
        raise OpError("the tensor has no gradient", op="get_grad", hint=_why_no_gradient(session, input))
    session.bind(row.outs, input.grad, "get_grad")


def _why_no_gradient(session: Session, input: Tensor) -> str:
    if not session.engine.tape.refresh_view(input).requires_grad:
        return "it does not require grad: make it with requires_grad, before computing with it"
    if input.node is not None:
        return "it is not a leaf: retain_grad, called before backward, makes it keep its gradient"
    return "no backward has reached it, or its gradient was cleared"


@handles("set_grad")
def set_grad(session: Session, row: Row, input: Tensor, grad: Tensor | None) -> None:
    if grad is input:
        raise AutogradError("can't assign Variable as its own grad", op="set_grad")
    if grad is not None and (grad.shape != input.shape or grad.dtype is not input.dtype):
        raise ShapeError("assigned grad has data of a different size or type", op="set_grad")
    input.grad = grad


@handles("set_requires_grad")
def set_requires_grad(session: Session, row: Row, input: Tensor, requires_grad: bool) -> None:
    if input.node is not None and not requires_grad:
        raise AutogradError("you can only change requires_grad flags of leaf variables.", op="set_requires_grad")
    if requires_grad and not input.dtype.is_floating_point:
        raise AutogradError(
            "only Tensors of floating point dtype can require gradients",
            op="set_requires_grad",
            got=input.dtype.name,
            hint="make it with another dtype, such as float32",
        )
    input.requires_grad = requires_grad


@handles("retain_grad")
def retain_grad(session: Session, row: Row, input: Tensor) -> None:
    if not session.engine.tape.refresh_view(input).requires_grad:
        raise AutogradError("can't retain_grad on Tensor that has requires_grad=False", op="retain_grad")
    if input.node is not None and not input.retains:
        input.retains = True
        input.set_history(input.node, input.index)


@handles("has_grad")
def has_grad(session: Session, row: Row, tensors: tuple[Tensor, ...]) -> ReadResult:
    return ReadResult(answer_id(row), "bool", (len(tensors),), bytes([tensor.grad is not None for tensor in tensors]))


class AutogradCall:
    """A call of `backward()` or `autograd.grad()`: its backward pass, and the arguments that its end needs.

    Until `finish` it changes nothing in the session. `_held` counts the gradients that wait between the rows of a pass
    in steps.
    """

    def __init__(self, session: Session, retain_graph: bool, create_graph: bool) -> None:
        self.session = session
        self.create_graph = create_graph
        retain = retain_graph or create_graph
        self._pass = backward_pass(session.engine, create_graph=create_graph, retain=retain)
        self._held: Storage | None = None

    def start(self, tensors: tuple[Tensor, ...], gradients: tuple[Tensor | None, ...], wanted: list[Edge]) -> None:
        roots = _roots(self.session, tensors, gradients, self.create_graph)
        if wanted:
            self._pass.want(wanted, [root[0] for root in roots])
        for root in roots:
            self._pass.start(*root)

    def run(self, row: Row) -> None:
        """Take the pass to its end, and finish."""
        self._pass.run()
        self.finish(row)

    def finish(self, row: Row) -> None:
        """Hand over the gradients: all, or none."""
        raise NotImplementedError

    # In steps ---------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Count the gradients that wait now. Raises `OutOfMemory` if they do not fit."""
        self._held = None
        nbytes = self._pass.nbytes()
        if nbytes > PAGE:
            self._held = Storage(nbytes, self.session.budget)

    @property
    def held_bytes(self) -> int:
        return 0 if self._held is None else self._held.nbytes

    def run_to(self, edge: Edge) -> Any:
        """Take the pass to an edge; the gradient there, or None."""
        self._pass.run(edge)
        self.hold()
        return self._pass.gradient_at(edge)

    def run_to_first(self, edges: list[Edge]) -> int:
        """Take the pass to the first of these edges that a gradient reaches; its index, or -1."""
        found = self._pass.run_to_first(edges)
        self.hold()
        return found

    def replace(self, edge: Edge, gradient: Tensor) -> None:
        """Let the pass go on from an edge with another gradient."""
        self._pass.replace(edge, gradient if self.create_graph else gradient.data)


class BackwardCall(AutogradCall):
    """Adds gradients to the `.grad` of the leaves, or of `inputs` alone."""

    def __init__(
        self, session: Session, tensors: Any, gradients: Any, inputs: Any, retain_graph: bool, create_graph: bool
    ) -> None:
        super().__init__(session, retain_graph, create_graph)
        self._inputs = {t: _input_edge(session.engine, t) for t in inputs}
        self.start(tensors, gradients, list(self._inputs.values()))

    def finish(self, row: Row) -> None:
        self._pass.write_grads(self._inputs)


class GradCall(AutogradCall):
    """Gives gradients with respect to `inputs` the ids that the row has for them."""

    def __init__(
        self,
        session: Session,
        outputs: Any,
        inputs: Any,
        gradients: Any,
        retain_graph: bool,
        create_graph: bool,
        allow_unused: bool,
    ) -> None:
        super().__init__(session, retain_graph, create_graph)
        self._edges = [_input_edge(session.engine, t) for t in inputs]
        self._allow_unused = allow_unused
        self.start(outputs, gradients, self._edges)

    def finish(self, row: Row) -> None:
        found = [self._pass.gradient_at(edge) for edge in self._edges]
        if not self._allow_unused and any(g is None for g in found):
            unused = next(index for index, g in enumerate(found) if g is None)
            raise AutogradError(
                f"The differentiated Tensor at index {unused} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior.",
                op="gradients",
            )
        if type(row.outs) is not tuple or len(row.outs) != len(found):
            raise Malformed(f"the row names other than {len(found)} gradients", op="gradients")
        engine = self.session.engine
        made = {out_id: _own(engine, g) for out_id, g in zip(row.outs, found, strict=True) if g is not None}
        self.session.tensors.update(made)


@handles("backward")
def backward(session: Session, row: Row, *args: Any) -> None:
    BackwardCall(session, *args).run(row)


@handles("gradients")
def gradients(session: Session, row: Row, *args: Any) -> None:
    GradCall(session, *args).run(row)


# Passes in steps --------------------------------------------------------------------------------------------------


@handles("watch")
def watch(session: Session, row: Row, input: Tensor) -> None:
    seen = Tensor(input.data, input._meta, input.storage)
    session.engine.tape.refresh_view(input)
    seen.share_history(input)
    session.bind(row.outs, seen, "watch")


@handles("begin_walk")
def begin_backward(session: Session, row: Row, *args: Any) -> None:
    _begin(session, row, BackwardCall(session, *args))


@handles("begin_collecting_walk")
def begin_grad(session: Session, row: Row, *args: Any) -> None:
    _begin(session, row, GradCall(session, *args))


def _begin(session: Session, row: Row, call: AutogradCall) -> None:
    if len(session.autograd_calls) >= MOST_PASSES:
        raise TooMany(f"{MOST_PASSES} walks are under way", op="begin_walk", hint="end them, or drop them")
    call.hold()
    session.autograd_calls[result_id(row)] = call


@contextmanager
def _resumed(session: Session, call_id: int) -> Iterator[AutogradCall]:
    """The call of that id. A failure ends it: its pass is half done, and holds memory."""
    found = session.autograd_calls.pop(call_id, None)
    if found is None:
        raise NotFound(f"there is no walk {call_id!r} under way", op="walk_to")
    yield found
    session.autograd_calls[call_id] = found


@handles("walk_to")
def run_to_tensor(session: Session, row: Row, call_id: int, input: Tensor) -> None:
    """Take the pass to a tensor, and give its gradient an id."""
    with _resumed(session, call_id) as call:
        g = call.run_to(_input_edge(session.engine, input))
        if g is None:
            raise AutogradError("no gradient reaches the tensor", op="walk_to")
        session.bind(row.outs, _own(session.engine, g), "walk_to")


@handles("replace_gradient")
def replace_gradient(session: Session, row: Row, call_id: int, input: Tensor, gradient: Tensor) -> None:
    with _resumed(session, call_id) as call:
        if gradient._meta.shape != input.shape or gradient.dtype is not input.dtype:
            raise ShapeError(f"the gradient of {input._meta!r} cannot be {gradient._meta!r}", op="replace_gradient")
        call.replace(edge_of(session.engine.tape.refresh_view(input)), gradient)


@handles("next_stop")
def run_to_first_tensor(session: Session, row: Row, call_id: int, inputs: tuple[Tensor, ...]) -> ReadResult:
    """Take the pass to the first of some tensors that a gradient reaches: its index, in eight bytes; -1 if none is."""
    with _resumed(session, call_id) as call:
        found = call.run_to_first([_input_edge(session.engine, t) for t in inputs])
    return ReadResult(answer_id(row), "int64", (), found.to_bytes(8, "little", signed=True))


@handles("end_walk")
def end_pass(session: Session, row: Row, call_id: int) -> None:
    with _resumed(session, call_id) as call:
        call.run(row)
    del session.autograd_calls[call_id]


@handles("drop_walk")
def drop_pass(session: Session, row: Row, call_id: int) -> None:
    forget_call(session, call_id)


@releases("end_walk", "drop_walk")
def forget_call(session: Session, call_id: Any) -> None:
    """Forget a call under way, if there is one of that id."""
    if type(call_id) is int:
        session.autograd_calls.pop(call_id, None)


# Roots and edges --------------------------------------------------------------------------------------------------


def _own(engine: Engine, g: Any) -> Tensor:
    """A gradient, copied into a new tensor: it may share memory with the caller's or with another input's."""
    made: Tensor = engine.recorded.clone(g) if isinstance(g, Tensor) else engine.wrap(engine.xp.copy(g))
    return made


def _input_edge(engine: Engine, tensor: Tensor) -> Edge:
    if not engine.tape.refresh_view(tensor).requires_grad:
        raise AutogradError("One of the differentiated Tensors does not require grad", op="gradients")
    return edge_of(tensor)


def _roots(session: Session, tensors: Any, gradients: Any, create_graph: bool) -> list[Any]:
    if len(tensors) != len(gradients):
        raise Malformed(f"{len(tensors)} tensors and {len(gradients)} gradients", op="backward")
    return [_root(session, t, g, create_graph) for t, g in zip(tensors, gradients, strict=True)]


def _root(session: Session, tensor: Tensor, gradient: Tensor | None, create_graph: bool) -> tuple[Edge, Any, Any]:
    """The edge of a tensor, the gradient to start with, and its metadata."""
    engine = session.engine
    check_work("backward", tensor._meta)
    if not engine.tape.refresh_view(tensor).requires_grad:
        raise AutogradError(
            "element 0 of tensors does not require grad and does not have a grad_fn",
            op="backward",
            hint="nothing that it was computed from has requires_grad, or it was computed without recording",
        )
    edge = edge_of(tensor)
    # The metadata of the computed result: set_data may have changed the tensor's since.
    meta = edge[0].metas[edge[1]] if edge[1] >= 0 else tensor._meta
    if gradient is None:
        gradient = _ones(engine, meta)
    elif gradient.shape != meta.shape:
        raise ShapeError(
            f"Mismatch in shape: grad_output has a shape of {list(gradient.shape)} and output has a shape of "
            f"{list(meta.shape)}.",
            op="backward",
        )
    if gradient.dtype is not meta.dtype:
        gradient = (engine.recorded if create_graph else engine.unrecorded)._to_dtype(gradient, meta.dtype)
    return edge, gradient if create_graph else gradient.data, meta


def _ones(engine: Engine, meta: Any) -> Tensor:
    """The gradient of a scalar with respect to itself."""
    if meta.numel != 1:
        raise AutogradError(
            "grad can be implicitly created only for scalar outputs",
            op="backward",
            got=list(meta.shape),
            hint="give the gradient to begin with, or begin at a sum or mean",
        )
    return engine.wrap(engine.xp.ones(meta.shape, meta.dtype))
