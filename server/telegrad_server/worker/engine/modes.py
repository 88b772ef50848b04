"""The two modes of a backward pass: on arrays, for first gradients, and on recorded tensors, for higher orders."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.errors import AutogradError
from telegrad_protocol.rules import check_writable
from telegrad_protocol.shapes import Meta
from telegrad_server.kernels.registry import Vjp
from telegrad_server.worker.tensor import Node, Storage, Tensor, count_writes, edge_of, last_number

from .apply import Engine, arrays_of_list
from .backward import BackwardPass, Mode


def backward_pass(engine: Engine, *, create_graph: bool, retain: bool) -> BackwardPass:
    """A backward pass that has not begun. `create_graph` records it; `retain` keeps what the nodes saved."""
    mode = RecordedMode(engine) if create_graph else RawMode(engine)
    return BackwardPass(mode, retain=retain, admit=engine.budget.check)


class RawMode(Mode):
    """Computes on arrays: first gradients."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.xp = engine.xp
        self.namespace = engine.raw

    def unpack(self, value: Any) -> Any:
        return value.data if type(value) is Tensor else arrays_of_list(value)

    def out(self, node: Node, index: int) -> Any:
        return node.outs[index][0]

    def aux(self, node: Node) -> Any:
        return node.aux

    def fused(self, node: Node, vjp: Vjp, g: Any, needs: tuple[bool, ...]) -> Any:
        return vjp.call(self, node, node.args, g, needs)

    def exact(self, g: Any, meta: Meta) -> Any:
        return self.xp.exact(g, meta.dtype)

    def reduce(self, g: Any, meta: Meta) -> Any:
        return self.xp.sum_to(g, meta.shape)

    def add(self, total: Any, g: Any) -> Any:
        return self.xp.add(total, g)

    def add_into(self, total: Any, g: Any) -> Any:
        return self.xp.add_into(total, g)

    def owns(self, g: Any, others: tuple[Any, ...]) -> bool:
        return self.xp.fills(g) and not self.xp.shares(g, _flat_arrays(others))

    # Gradients into `.grad` -------------------------------------------------------------------------------

    def write_grads(self, found: dict[Tensor, Any], owned: set[Tensor]) -> None:
        engine = self.engine
        engine.budget.check(sum(leaf._meta.nbytes for leaf in found if leaf.grad is None), "accumulating gradients")
        held = [(leaf.grad, g, leaf in owned) for leaf, g in found.items() if leaf.grad is not None]
        for grad, g, _ in held:
            _check_sum(grad, g)
        made = {leaf: self._kept(g, leaf in owned) for leaf, g in found.items() if leaf.grad is None}
        self._add_to(held)
        for leaf, grad in made.items():
            leaf.grad = grad

    def _kept(self, g: Any, owned: bool) -> Tensor:
        return self.engine.wrap(self.xp.dense(g) if owned else self.xp.copy(g))

    def _add_to(self, held: list[tuple[Tensor, Any, bool]]) -> None:
        """Add gradients to existing ones. All memory that this takes is allocated before the first write."""
        xp, written = self.xp, {_owner(grad.data) for grad, _, _ in held}
        apart = [g if owned or _owner(g) not in written else xp.copy(g) for _, g, owned in held]
        grads = [grad for grad, _, _ in held]
        self.engine.keep_reads(grads)
        for grad, g in zip(grads, apart, strict=True):
            xp.add_into(grad.data, g)
        count_writes(grads)


def _check_sum(grad: Tensor, g: Any) -> None:
    """Raise if a gradient cannot be added to `grad`."""
    check_writable("backward", grad._meta)
    if grad.shape != g.shape:
        raise AutogradError(
            f"a gradient of shape {list(g.shape)} cannot be added to one of shape {list(grad.shape)}: the "
            "data of the tensor was set to other data in between",
            op="backward",
        )


class RecordedMode(Mode):
    """Computes on recorded tensors: gradients that can be differentiated again."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.namespace = engine.recorded

    def unpack(self, value: Any) -> Any:
        return value

    def out(self, node: Node, index: int) -> Any:
        data, meta, storage, _ = node.outs[index]
        tensor = Tensor(data, meta, storage)
        if meta.dtype.is_floating_point:
            tensor.node, tensor.index, tensor.requires_grad = node, index, True
        return tensor

    def aux(self, node: Node) -> Any:
        """What the forward set aside, its arrays as constants."""
        return self._constant(node.aux, node.held)

    def _constant(self, value: Any, held: Storage | None) -> Any:
        if type(value) is tuple:
            return tuple([self._constant(item, held) for item in value])
        if not hasattr(value, "shape"):
            return value
        return self.engine.wrap(value) if held is None else Tensor(value, self.engine.xp.meta_of(value), held)

    def fused(self, node: Node, vjp: Vjp, g: Any, needs: tuple[bool, ...]) -> Any:
        """Record the decomposition again on the saved inputs, and differentiate that."""
        impl, engine = node.impl, self.engine
        floor = last_number()
        # A tensor that is two of the arguments has a gradient for each: each argument gets an edge of its own.
        args = [self._stand_in(value) if slot in node.edges else value for slot, value in enumerate(node.args)]
        again = impl.decomposition(engine.recorded, *args)  # type: ignore[misc]
        outs = again if type(again) is tuple else (again,)
        roots = [(edge_of(out), grad, out._meta) for out, grad in zip(outs, _as_tuple(g), strict=True)]
        inner = BackwardPass(self, retain=True, admit=engine.budget.check)
        edges = {position: edge_of(args[position]) for position in node.edges}
        inner.want(edges.values(), [root[0] for root in roots], floor)
        for root in roots:
            if root[1] is not None and root[0][1] >= 0:
                inner.start(*root)
        inner.run()
        return [inner.gradient_at(edges[p]) if needed else None for p, needed in zip(vjp.positions, needs, strict=True)]

    def _stand_in(self, tensor: Tensor) -> Tensor:
        """The same tensor as the result of an op of its own."""
        made: Tensor = self.engine.recorded.view(tensor, tensor.shape)
        return made

    def exact(self, g: Any, meta: Meta) -> Any:
        return g

    def reduce(self, g: Any, meta: Meta) -> Any:
        return self.engine.recorded.sum_to_size(g, meta.shape)

    def add(self, total: Any, g: Any) -> Any:
        return self.engine.recorded.add(total, g)

    add_into = add  # a recorded op keeps its operands

    def owns(self, g: Any, others: tuple[Any, ...]) -> bool:
        return False

    def write_grads(self, found: dict[Tensor, Any], owned: set[Tensor]) -> None:
        # Copies: a gradient may be the caller's own, or another leaf's.
        clone, add = self.engine.recorded.clone, self.engine.recorded.add
        made = {leaf: clone(g) if leaf.grad is None else add(leaf.grad, g) for leaf, g in found.items()}
        for leaf, grad in made.items():
            leaf.grad = grad


def _owner(array: Any) -> int:
    """The id of the array that owns an array's memory: the same for all its views."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return id(array)


def _flat_arrays(values: tuple[Any, ...]) -> list[Any]:
    """Values, also those in tuples, with arrays in place of tensors."""
    found: list[Any] = []
    for value in values:
        if type(value) is tuple or type(value) is list:
            found += _flat_arrays(tuple(value))
        else:
            found.append(value.data if type(value) is Tensor else value)
    return found


def _as_tuple(g: Any) -> tuple[Any, ...]:
    return g if type(g) is tuple else (g,)
