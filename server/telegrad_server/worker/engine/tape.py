"""The autograd tape: what was recorded, and the walk back. Knows no op by name.

A node is numbered when it is recorded, and every consumer of its results is recorded later; so taking nodes by
falling number visits each after all that feed it, without recursion and without sorting the graph.
"""

from __future__ import annotations

import heapq
import weakref
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from telegrad_protocol.errors import AutogradError, GraphFreed, ShapeError, VersionChanged
from telegrad_protocol.shapes import PAGE, Meta
from telegrad_server.kernels.registry import OpImpl, Vjp, metas_of
from telegrad_server.worker.memory import Tally
from telegrad_server.worker.tensor import Tensor

next_number = count(1).__next__


def last_number() -> int:
    """A number that lies above every node recorded so far and below every later one."""
    return next_number()


Edge = tuple[Any, int]
"""Where a gradient goes: a node and which of its results, or a leaf tensor and -1."""


class Node:
    """One recorded op.

    `edges`: per tensor argument position through which a gradient flows, its edge, or a list of edges and None where a
    list of tensors stands. `args`: the arguments, each tensor that no VJP reads replaced by its `Meta`. `held`: the storage
    that counts what `aux` takes, if that is much. `versions`: the saved tensors with their version at the time. `retained`:
    the results that keep their gradient. `saves`: something was saved, so that it can be visited once; set where that is
    false. `tally`: counts the nodes.
    """

    aux: Any = None
    held: Any = None
    outs: Any = None
    versions: Any = ()
    saves = True
    retained: tuple[tuple[int, weakref.ref[Tensor]], ...] = ()

    def __init__(self, impl: OpImpl, args: Any, edges: dict[int, Any], metas: tuple[Meta, ...], tally: Tally) -> None:
        self.impl = impl
        self.args = args
        self.edges = edges
        self.metas = metas
        self.tally = tally
        self.number = next_number()

    @property
    def freed(self) -> bool:
        return self.args is None

    def free(self) -> None:
        """Drop what was saved, if anything was; a second backward through here is then refused."""
        if not self.saves:
            return
        self.args = self.aux = self.held = self.outs = None
        self.versions = ()


def edge_of(tensor: Tensor) -> Edge:
    """Where the gradient of this tensor goes."""
    return (tensor.node, tensor.index) if tensor.node is not None else (tensor, -1)


