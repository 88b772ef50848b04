"""Hooks on tensors: a backward pass in steps, between which Python sees gradients and may replace them.

The client knows the order of the hooks as long as the order of recording tells; a hook then waits for nothing. It asks
the server where an in-place op has changed a history, or where only the server knows whether a gradient arrives.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, cast

from telegrad._runtime.grad_mode import grad_wanted
from telegrad._runtime.process import stream
from telegrad._stream.changes import Change
from telegrad._tensor import Tensor
from telegrad._tracing.call_sites import call_site
from telegrad._tracing.leaf_sets import Leaf, LeafSet, may_be_reached, only, union
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.rows import control
from telegrad_protocol.shapes import like

from .handles import RemovableHandle

HOOKED: Final[weakref.WeakSet[Leaf]] = weakref.WeakSet()
"""Leaves, and the marks of results, that have or had hooks."""


class Mark(Leaf):
    """Stands in sets of leaves for a result with hooks, as it was when they were registered.

    An in-place op gives the result another history; the hooks stay with the old one, which `watched` stands for.
    """

    __slots__ = ("number", "watched")
    passing = True
    is_wanted = True
    takes_grad = False

    def __init__(self, tensor: Tensor) -> None:
        self.watched = cast("Tensor", TensorBase.make(stream.next_id(), like(tensor._meta)))
        control("watch", tensor, outs=self.watched._id)
        super().__init__(self.watched)
        self.watched._leaves, self.watched._fn = tensor._leaves, tensor._fn
        self.moved = tensor._renewed
        self.number = tensor._id

    def stop(self) -> Tensor:
        return self.watched


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook` with this tensor's gradient whenever one is computed; what it returns goes on in its place.

    The handle that comes back takes it away again. A hook that reads no value waits for nothing. Raises
    RuntimeError for a tensor that does not require grad.

    >>> import telegrad as tg
    >>> x = tg.ones(2, requires_grad=True)
    >>> handle = x.register_hook(lambda grad: grad * 10)
    >>> (x * 3).sum().backward()
    >>> x.grad
    tensor([30., 30.])
    """
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return _register(self, hook)


def _register(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    found = tensor._leaf if tensor.is_leaf else tensor._mark
    if found is None:
        assert tensor._leaves is not None
        found = tensor._mark = Mark(tensor)
        tensor._leaves = union(tensor._leaves, only(found))
    found.hooks = {} if found.hooks is None else found.hooks
    HOOKED.add(found)
    handle = RemovableHandle(found.hooks)
    found.hooks[handle.id] = hook
    return handle


class Stops(NamedTuple):
    """The hooks that a backward pass calls, in the order of their turns where that is `known`."""

    leaves: list[Leaf]
    known: bool


def stops_among(certain: list[Leaf], possible: list[Leaf], *, partial: bool) -> Stops:
    """The hooks of a backward pass that reaches these leaves; `partial`: it may leave some out."""
    hooked = [leaf for leaf in HOOKED if leaf.hooks and leaf.stop() is not None]
    if not hooked:
        return Stops([], True)
    sure, maybe = set(certain), {*possible, *may_be_reached(hooked, [*certain, *possible])}
    stops = [leaf for leaf in hooked if leaf in sure or leaf in maybe]
    known = not partial and all(leaf in sure and not leaf.moved for leaf in stops)
    # A result is visited before what it was made of; leaves have their turn when all is visited.
    stops.sort(key=lambda leaf: (not isinstance(leaf, Mark), -getattr(leaf, "number", leaf.stop()._server_id())))
    return Stops(stops, known)


class SteppedBackward:
    """A backward pass under way on the server, `pass_id`; as a context manager, it is dropped if the block raises."""

    def __init__(self, device: str, depends: LeafSet | None) -> None:
        self.pass_id = stream.next_id()
        self.device = device
        self.depends = depends

    def __enter__(self) -> SteppedBackward:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:  # without effect where it was not begun, or has ended
            control("drop_walk", self.pass_id, device=self.device)

    def begin(self, row: str, args: tuple[Any, ...]) -> None:
        """Begin the pass; it has visited no tensor yet."""
        control(row, *args, outs=self.pass_id)

    def call_hooks(self, stops: Stops) -> None:
        """Go from tensor to tensor and call the hooks of each."""
        with grad_wanted(self.depends is not None):
            for leaf in stops.leaves if stops.known else self._asked(stops.leaves):
                self._stop_at(leaf)

    def end(self, outs: Any = None, change: Change | None = None) -> None:
        """Go on to the end."""
        control("end_walk", self.pass_id, outs=outs, change=change, device=self.device)

    def _asked(self, leaves: list[Leaf]) -> Iterator[Leaf]:
        remaining = list(leaves)
        while remaining:
            tensors = [leaf.stop() for leaf in remaining]
            args = (self.pass_id, tuple([tensor._server_id() for tensor in tensors]))
            answer = stream.ask("next_stop", args, tensors[0].device_bits, call_site(), lambda result: result.data)
            index = int.from_bytes(answer.result(), "little", signed=True)
            if index < 0:
                return
            yield remaining.pop(index)

    def _stop_at(self, leaf: Leaf) -> None:
        tensor: Tensor = leaf.stop()
        gradient = cast("Tensor", TensorBase.make(stream.next_id(), like(tensor._meta)))
        control("walk_to", self.pass_id, tensor, outs=gradient._id)
        if self.depends is not None:
            gradient._leaves, gradient._fn = self.depends.uncertain(), "gradients"
        replaced = gradient
        for hook in list((leaf.hooks or {}).values()):
            found = hook(replaced)
            if found is not None:
                replaced = _checked(found, tensor, hook)
        if replaced is not gradient:
            control("replace_gradient", self.pass_id, tensor, replaced)


def _checked(found: Any, tensor: Tensor, hook: Any) -> Tensor:
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(found, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(found).__name__}'")
    if found.shape != tensor.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    if found.dtype is not tensor.dtype:
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {tensor.dtype} got {found.dtype})")
    return found
