"""The tape: puts ops as nodes into the autograd graph, and keeps the history of views true."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.errors import VersionChanged
from telegrad_protocol.shapes import PAGE, Meta
from telegrad_protocol.spec import OpSpec
from telegrad_server.kernels import IMPLS
from telegrad_server.kernels.registry import OpImpl
from telegrad_server.worker.memory import Budget, Tally
from telegrad_server.worker.tensor import Edge, Node, Storage, Tensor, edge_of


class Tape:
    """The recorded ops of one session. `nodes` counts them; `budget` counts the values that they set aside."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.nodes = Tally()

    def to_tape(self, impl: OpImpl, args: tuple[Any, ...], edges: dict[int, Any], out: Tensor, aux: Any) -> None:
        """Record an op with one result, whose arguments have these edges."""
        out.node = node = self._node(impl, args, edges, (out._meta,), aux)
        out.requires_grad = True
        if node.outs is not None:
            save_outs(node, (out,))

    def all_to_tape(self, impl: OpImpl, args: tuple[Any, ...], outs: tuple[Tensor, ...], aux: Any) -> None:
        """Record an op with any number of results, if a gradient flows through it."""
        edges = self.edges_of(impl.spec, args)
        if not edges or not any(out._meta.dtype.is_floating_point for out in outs):
            return
        node = self._node(impl, args, edges, tuple([out._meta for out in outs]), aux)
        for index, out in enumerate(outs):
            if out._meta.dtype.is_floating_point:
                out.node, out.index, out.requires_grad = node, index, True
        if node.outs is not None:
            save_outs(node, outs)

    def _node(
        self, impl: OpImpl, args: tuple[Any, ...], edges: dict[int, Any], metas: tuple[Meta, ...], aux: Any
    ) -> Node:
        plan = impl.plan(tuple(edges))
        kept: Any = args
        if plan.dropped:
            kept = list(args)
            for slot in plan.dropped:
                value = args[slot]
                kept[slot] = value._meta if type(value) is Tensor else _without_data(value)
        node = Node(impl, kept, edges, metas, self.nodes)
        if plan.kept:
            node.versions = _versions_of([args[slot] for slot in plan.kept])
        if plan.uses_aux and aux is not None:
            node.aux = aux
            nbytes = _nbytes(aux)
            if nbytes > PAGE:
                node.held = Storage(nbytes, self.budget)
        if plan.uses_outs:
            node.outs = ()
        if not (plan.kept or plan.uses_aux or plan.uses_outs):
            node.saves = False
        return node

    # Edges ------------------------------------------------------------------------------------------------

    def edges_of(self, spec: OpSpec, args: tuple[Any, ...]) -> dict[int, Any]:
        """The edges of an op's arguments, by position; see `Node`."""
        edges: dict[int, Any] = {}
        for slot in spec.tensor_slots:
            value = args[slot]
            if type(value) is Tensor:
                if value.base is not None:
                    self.refresh_view(value)
                if value.requires_grad:
                    node = value.node
                    edges[slot] = (value, -1) if node is None else (node, value.index)
            elif type(value) is tuple:
                found = self._edges_of_list(value)
                if found is not None:
                    edges[slot] = found
        return edges

    def _edges_of_list(self, values: tuple[Any, ...]) -> list[Edge | None] | None:
        """The edges of a list of tensors; None if no gradient flows to any."""
        edges = [
            edge_of(item) if isinstance(item, Tensor) and self.refresh_view(item).requires_grad else None
            for item in values
        ]
        return edges if any(edge is not None for edge in edges) else None

    # Views ------------------------------------------------------------------------------------------------

    def refresh_view(self, tensor: Tensor) -> Tensor:
        """If the tensor is a view whose base has a new history, derive the view's from it."""
        base = tensor.base
        if base is not None and tensor.rebased != base.rebased:
            tensor.rebased = base.rebased
            if base.requires_grad:
                meta, impl = tensor._meta, IMPLS["as_strided"]
                args = (base, meta.shape, meta.strides, tensor.offset)
                tensor.set_history(self._node(impl, args, {0: edge_of(base)}, (meta,), None), 0)
        return tensor

    def rebase(self, target: Tensor, result: Tensor) -> None:
        """Give a tensor that was written in place the history of the result; a view hands it on to its base."""
        base = target.base
        if base is None:
            target.rebased += 1
            target.set_history(result.node, result.index)
            return
        base.rebased += 1
        meta, impl = target._meta, IMPLS["as_strided_scatter"]
        args = (base.alias(), result, meta.shape, meta.strides, target.offset)
        node = self._node(impl, args, self.edges_of(impl.spec, args), (base._meta,), None)
        node.saves = not target.alone  # as PyTorch, which keeps there what was done to a view
        base.set_history(node, 0)
        self.refresh_view(target)


# What a node saves ----------------------------------------------------------------------------------------


def save_outs(node: Node, outs: tuple[Tensor, ...]) -> None:
    """Keep results that a VJP reads: their arrays, since the tensors themselves would make a reference cycle."""
    node.outs = tuple([(out.data, out._meta, out.storage, out.storage.version) for out in outs])


def saved_by(node: Node) -> list[Any]:
    """The tensors and arrays that a node saved: its VJP may return them, whole or in part."""
    found = [out[0] for out in node.outs or ()]
    for value in (*node.args, node.aux):
        found += value if type(value) is tuple else (value,)
    return found


def check_versions(node: Node) -> None:
    """Raise `VersionChanged` if a saved tensor was written since."""
    for tensor, version in node.versions:
        if tensor.storage.version != version:
            raise _changed(node, tensor._meta, version, tensor.storage.version)
    for _, meta, storage, version in node.outs or ():
        if storage.version != version:
            raise _changed(node, meta, version, storage.version)


def _changed(node: Node, meta: Meta, saved: int, now: int) -> VersionChanged:
    return VersionChanged(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{meta!r}, saved by {node.impl.name}, is at version {now}; expected version {saved} instead",
        op=node.impl.name,
        expected=saved,
        got=now,
        hint="clone() the tensor before writing to it, or write out of place",
    )


def _without_data(value: Any) -> Any:
    """The `Meta` of a tensor, or of each in a list; another value as it is."""
    if isinstance(value, Tensor):
        return value._meta
    if type(value) is tuple:
        return tuple([_without_data(item) for item in value])
    return value


def _versions_of(values: list[Any]) -> list[tuple[Tensor, int]]:
    """The tensors among arguments and in their lists, with their present versions."""
    found: list[tuple[Tensor, int]] = []
    for value in values:
        if type(value) is Tensor:
            found.append((value, value.storage.version))
        elif type(value) is tuple:
            found += _versions_of([*value])
    return found


def _nbytes(aux: Any) -> int:
    """The bytes of the arrays that a forward set aside, in tuples or not, among numbers."""
    return sum(map(_nbytes, aux)) if type(aux) is tuple else getattr(aux, "nbytes", 0)
