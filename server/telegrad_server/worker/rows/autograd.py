"""What the rows of autograd do: walks back over the tape, and the gradients that they leave.

A walk usually is one row. Where hooks are to see, and may replace, gradients on the way, the client takes it in steps:
`begin_walk`, for each hook's tensor `walk_to` and perhaps `replace_gradient`, then `end_walk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from telegrad_protocol.errors import AutogradError, Malformed, NotFound, OpError, ShapeError, TooMany
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.shapes import PAGE, check_work
from telegrad_server.worker.engine.apply import set_history
from telegrad_server.worker.engine.tape import Edge, Walk, edge_of
from telegrad_server.worker.tensor import Storage, Tensor

from .data import handles, named, releases

if TYPE_CHECKING:
    from telegrad_server.worker.session import Session

MOST_WALKS: Final = 64
"""Walks that a session may have begun and not ended."""

Finish = Callable[[Row, Walk], None]


@handles
def get_grad(session: Session, row: Row, input: Tensor) -> None:
    if input.grad is None:
        raise OpError("the tensor has no gradient", op="get_grad", hint=_why_no_gradient(session, input))
    session.bind(row.outs, input.grad, "get_grad")


def _why_no_gradient(session: Session, input: Tensor) -> str:
    if not session.engine.settle(input).requires_grad:
        return "it does not require grad: make it with requires_grad, before computing with it"
    if input.node is not None:
        return "it is not a leaf: retain_grad, called before backward, makes it keep its gradient"
    return "no backward has reached it, or its gradient was cleared"


@handles
def set_grad(session: Session, row: Row, input: Tensor, grad: Tensor | None) -> None:
    if grad is input:
        raise AutogradError("can't assign Variable as its own grad", op="set_grad")
    if grad is not None and (grad.shape != input.shape or grad.dtype is not input.dtype):
        raise ShapeError("assigned grad has data of a different size or type", op="set_grad")
    input.grad = grad


@handles
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


@handles
def retain_grad(session: Session, row: Row, input: Tensor) -> None:
    if not session.engine.settle(input).requires_grad:
        raise AutogradError("can't retain_grad on Tensor that has requires_grad=False", op="retain_grad")
    if input.node is not None and not input.retains:
        input.retains = True
        set_history(input, input.node, input.index)


@handles
def has_grad(session: Session, row: Row, tensors: tuple[Tensor, ...]) -> ReadResult:
    return ReadResult(row.outs, "bool", (len(tensors),), bytes([tensor.grad is not None for tensor in tensors]))


class Request:
    """A walk as it was asked for, and what to do with what it found. Nothing is done before `finish`.

    `held` counts the gradients that wait between the rows of a walk in steps.
    """

    def __init__(self, session: Session, retain_graph: bool, create_graph: bool) -> None:
        self.session = session
        self.create_graph = create_graph
        self.walk = session.engine.walk(create_graph=create_graph, retain=retain_graph or create_graph)
        self.held: Storage | None = None

    def hold(self) -> None:
        """Count the gradients that wait now. Raises `OutOfMemory` if they do not fit."""
        self.held = None
        nbytes = self.walk.nbytes()
        if nbytes > PAGE:
            self.held = Storage(nbytes, self.session.budget)

    def start(self, tensors: tuple[Tensor, ...], gradients: tuple[Tensor | None, ...], wanted: list[Edge]) -> None:
        roots = _roots(self.session, tensors, gradients, self.create_graph)
        if wanted:
            self.walk.want(wanted, [root[0] for root in roots])
        for root in roots:
            self.walk.start(*root)

    def finish(self, row: Row) -> None:
        raise NotImplementedError


class Accumulation(Request):
    """Adds gradients to the `.grad` of the leaves, or of `inputs` alone."""

    def __init__(
        self, session: Session, tensors: Any, gradients: Any, inputs: Any, retain_graph: bool, create_graph: bool
    ) -> None:
        super().__init__(session, retain_graph, create_graph)
        self.inputs = inputs
        self.start(tensors, gradients, [_input_edge(session.engine, t) for t in inputs])

    def finish(self, row: Row) -> None:
        walk = self.walk
        if self.inputs:
            walk.leaves = {t: g for t in self.inputs if (g := walk.wanted[edge_of(t)]) is not None}
        self.session.engine.commit(walk)


class Collection(Request):
    """Gives gradients with respect to `inputs` the names that the row has for them."""

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
        self.edges = [_input_edge(session.engine, t) for t in inputs]
        self.allow_unused = allow_unused
        self.start(outputs, gradients, self.edges)

    def finish(self, row: Row) -> None:
        found = [self.walk.wanted[edge] for edge in self.edges]
        if not self.allow_unused and any(g is None for g in found):
            unused = next(place for place, g in enumerate(found) if g is None)
            raise AutogradError(
                f"The differentiated Tensor at index {unused} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior.",
                op="gradients",
            )
        if type(row.outs) is not tuple or len(row.outs) != len(found):
            raise Malformed(f"the row names other than {len(found)} gradients", op="gradients")
        engine = self.session.engine
        made = {name: _own(engine, g) for name, g in zip(row.outs, found, strict=True) if g is not None}
        self.session.tensors.update(made)


@handles
def backward(session: Session, row: Row, *args: Any) -> None:
    request = Accumulation(session, *args)
    request.walk.run()
    request.finish(row)


@handles
def gradients(session: Session, row: Row, *args: Any) -> None:
    request = Collection(session, *args)
    request.walk.run()
    request.finish(row)


# Walks with hooks -------------------------------------------------------------------------------------------------


@handles
def watch(session: Session, row: Row, input: Tensor) -> None:
    seen = Tensor(input.data, input._meta, input.storage)
    session.engine.settle(input)
    seen.node, seen.index, seen.requires_grad = input.node, input.index, input.requires_grad
    session.bind(row.outs, seen, "watch")


@handles
def begin_walk(session: Session, row: Row, *args: Any) -> None:
    _begin(session, row, Accumulation(session, *args))


@handles
def begin_collecting_walk(session: Session, row: Row, *args: Any) -> None:
    _begin(session, row, Collection(session, *args))


def _begin(session: Session, row: Row, request: Request) -> None:
    if len(session.walks) >= MOST_WALKS:
        raise TooMany(f"{MOST_WALKS} walks are under way", op="begin_walk", hint="end them, or drop them")
    request.hold()
    session.walks[named(row)] = request


@contextmanager
def _going_on(session: Session, walk: int) -> Iterator[Request]:
    """The walk of that id. A failure ends it: what it has visited is half done, and holds memory."""
    found = session.walks.pop(walk, None)
    if found is None:
        raise NotFound(f"there is no walk {walk!r} under way", op="walk_to")
    yield found
    session.walks[walk] = found


@handles
def walk_to(session: Session, row: Row, walk: int, input: Tensor) -> None:
    """Visit what lies before a tensor, and name its gradient."""
    with _going_on(session, walk) as request:
        edge = _input_edge(session.engine, input)
        request.walk.run(edge)
        request.hold()
        g = request.walk.at(edge)
        if g is None:
            raise AutogradError("no gradient reaches the tensor", op="walk_to")
        session.bind(row.outs, _own(session.engine, g), "walk_to")


@handles
def replace_gradient(session: Session, row: Row, walk: int, input: Tensor, gradient: Tensor) -> None:
    with _going_on(session, walk) as request:
        if gradient._meta.shape != input.shape or gradient.dtype is not input.dtype:
            raise ShapeError(f"the gradient of {input._meta!r} cannot be {gradient._meta!r}", op="replace_gradient")
        request.walk.put(edge_of(session.engine.settle(input)), gradient if request.create_graph else gradient.data)


@handles
def end_walk(session: Session, row: Row, walk: int) -> None:
    with _going_on(session, walk) as request:
        request.walk.run()
        request.finish(row)
    del session.walks[walk]


@handles
def drop_walk(session: Session, row: Row, walk: int) -> None:
    give_up(session, walk)


@releases("end_walk", "drop_walk")
def give_up(session: Session, walk: Any) -> None:
    """Forget a walk, if there is one of that id."""
    if type(walk) is int:
        session.walks.pop(walk, None)


@handles
def next_stop(session: Session, row: Row, walk: int, inputs: tuple[Tensor, ...]) -> ReadResult:
    """Which of some tensors is the next that a gradient reaches, as a number of eight bytes; -1 if none is."""
    with _going_on(session, walk) as request:
        edges = [_input_edge(session.engine, t) for t in inputs]
        found = request.walk.run_to_first(edges)
        request.hold()
    return ReadResult(row.outs, "int64", (), found.to_bytes(8, "little", signed=True))


def _own(engine: Any, g: Any) -> Tensor:
    """A gradient as a tensor of its own: what comes back may be the caller's, or that of another input."""
    made: Tensor = engine.recorded.clone(g) if isinstance(g, Tensor) else engine.wrap(engine.xp.copy(g))
    return made


