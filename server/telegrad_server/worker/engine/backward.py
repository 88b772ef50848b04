"""A backward pass: carries gradients back over the tape, from roots to leaves. Knows no op by name.

Nodes are numbered as they are recorded, and all consumers of a node's results are recorded later. So a pass that takes
nodes by falling number visits each after all its consumers: without recursion, and without sorting the graph.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Any

from telegrad_protocol.errors import AutogradError, GraphFreed, ShapeError
from telegrad_protocol.shapes import PAGE, Meta
from telegrad_server.kernels.registry import OpImpl, Vjp, metas_of
from telegrad_server.worker.tensor import Edge, Node, Tensor

from .tape import check_versions, saved_by


class Mode:
    """How a backward pass computes: on arrays, or on recorded tensors for higher orders.

    `namespace` has the ops that VJPs call. `unpack` turns a saved argument into an argument of a VJP. `fused` runs the
    backward of a fused op. `exact` gives a gradient of half precision its dtype. `reduce` undoes broadcasting. `add` makes
    a sum in new memory, `add_into` in the memory of the first operand, which belongs to the pass. `owns` tells whether a
    gradient fills memory that it shares with none of the others. `write_grads` adds gradients to the `.grad` of tensors:
    all of them, or none; of those `owned`, it may keep the memory.
    """

    namespace: Any

    def unpack(self, value: Any) -> Any:
        raise NotImplementedError

    def out(self, node: Node, index: int) -> Any:
        raise NotImplementedError

    def aux(self, node: Node) -> Any:
        raise NotImplementedError

    def fused(self, node: Node, vjp: Vjp, g: Any, needs: tuple[bool, ...]) -> Any:
        raise NotImplementedError

    def exact(self, g: Any, meta: Meta) -> Any:
        raise NotImplementedError

    def reduce(self, g: Any, meta: Meta) -> Any:
        raise NotImplementedError

    def add(self, total: Any, g: Any) -> Any:
        raise NotImplementedError

    def add_into(self, total: Any, g: Any) -> Any:
        raise NotImplementedError

    def owns(self, g: Any, others: tuple[Any, ...]) -> bool:
        raise NotImplementedError

    def write_grads(self, found: dict[Tensor, Any], owned: set[Tensor]) -> None:
        raise NotImplementedError


class BackwardPass:
    """One pass back over the tape, from roots with their gradients to the leaves, or to the wanted edges.

    A gradient may share memory with the caller's, with another edge's, or with a saved value. So the pass writes only to
    sums, which it made itself (`_sums`), and notes the leaves whose gradients share memory with nothing (`_owned`).
    """

    def __init__(self, mode: Mode, *, retain: bool, admit: Callable[[int, str], None]) -> None:
        self.mode = mode
        self.retain = retain
        self.admit = admit
        self._heap: list[tuple[int, Node]] = []  # by falling number: heapq takes the smallest
        self._pending: dict[Node, list[Any]] = {}
        self._sums: set[Edge] = set()
        self._leaves: dict[Tensor, Any] = {}
        self._owned: set[Tensor] = set()
        self._retained: dict[Tensor, Any] = {}
        self._wanted: dict[Edge, Any] = {}
        self._needed: set[Node] | None = None

    def want(self, edges: Iterable[Edge], roots: Iterable[Edge], floor: int = 0) -> None:
        """Collect the gradients at these edges only, and visit only nodes that lead to them."""
        self._wanted = dict.fromkeys(edges)
        self._needed = _leading_to(set(self._wanted), [root for root, index in roots if index >= 0], floor)

    def start(self, edge: Edge, g: Any, meta: Meta) -> None:
        """Give the pass a root and its gradient."""
        self._accumulate(edge, g, meta)

    def run(self, until: Edge | None = None) -> None:
        """Visit all nodes that a gradient reaches, or those that come before an edge: its gradient is then complete."""
        last = until[0].number if until is not None and until[1] >= 0 else 0
        while self._heap and -self._heap[0][0] > last:
            _, node = heapq.heappop(self._heap)
            grads = self._pending.pop(node)
            if node.freed:
                raise _freed(node)
            self._visit(node, grads)
            if not self.retain:
                node.free()

    def gradient_at(self, edge: Edge) -> Any:
        """The gradient that has accumulated at an edge, or None."""
        target, index = edge
        if index < 0:
            return self._wanted.get(edge) if self._wanted else self._leaves.get(target)
        slots = self._pending.get(target)
        return self._wanted.get(edge) if slots is None else slots[index]

    def nbytes(self) -> int:
        """Bytes of the arrays that wait. Recorded gradients are tensors, which the budget counts already."""
        waiting = [g for slots in self._pending.values() for g in slots]
        for table in (self._leaves, self._wanted, self._retained):
            waiting += table.values()
        owners = [getattr(g, "base", None) if getattr(g, "base", None) is not None else g for g in waiting]
        return sum({id(owner): getattr(owner, "nbytes", 0) for owner in owners if type(owner) is not Tensor}.values())

    def replace(self, edge: Edge, g: Any) -> None:
        """Let the pass go on from an edge with another gradient, whose memory is the caller's."""
        target, index = edge
        meta = target.metas[index] if index >= 0 else target._meta
        if g.shape != meta.shape:  # set_data may have changed the tensor's shape since
            raise ShapeError(f"a gradient of shape {list(g.shape)} cannot go on from where {meta!r} was computed")
        self._sums.discard(edge)
        if edge in self._wanted:
            self._wanted[edge] = g
        if index >= 0 and target in self._pending:
            self._pending[target][index] = g
        if index < 0 and target in self._leaves:
            self._leaves[target] = g
            self._owned.discard(target)

    def run_to_first(self, edges: list[Edge]) -> int:
        """Visit nodes until the gradient at one of these edges is complete; the edge's index, or -1 if none is reached."""
        order = sorted(range(len(edges)), key=lambda i: -(edges[i][0].number if edges[i][1] >= 0 else 0))
        for index in order:
            self.run(edges[index])
            if self.gradient_at(edges[index]) is not None:
                return index
        return -1

    def write_grads(self, inputs: dict[Tensor, Edge] | None = None) -> None:
        """Add the gradients that were found to the `.grad` of the leaves, or of the inputs alone: all, or none."""
        found = self._leaves
        if inputs:
            found = {tensor: g for tensor, edge in inputs.items() if (g := self._wanted[edge]) is not None}
        self.mode.write_grads({**found, **self._retained}, self._owned)

    def _visit(self, node: Node, grads: list[Any]) -> None:
        if node.versions or node.outs:
            check_versions(node)
        if node.retained:
            self._retain(node, grads)
        impl, args = node.impl, node.args
        g = grads[0] if impl.one_result else tuple(grads)
        if impl.fused_backward is not None:
            self._visit_fused(node, impl.fused_backward, g)
            return
        for position, edges in node.edges.items():
            if self._needed is not None and self._skips(edges):
                continue
            vjp = impl.vjps.get(position)
            if vjp is None:
                raise _no_derivative(impl, position)
            meta = args[position]
            if type(meta) is not Meta:
                meta = metas_of(meta)
            is_list = type(edges) is list
            if is_list or meta.large:
                self._admit(node, meta)
            result = vjp.call(self.mode, node, args, g)
            if result is None:
                continue
            if is_list:
                self._accumulate_each(edges, result, meta)
            else:
                self._accumulate(edges, result, meta, node, g)

    def _retain(self, node: Node, grads: list[Any]) -> None:
        for index, reference in node.retained:
            tensor = reference()
            if tensor is not None and grads[index] is not None and tensor.is_result_of(node):
                self._retained[tensor] = grads[index]

    def _visit_fused(self, node: Node, vjp: Vjp, g: Any) -> None:
        needs = tuple([p in node.edges and not self._skips(node.edges[p]) for p in vjp.positions])
        for position in node.edges:
            self._admit(node, metas_of(node.args[position]))
        results = self.mode.fused(node, vjp, g, needs)
        for i, (position, needed) in enumerate(zip(vjp.positions, needs, strict=True)):
            result = results[i]
            if needed and result is not None:
                given = (g, *results[:i], *results[i + 1 :])
                self._accumulate(node.edges[position], result, metas_of(node.args[position]), node, given)

    def _accumulate_each(self, edges: list[Edge | None], pieces: Any, metas: Any) -> None:
        """The gradients of a list of tensors."""
        for edge, piece, meta in zip(edges, pieces, metas, strict=True):
            if edge is not None and piece is not None:
                self._accumulate(edge, piece, meta)

    def _accumulate(self, edge: Edge, g: Any, meta: Meta, maker: Node | None = None, given: Any = None) -> None:
        """Add a gradient to the sum that waits at an edge.

        `maker` is the node whose VJP made the gradient; None if others use it too. `given` are the gradients that may
        share its memory, such as the one that it was made of.
        """
        if g.shape != meta.shape:
            g = self.mode.reduce(g, meta)
        if meta.half:
            g = self.mode.exact(g, meta)
        target, index = edge
        if self._wanted and edge in self._wanted:
            held = self._wanted[edge]
            self._wanted[edge] = g if held is None else self.mode.add(held, g)
            if index < 0:
                return
        if index < 0:
            self._accumulate_at_leaf(edge, g, maker, given)
            return
        if self._needed is not None and target not in self._needed:
            return
        slots = self._pending.get(target)
        if slots is None:
            slots = self._pending[target] = [None] * len(target.metas)
            heapq.heappush(self._heap, (-target.number, target))
        held = slots[index]
        slots[index] = g if held is None else self._sum(edge, held, g)

    def _accumulate_at_leaf(self, edge: Edge, g: Any, maker: Node | None, given: Any) -> None:
        leaf = edge[0]
        if self._needed is not None or not leaf.requires_grad:
            return
        held = self._leaves.get(leaf)
        if held is not None:
            self._leaves[leaf] = self._sum(edge, held, g)
            self._owned.add(leaf)
            return
        self._leaves[leaf] = g
        if maker is not None and self.mode.owns(g, (*saved_by(maker), given)):
            self._owned.add(leaf)

    def _sum(self, edge: Edge, held: Any, g: Any) -> Any:
        """The sum at an edge: the first one in new memory, later ones in the memory of the first."""
        if edge in self._sums:
            return self.mode.add_into(held, g)
        self._sums.add(edge)
        return self.mode.add(held, g)

    def _skips(self, edges: Any) -> bool:
        if self._needed is None:
            return False
        edges = edges if type(edges) is list else (edges,)
        return not any(e is not None and (e in self._wanted or (e[1] >= 0 and e[0] in self._needed)) for e in edges)

    def _admit(self, node: Node, meta: Any) -> None:
        """Ask for the memory of a gradient. Raises `OutOfMemory`."""
        nbytes = meta.nbytes if type(meta) is Meta else sum(m.nbytes for m in meta if m is not None)
        if nbytes > PAGE:
            self.admit(nbytes, f"the gradient of {node.impl.name}")


def _freed(node: Node) -> GraphFreed:
    return GraphFreed(
        "Trying to backward through the graph a second time (or directly access saved tensors after they "
        "have already been freed). Saved intermediate values of the graph are freed when you call "
        ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
        "graph a second time.",
        op=node.impl.name,
        hint="compute the result anew, or ask for retain_graph in the backward before",
    )


def _no_derivative(impl: OpImpl, position: int) -> AutogradError:
    argument = impl.spec.names[position]
    return AutogradError(
        f"the derivative of {impl.name} with respect to '{argument}' is not implemented",
        op=impl.name,
        argument=argument,
    )


def _leading_to(wanted: set[Edge], roots: list[Node], floor: int) -> set[Node]:
    """The nodes above `floor` from which a wanted edge can be reached, by an iterative depth-first search."""
    leads: dict[Node, bool] = {}
    stack = [(root, False) for root in roots if root.number > floor]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            leads[node] = any(e in wanted or (e[1] >= 0 and leads.get(e[0], False)) for e in node.all_edges())
        elif node not in leads:
            leads[node] = False
            stack.append((node, True))
            stack.extend((e[0], False) for e in node.all_edges() if e[1] >= 0 and e[0].number > floor)
    return {node for node, leading in leads.items() if leading}
