"""Values that a loop computes of one tensor after another: `for p in model.parameters(): p.norm().item()`.

Where a line has waited twice in a row for the same calls on two tensors of one module, list, tuple or dict, the same
calls are made on those that follow, ahead of the loop. The loop's own calls are recorded all the same; only their
values have come already. Nothing is computed ahead that may fail for its values or its shape, that draws, or that writes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from telegrad._runtime.process import stream
from telegrad._stream.queue import RecordedRow, tensor_ids
from telegrad._stream.reads import Future
from telegrad._tracing.contents import since
from telegrad._tracing.proxy import TensorBase
from telegrad_protocol.messages import GRAD
from telegrad_protocol.spec import BY_INDEX, OPS

from . import asking_ahead

RECENT: Final = 16
"""Rows, the last of the queue and of each submission on its way, among which a value's are looked for."""

MOST: Final = 1024
"""Tensors that calls are made on ahead."""

ELEMENTWISE_BYTES: Final = 1 << 20
"""Bytes of tensors of which results of the same size are computed ahead."""

_VIEWS: Final = frozenset(OPS[name].index for name in ("detach", "_data", "get_grad"))
_ELEMENTWISE: Final = frozenset(
    OPS[name].index for name in "abs neg square pow mul add sub div isnan isinf isfinite clone".split()
)
_REDUCTIONS: Final = frozenset(OPS[name].index for name in "vector_norm sum mean amax amin any all std var".split())


class Step(NamedTuple):
    """A call on one tensor, which stands at `slot` of the arguments. `exact` tells 1 from 1.0, and 0.0 from -0.0."""

    op: int
    flags: int
    slot: int
    args: tuple[Any, ...]
    exact: str

    def row_args(self, tensor_id: int) -> tuple[Any, ...]:
        return (*self.args[: self.slot], tensor_id, *self.args[self.slot + 1 :])


class Recipe(NamedTuple):
    """How a value was computed: calls, the first of them on the tensor that has the id `source`."""

    steps: tuple[Step, ...]
    source: int


class Expected:
    """A value that was asked for ahead: what a recipe gives for `tensor`, until something is written."""

    def __init__(self, tensor: TensorBase) -> None:
        root = tensor.root
        if root._known is None:
            root._known = {}
        self.future: Future | None = None
        self._tensor, self._root = weakref.ref(tensor), weakref.ref(root)
        self._known = root._known  # a write to the tensor takes it from its owner
        self._since = since.bulk, since.any
        self._sender, self._epoch_start = stream.sender, stream.queue.epoch_start

    def holds(self) -> bool:
        """Whether the value is what the same calls give now."""
        tensor, root, future = self._tensor(), self._root(), self.future
        if tensor is None or root is None or future is None or tensor.root is not root or tensor._stray:
            return False
        if root._known is not self._known or self._since[0] is not since.bulk or self._since[1] is not since.any:
            return False
        if self._sender is not stream.sender or self._epoch_start != stream.queue.epoch_start:
            return False
        return stream.sender.error is None and not (future.done() and future.failed())


class RepeatedCalls:
    """Follows what lines compute before they wait. `expected`: what has been computed ahead."""

    def __init__(self) -> None:
        self._site: tuple[CodeType, int] | None = None
        self._before: Recipe | None = None
        self.expected: dict[Recipe, Expected] = {}
        self._pauses = asking_ahead.Pauses()

    def value(self, tensor: TensorBase, frame: FrameType) -> Future | None:
        """The value that was computed ahead for a tensor that is about to be asked for, if there is one."""
        if (frame.f_code, frame.f_lasti) != self._site:
            return None
        recipe = _recipe_of(tensor)
        expected = None if recipe is None else self.expected.pop(recipe, None)
        if expected is None or not expected.holds() or tensor._id < stream.queue.epoch_start:
            return None
        self._before = recipe
        return expected.future

    def go_ahead(self, tensor: TensorBase, frame: FrameType, finish: Callable[[Any], Any]) -> None:
        """Make the line's calls on the tensors that follow; it is about to wait for the values of this one."""
        site = frame.f_code, frame.f_lasti
        before = self._before if site == self._site else None
        recipe = _recipe_of(tensor)
        self._site, self._before, self.expected = site, recipe, {}
        if recipe is None or before is None or recipe.steps != before.steps or not self._pauses.has_turn(site):
            return
        following = _following(before.source, recipe.source, frame)
        if following:
            self._pauses.forget(site)
        self.expected = dict(_asked(recipe.steps, following, site, finish))


