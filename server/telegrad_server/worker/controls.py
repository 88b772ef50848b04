"""What the control rows do. A handler is called with the session, the row, and the row's resolved arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from telegrad_protocol.dtypes import uint8
from telegrad_protocol.errors import AutogradError, Malformed, OpError, ShapeError
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.shapes import contiguous
from telegrad_protocol.wire import INLINE_BYTES

from .tape import Edge, edge_of
from .tensor import Tensor
from .transfers import Read

if TYPE_CHECKING:
    from .session import Session


class Sent(NamedTuple):
    """A value that leaves for another device, as a read of that id which the front carries."""

    id: int
    device: str
    nbytes: int


Handler = Callable[..., ReadResult | Sent | None]
HANDLERS: dict[str, Handler] = {}


class Blocked(Exception):
    """A row cannot run yet: the upload it names has not come in."""

    def __init__(self, upload: int) -> None:
        super().__init__(upload)
        self.upload = upload


def handles(function: Handler) -> Handler:
    """Register the handler of the control row of that name."""
    HANDLERS[function.__name__] = function
    return function


@handles
def constant(session: Session, row: Row, data: bytes, dtype: Any, shape: tuple[int, ...]) -> None:
    meta = contiguous(shape, dtype)
    if len(data) != meta.nbytes:
        raise ShapeError(f"{meta!r} has {meta.nbytes} bytes, the row carries {len(data)}", op="constant")
    xp = session.xp
    session.budget.check(meta.nbytes, "constant")
    session.bind(row.outs, session.adopt(xp.copy(xp.from_bytes(data, shape, dtype)), meta), "constant")


@handles
def upload(session: Session, row: Row, upload: int, dtype: Any, shape: tuple[int, ...]) -> None:
    arrived = session.uploads.get(upload)
    if arrived is None or not arrived.done:
        raise Blocked(upload)
    del session.uploads[upload]
    if arrived.error is not None:
        session.skip(row, arrived.error)
        return
    meta = contiguous(shape, dtype)
    arrived.release()
    if arrived.nbytes != meta.nbytes:
        raise ShapeError(f"{meta!r} has {meta.nbytes} bytes, the upload {arrived.nbytes}", op="upload")
    data = session.xp.landed(arrived.landing, shape, dtype)
    session.bind(row.outs, session.adopt(data, meta), "upload")


@handles
def free(session: Session, row: Row, names: tuple[int, ...]) -> None:
    forget = session.tensors.pop
    for name in names:
        if forget(name, None) is None:
            session.generators.pop(name, None)


@handles
def read(session: Session, row: Row, input: Tensor) -> ReadResult:
    meta = input._meta
    session.xp.raise_faults()
    if meta.nbytes <= INLINE_BYTES:
        return ReadResult(row.outs, meta.dtype.name, meta.shape, session.xp.to_bytes(input.data))
    _keep_for_reading(session, row.outs, input)
    return ReadResult(row.outs, meta.dtype.name, meta.shape, None)


@handles
def send(session: Session, row: Row, input: Tensor, device: str) -> Sent:
    session.xp.raise_faults()
    _keep_for_reading(session, row.outs, input)
    return Sent(row.outs, device, input._meta.nbytes)


def _keep_for_reading(session: Session, name: int, input: Tensor) -> None:
    if not input._meta.contiguous:
        session.budget.check(input._meta.nbytes, "read")
        input = session.engine.wrap(session.xp.copy(input.data))
    session.reads[name] = Read(session.xp, input)


@handles
def memory_stats(session: Session, row: Row) -> ReadResult:
    """In use and at most by this session, what the device holds for it, free and all of the device, in bytes.

    The device ends its work first, so that whoever waits for the answer has waited for the device.
    """
    xp, budget = session.xp, session.budget
    xp.synchronize()
    xp.raise_faults()
    stats = np.array([budget.used, budget.peak, xp.memory_reserved(), *xp.memory_info()], np.int64)
    return ReadResult(row.outs, "int64", (5,), stats.tobytes())


@handles
def device_name(session: Session, row: Row) -> ReadResult:
    name = session.xp.device_name().encode()
    return ReadResult(row.outs, "uint8", (len(name),), name)


@handles
def reset_peak_memory(session: Session, row: Row) -> None:
    session.budget.peak = session.budget.used


@handles
def empty_cache(session: Session, row: Row) -> None:
    session.xp.empty_cache()


@handles
def describe(session: Session, row: Row, input: Tensor) -> ReadResult:
    requires_grad = session.engine.settle(input).requires_grad
    return ReadResult(row.outs, input._meta.dtype.name, input._meta.shape, b"\1" if requires_grad else b"\0")


@handles
def backward(
    session: Session,
    row: Row,
    tensors: tuple[Tensor, ...],
    gradients: tuple[Tensor | None, ...],
    inputs: tuple[Tensor, ...],
    retain_graph: bool,
    create_graph: bool,
) -> None:
    engine = session.engine
    walk = engine.walk(create_graph=create_graph, retain=retain_graph or create_graph)
    roots = _roots(session, tensors, gradients, create_graph)
    if inputs:
        walk.want([_input_edge(engine, t) for t in inputs], [root[0] for root in roots])
    for root in roots:
        walk.start(*root)
    walk.run()
    if inputs:
        walk.leaves = {t: g for t in inputs if (g := walk.wanted[edge_of(t)]) is not None}
        walk.fresh.clear()
    engine.commit(walk)


@handles
def gradients(
    session: Session,
    row: Row,
    outputs: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    grad_outputs: tuple[Tensor | None, ...],
    retain_graph: bool,
    create_graph: bool,
    allow_unused: bool,
) -> None:
    engine = session.engine
    walk = engine.walk(create_graph=create_graph, retain=retain_graph or create_graph)
    roots = _roots(session, outputs, grad_outputs, create_graph)
    edges = [_input_edge(engine, t) for t in inputs]
    walk.want(edges, [root[0] for root in roots])
    for root in roots:
        walk.start(*root)
    walk.run()
    found = tuple([_found(engine, walk.wanted[edge], t, allow_unused) for edge, t in zip(edges, inputs, strict=True)])
    session.bind(row.outs, found, "gradients")


def _found(engine: Any, g: Any, input: Tensor, allow_unused: bool) -> Tensor:
    if g is None:
        if not allow_unused:
            raise AutogradError(
                "One of the differentiated Tensors appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior.",
                op="gradients",
            )
        return engine.wrap(engine.xp.zeros(input.shape, input.dtype))
    return g if isinstance(g, Tensor) else engine.wrap(engine.xp.copy(g))


def _input_edge(engine: Any, tensor: Tensor) -> Edge:
    if not engine.settle(tensor).requires_grad:
        raise AutogradError("One of the differentiated Tensors does not require grad", op="gradients")
    return edge_of(tensor)


def _roots(session: Session, tensors: Any, gradients: Any, create_graph: bool) -> list[Any]:
    if len(tensors) != len(gradients):
        raise Malformed(f"{len(tensors)} tensors and {len(gradients)} gradients", op="backward")
    return [_root(session, t, g, create_graph) for t, g in zip(tensors, gradients, strict=True)]


def _root(session: Session, tensor: Tensor, gradient: Tensor | None, create_graph: bool) -> tuple[Edge, Any, Any]:
    engine, meta = session.engine, tensor._meta
    if not engine.settle(tensor).requires_grad:
        raise AutogradError(
            "element 0 of tensors does not require grad and does not have a grad_fn",
            op="backward",
            hint="nothing that it was computed from has requires_grad, or it was computed without recording",
        )
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
    return edge_of(tensor), gradient if create_graph else gradient.data, meta


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
    import weakref

    if not session.engine.settle(input).requires_grad:
        raise AutogradError("can't retain_grad on Tensor that has requires_grad=False", op="retain_grad")
    if input.node is not None:
        input.node.retained = (*input.node.retained, (input.index, weakref.ref(input)))


@handles
def set_data(session: Session, row: Row, input: Tensor, data: Tensor) -> None:
    input.data, input._meta, input.storage = data.data, data._meta, data.storage
    input.base, input.offset, input.graph = data.base, data.offset, data.graph


@handles
def manual_seed(session: Session, row: Row, seed: int, generator: Any) -> None:
    generator.manual_seed(seed)


@handles
def new_generator(session: Session, row: Row, seed: int) -> None:
    session.generators[row.outs] = session.xp.new_generator(seed)


@handles
def get_generator_state(session: Session, row: Row, generator: Any) -> None:
    engine, state = session.engine, generator.get_state()
    held = engine.xp.copy(engine.xp.from_bytes(memoryview(state), state.shape, uint8))
    session.bind(row.outs, engine.wrap(held), "get_generator_state")


@handles
def set_generator_state(session: Session, row: Row, state: Tensor, generator: Any) -> None:
    generator.set_state(session.xp.to_host(state.data))