class Mode:
    """How a walk computes: on arrays, or on recorded tensors for higher orders.

    `namespace` is handed to VJPs; `unpack` turns a saved argument into what they are given; `fused` runs the backward of
    a fused op; `exact` gives a gradient of half precision its dtype; `reduce` undoes broadcasting; `add` makes a sum in
    new memory and `add_into` in the memory of the first operand, which is the tape's own; `owns` tells whether a value fills
    memory that none of these others lies in.
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


class Walk:
    """One walk back over the tape: from roots with their gradients to leaves, or to the `wanted` edges.

    A gradient may be shared: with the caller who gave it, with another edge, with what the forward saved. The walk
    writes to sums alone, which it made itself (`sums`), and tells which leaves' gradients are nobody else's (`own`).
    """

    def __init__(self, mode: Mode, *, retain: bool, admit: Callable[[int, str], None]) -> None:
        self.mode = mode
        self.retain = retain
        self.admit = admit
        self.heap: list[tuple[int, Node]] = []  # by falling number: heapq takes the smallest
        self.pending: dict[Node, list[Any]] = {}
        self.sums: set[Edge] = set()
        self.leaves: dict[Tensor, Any] = {}
        self.own: set[Tensor] = set()
        self.retained: dict[Tensor, Any] = {}
        self.wanted: dict[Edge, Any] = {}
        self.needed: set[Node] | None = None
        self.floor = 0

    def want(self, edges: Iterable[Edge], roots: Iterable[Edge], floor: int = 0) -> None:
        """Collect the gradients at these edges only, and visit only nodes that lead to them."""
        self.wanted = dict.fromkeys(edges)
        self.floor = floor
        self.needed = _leading_to(set(self.wanted), [root for root, index in roots if index >= 0], floor)

    def start(self, edge: Edge, g: Any, meta: Meta) -> None:
        self._send(edge, g, meta)

    def run(self, until: Edge | None = None) -> None:
        """Visit every node that a gradient reaches; or those that come before an edge, whose gradient is then whole."""
        last = until[0].number if until is not None and until[1] >= 0 else 0
        while self.heap and -self.heap[0][0] > last:
            _, node = heapq.heappop(self.heap)
            grads = self.pending.pop(node)
            if node.freed:
                raise GraphFreed(
                    "Trying to backward through the graph a second time (or directly access saved tensors after they "
                    "have already been freed). Saved intermediate values of the graph are freed when you call "
                    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
                    "graph a second time.",
                    op=node.impl.name,
                    hint="compute the result anew, or ask for retain_graph in the backward before",
                )
            self._visit(node, grads)
            if not self.retain:
                node.free()

    def at(self, edge: Edge) -> Any:
        """The gradient that has gathered at an edge, or None."""
        target, index = edge
        if index < 0:
            return self.wanted.get(edge) if self.wanted else self.leaves.get(target)
        slots = self.pending.get(target)
        return self.wanted.get(edge) if slots is None else slots[index]

    def nbytes(self) -> int:
        """Bytes of the arrays that wait; recorded gradients are tensors, and count by themselves."""
        waiting = [g for slots in self.pending.values() for g in slots]
        for table in (self.leaves, self.wanted, self.retained):
            waiting += table.values()
        owners = [getattr(g, "base", None) if getattr(g, "base", None) is not None else g for g in waiting]
        return sum({id(owner): getattr(owner, "nbytes", 0) for owner in owners if type(owner) is not Tensor}.values())

    def put(self, edge: Edge, g: Any) -> None:
        """Let another gradient go on from an edge; somebody else has it too."""
        target, index = edge
        meta = target.metas[index] if index >= 0 else target._meta
        if g.shape != meta.shape:  # the tensor's data may have been set to other data since
            raise ShapeError(f"a gradient of shape {list(g.shape)} cannot go on from where {meta!r} was computed")
        self.sums.discard(edge)
        if edge in self.wanted:
            self.wanted[edge] = g
        if index >= 0 and target in self.pending:
            self.pending[target][index] = g
        if index < 0 and target in self.leaves:
            self.leaves[target] = g
            self.own.discard(target)

    def run_to_first(self, edges: list[Edge]) -> int:
        """Go on to whichever of these edges is reached first; its place among them, or -1."""
        order = sorted(range(len(edges)), key=lambda i: -(edges[i][0].number if edges[i][1] >= 0 else 0))
        for place in order:
            self.run(edges[place])
            if self.at(edges[place]) is not None:
                return place
        return -1

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
            if self.needed is not None and self._skips(edges):
                continue
            vjp = impl.vjps.get(position)
            if vjp is None:
                raise _no_derivative(impl, position)
            meta = args[position]
            if type(meta) is not Meta:
                meta = metas_of(meta)
            if type(edges) is tuple:
                if meta.large:
                    self._admit(node, meta)
                result = vjp.call(self.mode, node, args, g)
                if result is not None:
                    self._send(edges, result, meta, node, g)
            else:
                self._admit(node, meta)
                pieces = vjp.call(self.mode, node, args, g)
                if pieces is not None:
                    self._send_each(edges, pieces, meta)

    def _retain(self, node: Node, grads: list[Any]) -> None:
        for index, reference in node.retained:
            tensor = reference()
            if tensor is not None and grads[index] is not None and tensor.is_result_of(node):
                self.retained[tensor] = grads[index]

    def _visit_fused(self, node: Node, vjp: Vjp, g: Any) -> None:
        needs = tuple([p in node.edges and not self._skips(node.edges[p]) for p in vjp.positions])
        for position in node.edges:
            self._admit(node, metas_of(node.args[position]))
        results = self.mode.fused(node, vjp, g, needs)
        for place, (position, needed) in enumerate(zip(vjp.positions, needs, strict=True)):
            result = results[place]
            if needed and result is not None:
                given = (g, *results[:place], *results[place + 1 :])
                self._send(node.edges[position], result, metas_of(node.args[position]), node, given)

    def _send_each(self, edges: list[Edge | None], pieces: Any, metas: Any) -> None:
        """The gradients of a list of tensors."""
        for edge, piece, meta in zip(edges, pieces, metas, strict=True):
            if edge is not None and piece is not None:
                self._send(edge, piece, meta)

    def _send(self, edge: Edge, g: Any, meta: Meta, maker: Node | None = None, given: Any = None) -> None:
        """Add a gradient to what waits at an edge.

        `maker` is the node whose VJP made it; None where it has several users. `given`: what else may lie in its memory,
        as the gradient that it was made of.
        """
        if g.shape != meta.shape:
            g = self.mode.reduce(g, meta)
        if meta.half:
            g = self.mode.exact(g, meta)
        target, index = edge
        if self.wanted and edge in self.wanted:
            held = self.wanted[edge]
            self.wanted[edge] = g if held is None else self.mode.add(held, g)
            if index < 0:
                return
        if index < 0:
            self._send_to_leaf(edge, g, maker, given)
            return
        if self.needed is not None and target not in self.needed:
            return
        slots = self.pending.get(target)
        if slots is None:
            slots = self.pending[target] = [None] * len(target.metas)
            heapq.heappush(self.heap, (-target.number, target))
        held = slots[index]
        slots[index] = g if held is None else self._sum(edge, held, g)

    def _send_to_leaf(self, edge: Edge, g: Any, maker: Node | None, given: Any) -> None:
        leaf = edge[0]
        if self.needed is not None or not leaf.requires_grad:
            return
        held = self.leaves.get(leaf)
        if held is not None:
            self.leaves[leaf] = self._sum(edge, held, g)
            self.own.add(leaf)
            return
        self.leaves[leaf] = g
        if maker is not None and self.mode.owns(g, (*saved_by(maker), given)):
            self.own.add(leaf)

    def _sum(self, edge: Edge, held: Any, g: Any) -> Any:
        """The sum at an edge: in new memory the first time, then in that."""
        if edge in self.sums:
            return self.mode.add_into(held, g)
        self.sums.add(edge)
        return self.mode.add(held, g)

    def _skips(self, edges: Any) -> bool:
        if self.needed is None:
            return False
        edges = edges if type(edges) is list else (edges,)
        return not any(e is not None and (e in self.wanted or (e[1] >= 0 and e[0] in self.needed)) for e in edges)

    def _admit(self, node: Node, meta: Any) -> None:
        """Ask for the memory of a gradient."""
        nbytes = meta.nbytes if type(meta) is Meta else sum(m.nbytes for m in meta if m is not None)
        if nbytes > PAGE:
            self.admit(nbytes, f"the gradient of {node.impl.name}")


def saved_by(node: Node) -> list[Any]:
    """The tensors and arrays that a node saved, which its VJP may have handed on, whole or in part."""
    found = [out[0] for out in node.outs or ()]
    for value in (*node.args, node.aux):
        found += value if type(value) is tuple else (value,)
    return found


def _no_derivative(entry: OpImpl, position: int) -> AutogradError:
    argument = entry.spec.names[position]
    return AutogradError(
        f"the derivative of {entry.name} with respect to '{argument}' is not implemented",
        op=entry.name,
        argument=argument,
    )


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


def _leading_to(wanted: set[Edge], roots: list[Node], floor: int) -> set[Node]:
    """The nodes above `floor` from which a wanted edge can be reached, by an iterative depth-first search."""
    leads: dict[Node, bool] = {}
    stack = [(root, False) for root in roots if root.number > floor]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            leads[node] = any(e in wanted or (e[1] >= 0 and leads.get(e[0], False)) for e in _edges(node))
        elif node not in leads:
            leads[node] = False
            stack.append((node, True))
            stack.extend((e[0], False) for e in _edges(node) if e[1] >= 0 and e[0].number > floor)
    return {node for node, leading in leads.items() if leading}


def _edges(node: Node) -> list[Edge]:
    found: list[Edge] = []
    for edges in node.edges.values():
        found.extend(e for e in edges if e is not None) if type(edges) is list else found.append(edges)
    return found
