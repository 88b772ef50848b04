"""Gradients: grad modes, `backward`, `grad`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from telegrad_protocol.errors import AutogradError, DeviceError, ShapeError, UnsupportedOp
from telegrad_protocol.shapes import contiguous, like
from telegrad_protocol.spec import OPS

from ._api.creation import zeros_like
from ._api.hooks import SteppedBackward, register_hook, stops_among
from ._runtime.grad_mode import Block, State
from ._runtime.grad_mode import grad_mode as _grad_mode
from ._runtime.process import stream
from ._stream.changes import Change
from ._tensor import RETAINED, Tensor
from ._tracing.call_sites import call_site
from ._tracing.contents import since
from ._tracing.leaf_sets import Leaf, LeafSet, joined, may_be_reached, only, reached, restore, union
from ._tracing.proxy import TensorBase
from ._tracing.record import record
from ._tracing.rows import control

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(Block):
    """Sets a mode for a block, or for each call of a decorated function; of a generator function, while it runs."""

    def clone(self) -> Any:
        """The same mode for another block."""
        return type(self)()

    def __call__(self, function: F) -> F:
        """Decorate a function."""
        if inspect.isclass(function):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
                "functions or methods. To preserve the current behavior of class decoration, you can directly decorate "
                "the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            return cast("F", _in_mode(self.clone, lambda *args, **kwargs: function(*args, **kwargs)))
        wrapped = _generating if inspect.isgeneratorfunction(function) else _in_mode
        return cast("F", wraps(function)(wrapped(self.clone, function)))


def _in_mode(mode: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return wrapped


def _generating(mode: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """A generator function whose generators run in the mode; between their values the caller's mode holds."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume, sent = generator.send, None
        while True:
            try:
                with mode():
                    value = resume(sent)
            except StopIteration as end:
                return end.value
            try:
                resume, sent = generator.send, (yield value)
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:
                resume, sent = generator.throw, error

    return wrapped


class set_grad_enabled(_Mode):
    """Sets grad mode at once; as a context manager or decorator, for the block only."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self.found = _grad_mode.state.enabled
        _grad_mode.enable(self.mode)

    def entered(self, before: State) -> State:
        self.before[-1] = before._replace(enabled=self.found)
        return before._replace(enabled=self.mode)

    def __call__(self, function: F) -> F:
        _grad_mode.enable(self.found)
        return super().__call__(function)

    def clone(self) -> Any:
        return type(self)(self.mode)

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class _Plain(_Mode):
    """A mode that decorates with or without parentheses."""

    if not TYPE_CHECKING:

        def __new__(cls, function: Any = None) -> Any:
            return object.__new__(cls) if function is None else cls()(function)


class no_grad(_Plain):
    """Autograd does not record ops in the block.

    >>> import telegrad as tg
    >>> x = tg.ones(2, requires_grad=True)
    >>> with tg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def entered(self, before: State) -> State:
        return before._replace(enabled=False)


class enable_grad(_Plain):
    """Autograd records ops in the block, also inside `no_grad`; not inside `inference_mode`."""

    def entered(self, before: State) -> State:
        return before._replace(enabled=True)