def _input_edge(engine: Any, tensor: Tensor) -> Edge:
    if not engine.settle(tensor).requires_grad:
        raise AutogradError("One of the differentiated Tensors does not require grad", op="gradients")
    return edge_of(tensor)


def _roots(session: Session, tensors: Any, gradients: Any, create_graph: bool) -> list[Any]:
    if len(tensors) != len(gradients):
        raise Malformed(f"{len(tensors)} tensors and {len(gradients)} gradients", op="backward")
    return [_root(session, t, g, create_graph) for t, g in zip(tensors, gradients, strict=True)]


def _root(session: Session, tensor: Tensor, gradient: Tensor | None, create_graph: bool) -> tuple[Edge, Any, Any]:
    engine = session.engine
    check_work("backward", tensor._meta)
    if not engine.settle(tensor).requires_grad:
        raise AutogradError(
            "element 0 of tensors does not require grad and does not have a grad_fn",
            op="backward",
            hint="nothing that it was computed from has requires_grad, or it was computed without recording",
        )
    edge = edge_of(tensor)
    # What was computed, not what the tensor's data was set to since.
    meta = edge[0].metas[edge[1]] if edge[1] >= 0 else tensor._meta
    if gradient is None:
        if meta.numel != 1:
            raise AutogradError(
                "grad can be implicitly created only for scalar outputs",
                op="backward",
                got=list(meta.shape),
                hint="give the gradient to begin with, or begin at a sum or mean",
            )
        gradient = engine.wrap(engine.xp.ones(meta.shape, meta.dtype))
    elif gradient.shape != meta.shape:
        raise ShapeError(
            f"Mismatch in shape: grad_output has a shape of {list(gradient.shape)} and output has a shape of "
            f"{list(meta.shape)}.",
            op="backward",
        )
    if gradient.dtype is not meta.dtype:
        gradient = (engine.recorded if create_graph else engine.unrecorded)._to_dtype(gradient, meta.dtype)
    return edge, gradient if create_graph else gradient.data, meta