def _recipe_of(tensor: TensorBase) -> Recipe | None:
    """How a value was computed, as far as its rows have not been answered yet; None if it was written to since.

    Only rows one right after the other count: another row between them could have written to what they made.
    """
    if tensor._version or tensor._aliases is not None or tensor._base is not None or tensor._memory is not None:
        return None
    for rows in _recent_rows():
        at = next((at for at, row in enumerate(rows) if row[2] == tensor._id), -1)
        steps, source = [], tensor._id
        while at >= 0 and rows[at][2] == source and (step := _step(rows[at])) is not None:
            steps.append(step)
            source = rows[at][3][step.slot]
            at -= 1
        if steps:
            return Recipe(tuple(reversed(steps)), source)
    return None


def _recent_rows() -> Iterator[list[tuple[Any, ...]]]:
    """The last rows of the queue, and of each submission on its way, in the order in which they were recorded."""
    waiting, found = stream.queue.items, []
    for at in range(1, RECENT + 1):
        try:
            found.append(waiting[-at])
        except IndexError:
            break
    yield [item for item in reversed(found) if isinstance(item, tuple)]
    for submission in list(stream.sender.in_flight.submissions()):
        yield [item for item in submission.items[-RECENT:] if isinstance(item, tuple)]


def _step(row: tuple[Any, ...]) -> Step | None:
    """A row as a step; None if it may not be computed ahead."""
    op, flags, _, args = row[:4]
    ids = tensor_ids(row)
    if len(ids) != 1 or not (op in _VIEWS or op in _ELEMENTWISE or op in _REDUCTIONS):
        return None
    spec = BY_INDEX[op]
    if op in _REDUCTIONS and args[spec.names.index("dim")] not in (None, ()):
        return None
    slot = next(slot for slot in spec.tensor_slots if args[slot] == ids[0] and type(args[slot]) is int)
    blank = (*args[:slot], None, *args[slot + 1 :])
    return Step(op, flags & ~GRAD, slot, blank, repr(blank))


def _following(before: int, source: int, frame: FrameType) -> list[TensorBase]:
    """The tensors that follow those with two ids, in this order, in a module or in what variables hold."""
    for held in asking_ahead.holders(frame):
        tensors = [item for item in held if issubclass(type(item), TensorBase)]
        ids = [tensor._id for tensor in tensors]
        if source in ids and before in ids[: ids.index(source)]:
            at = ids.index(source)
            dtype = tensors[at]._meta.dtype
            return [t for t in tensors[at + 1 : at + 1 + MOST] if _fits(t) and t._meta.dtype is dtype]
    return []


def _fits(tensor: TensorBase) -> bool:
    meta = tensor.__dict__.get("_meta")
    known = meta is not None and meta.numel > 0 and not tensor._stray
    return known and tensor._id > stream.inherited and tensor._id not in stream.sender.failures.causes


def _asked(
    steps: tuple[Step, ...], tensors: list[TensorBase], site: Any, finish: Callable[[Any], Any]
) -> Iterator[tuple[Recipe, Expected]]:
    """Record the steps on each of the tensors, and ask for the values."""
    elementwise = any(step.op in _ELEMENTWISE for step in steps)
    of_gradient = any(step.op == OPS["get_grad"].index for step in steps)
    left = ELEMENTWISE_BYTES
    for tensor in tensors:
        left -= tensor._meta.nbytes if elementwise else 0
        if left < 0 or tensor.device_bits != steps[0].flags:
            return
        if of_gradient and (tensor._leaf is None or tensor._leaf.has_grad is not True):
            return
        expected = Expected(tensor)
        expected.future = _computed(steps, tensor._id, site, finish)
        yield Recipe(steps, tensor._id), expected


def _computed(steps: tuple[Step, ...], tensor_id: int, site: Any, finish: Callable[[Any], Any]) -> Future:
    made: list[int] = []
    try:
        for step in steps:
            out = stream.next_id()
            stream.queue.items.append(RecordedRow(step.op, step.flags, out, step.row_args(tensor_id), *site))
            made.append(out)
            tensor_id = out
        return stream.ask("read", (tensor_id,), steps[0].flags, site, finish)
    finally:
        for out in made:
            stream.queue.free(out)


repeated_calls: Final = RepeatedCalls()