class inference_mode(_Mode):
    """As `no_grad`; tensors made in the block never require grad later. `inference_mode(False)` turns it off.

    >>> import telegrad as tg
    >>> with tg.inference_mode():
    ...     x = tg.ones(2)
    >>> x.is_inference()
    True
    """

    if not TYPE_CHECKING:

        def __new__(cls, mode: Any = True) -> Any:
            return object.__new__(cls) if isinstance(mode, bool) else cls()(mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self.mode = mode

    def entered(self, before: State) -> State:
        return State(not self.mode, self.mode)

    def clone(self) -> Any:
        return type(self)(self.mode)


def is_grad_enabled() -> bool:
    """Whether autograd records ops in this thread now."""
    return _grad_mode.state.enabled


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in inference mode."""
    return _grad_mode.inference


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they depend on, or of `inputs` alone.

    Raises RuntimeError for a tensor without history, and for one of several elements that is given no gradient.
    """
    roots = _listed(tensors)
    gradients = _root_gradients(roots, grad_tensors)
    targets = _listed(inputs) if inputs is not None else ()
    if inputs is not None and not targets:
        raise AutogradError("`inputs` argument to `backward()` cannot be empty.", op="backward")
    if len({root.device_bits for root in roots}) > 1:
        raise DeviceError("backward() of tensors on several devices: call it for each device", op="backward")
    retain = create_graph if retain_graph is None else bool(retain_graph)
    certain, possible = _reached(roots, targets)
    args = (roots, gradients, targets, retain, create_graph)
    depends = _depends(roots, gradients) if create_graph else None
    stops = stops_among(certain, possible, partial=bool(targets))
    if not targets:  # what has hooks alone takes none
        taking, perhaps = ([leaf for leaf in found if leaf.takes_grad] for found in (certain, possible))
    else:
        taking, perhaps = certain, possible
    if stops.leaves:
        with SteppedBackward(roots[0]._meta.device, depends) as walk:
            walk.begin("begin_walk", args)
            walk.call_hooks(stops)
            walk.end(change=_expect_gradients(taking, perhaps, depends))
    else:
        control("backward", *args, change=_expect_gradients(taking, perhaps, depends))
    since.bulk_write()
    for bridge in sorted((leaf for leaf in certain if isinstance(leaf, Bridge)), key=lambda bridge: -bridge.number):
        bridge.bring_back(retain_graph, create_graph)


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of this tensor to the `.grad` of the leaves it depends on."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


METHODS: Final = {"backward": _backward, "register_hook": register_hook}
"""Methods of `Tensor` that are written above it."""


def _reached(roots: Sequence[Tensor], targets: Sequence[Tensor]) -> tuple[list[Leaf], list[Leaf]]:
    """The tensors that will have a gradient for certain, and those that may: leaves, and what keeps its gradient."""
    certain, possible = reached(root._leaves for root in roots)
    certain = [leaf for leaf in certain if leaf.is_wanted]
    if targets:
        wanted = [_leaf_of(target) for target in targets]
        return [leaf for leaf in wanted if leaf in certain], [leaf for leaf in wanted if leaf not in certain]
    return certain, [*possible, *may_be_reached(RETAINED, [*certain, *possible])] if RETAINED else possible


def _depends(roots: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> LeafSet | None:
    """What gradients may depend on."""
    return joined(t._leaves for t in (*roots, *gradients) if t is not None)


def _expect_gradients(certain: list[Leaf], possible: list[Leaf], depends: LeafSet | None) -> Change:
    """Who will have a gradient, and on what it depends."""
    before = [(leaf, leaf.state()) for leaf in (*certain, *possible)]
    after = [(leaf, _expected(leaf, True, depends)) for leaf in certain]
    after += [(leaf, _expected(leaf, leaf.has_grad or None, depends)) for leaf in possible]

    def apply() -> None:
        restore(after)
        since.bulk_write()

    return Change(apply, lambda: restore(before))


def _expected(leaf: Leaf, has_grad: bool | None, depends: LeafSet | None) -> tuple[bool | None, Any, LeafSet | None]:
    """A leaf's state after a walk that gives it a gradient."""
    if depends is None:
        return has_grad, leaf.grad, leaf.grad_leaves
    older = leaf.grad._leaves if leaf.grad is not None else leaf.grad_leaves
    found = joined([older, depends])
    return has_grad, None, None if found is None else found.uncertain()


class Bridge(Leaf):
    """Joins the graphs of two devices: `arrived` is the leaf of the copy of `source` on the other device."""

    __slots__ = ("arrived", "number", "source")
    passing = True
    takes_grad = True
    is_wanted = True  # it keeps its tensor alive, which no longer has leaves of its own

    def __init__(self, source: Tensor, arrived: Tensor) -> None:
        super().__init__(arrived)
        self.source = source
        self.arrived = arrived
        self.number = arrived._id

    def bring_back(self, retain_graph: bool | None, create_graph: bool) -> None:
        """Pass the copy's gradient on to its source."""
        if create_graph:
            raise UnsupportedOp("create_graph=True does not reach across devices", op="backward")
        gradient = TensorBase.make(stream.next_id(), like(self.arrived._meta))
        control("get_grad", self.arrived, outs=gradient._id)
        control("clear_grads", (self.arrived,))
        self.has_grad = False
        moved = carry(cast("Tensor", gradient), self.source._meta.device)
        since.bulk_write()
        control("backward", (self.source,), (moved,), (), bool(retain_graph), False)
        since.bulk_write()


def carry(tensor: Tensor, device: str) -> Tensor:
    """A copy of a tensor on another device of the server; gradients flow back across."""
    name, meta = stream.next_id(), tensor._meta
    control("send", tensor, device, outs=name)
    control("upload", name, meta.dtype, meta.shape, outs=name, device=device)
    arrived = cast("Tensor", TensorBase.make(name, contiguous(meta.shape, meta.dtype, device)))
    if tensor._leaves is None or not _grad_mode.on:
        return arrived
    control("set_requires_grad", arrived, True)
    arrived._leaves = union(tensor._leaves, only(Bridge(tensor, arrived)))
    copied: Tensor = record(OPS["clone"], (arrived,))
    arrived._leaves = None  # the bridge holds it, and must not be held by it
    return copied


def _leaf_of(tensor: Tensor) -> Leaf:
    if tensor._leaf is None:
        tensor._leaf = Leaf(tensor)
    return tensor._leaf


def _listed(tensors: Any) -> tuple[Tensor, ...]:
    return (tensors,) if isinstance(tensors, TensorBase) else tuple(tensors)  # type: ignore[return-value]


def _root_gradients(roots: Sequence[Tensor], given: Any) -> tuple[Tensor | None, ...]:
    gradients = (None,) * len(roots) if given is None else _listed(given)
    if len(gradients) != len(roots):
        raise ShapeError(f"got {len(roots)} tensors and {len(gradients)} gradients", op="backward")
    for i, (root, gradient) in enumerate(zip(roots, gradients, strict=True)):
        if root._leaves is None:
            raise AutogradError(
                f"element {i} of tensors does not require grad and does not have a grad_fn", op="backward"
            )
        if gradient is None and root.numel() != 1:
            raise AutogradError("grad can be implicitly created only for scalar outputs", op="backward")
        if gradient is not None and gradient.shape != root.shape:
            raise ShapeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {gradient.shape} and output[{i}] has a shape of "
                f"{root.shape}.",
                op="backward",
            )
    return gradients


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, without touching any `.grad`.

    Raises RuntimeError for an input that the outputs do not depend on, unless `allow_unused`.
    """
    roots, targets = _listed(outputs), _listed(inputs)
    gradients = _root_gradients(roots, grad_outputs)
    if any(target._leaves is None for target in targets):
        raise AutogradError("One of the differentiated Tensors does not require grad", op="grad")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    names = tuple([stream.next_id() for _ in targets])
    retain = create_graph if retain_graph is None else bool(retain_graph)
    unused = bool(allow_unused or materialize_grads)
    depends = _depends(roots, gradients) if create_graph else None
    args = (roots, targets, gradients, retain, create_graph, unused)
    stops = stops_among(*reached(root._leaves for root in roots), partial=True)
    try:
        if stops.leaves:
            with SteppedBackward(roots[0]._meta.device, depends) as walk:
                walk.begin("begin_collecting_walk", args)
                walk.call_hooks(stops)
                walk.end(outs=names)
        else:
            control("gradients", *args, outs=names)
        used = _which_are_used(roots, targets, names) if unused else [True] * len(targets)
    except BaseException:
        for name in names:  # nobody will have them
            stream.queue.free(name)
        raise
    return tuple(
        [
            _gradient(name, target, depends) if is_used else zeros_like(target) if materialize_grads else None
            for name, target, is_used in zip(names, targets, used, strict=True)
        ]
    )


def _gradient(tensor_id: int, target: Tensor, depends: LeafSet | None) -> Tensor:
    """The proxy of a gradient; `depends` are the leaves that it may depend on under `create_graph`."""
    made = cast("Tensor", TensorBase.make(tensor_id, like(target._meta)))
    made._bulk_written = True
    if depends is not None:
        made._leaves, made._fn, made._free_now = depends.uncertain(), "gradients", True
    return made


def _which_are_used(roots: Sequence[Tensor], targets: Sequence[Tensor], names: tuple[int, ...]) -> list[bool]:
    """Which targets the roots depend on: known of leaves; for others the server is asked which gradients it found."""
    certain, possible = map(set, reached(root._leaves for root in roots))
    leaves = [target._leaf if target.is_leaf_with_grad else None for target in targets]
    if all(leaf is not None and leaf not in possible for leaf in leaves):
        return [leaf in certain for leaf in leaves]
    answer = stream.ask("exists", (names,), roots[0].device_bits, call_site(), lambda result: result.data)
    return [bool(byte) for byte in answer.result()]
