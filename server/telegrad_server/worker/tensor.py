"""The server's tensor: an array on the device, its metadata and storage, and its node in the autograd graph."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from itertools import count
from typing import Any

from telegrad_protocol.shapes import HasMeta, Meta
from telegrad_server.kernels.registry import OpImpl

from .memory import Budget, Tally


class Storage:
    """The memory that a tensor and its views share: its size in bytes, its version, and the reads under way.

    `version` counts in-place writes. `pins` are the reads whose bytes have not left yet. `owner` is set where only the
    version is this storage's own: the memory belongs to the owner.
    """

    version = 0
    nbytes = 0
    pins: tuple[Any, ...] = ()
    owner: Storage | None = None

    def __init__(self, nbytes: int, budget: Budget) -> None:
        budget.take(nbytes)
        self.nbytes = nbytes
        self.budget = budget

    def __del__(self) -> None:
        if self.nbytes:  # 0 also if the budget refused it
            self.budget.give(self.nbytes)

    @property
    def memory(self) -> Storage:
        """The storage that counts the bytes and has the pins."""
        return self.owner or self

    def with_own_version(self, version: int = 0) -> Storage:
        """The same memory with a version of its own: autograd does not see writes through it."""
        made = Storage.__new__(Storage)
        made.owner, made.version = self.memory, version
        return made


class Tensor(HasMeta):
    """`data` is an array of the backend with `_meta`'s shape and dtype.

    `node` and `index` name the op and its result that this tensor is; `node` is None for a leaf. A view has a `base`,
    the contiguous tensor that owns the memory, and an `offset` there in elements. On a base, `rebased` counts the
    in-place ops that gave it a new history; on a view it is the base's count when the view's own node was made.
    `origin` is the detached view that a view was taken of, directly or through other views. `frozen` says why no
    in-place op may give this view a new history. `alone` marks a detached view: it shares memory with its base, but no
    history. `retains` is set by `retain_grad()`.
    """

    # An instance has only those that differ from these: that makes a tensor cheap.
    node: Node | None = None
    index = 0
    requires_grad = False
    grad: Tensor | None = None
    base: Tensor | None = None
    offset = 0
    rebased = 0
    origin: Tensor | None = None
    frozen: str | None = None
    alone = False
    retains = False

    def __init__(self, data: Any, meta: Meta, storage: Storage) -> None:
        self.data = data
        self._meta = meta
        self.storage = storage

    @property
    def shape(self) -> tuple[int, ...]:
        return self._meta.shape

    @property
    def dtype(self) -> Any:
        return self._meta.dtype

    @property
    def ndim(self) -> int:
        return self._meta.ndim

    @property
    def is_leaf(self) -> bool:
        return self.node is None

    def is_result_of(self, node: Node) -> bool:
        """Whether no in-place op has given this result of a node, or its base, another history."""
        return self.node is node and (self.base is None or self.rebased == self.base.rebased)

    def set_history(self, node: Node | None, index: int) -> None:
        """Make this tensor the result of a recorded op. If it retains its gradient, that is from now on the result's."""
        if self.retains and self.node is not None:
            self.node.retained = tuple([kept for kept in self.node.retained if kept[1]() is not self])
        self.node, self.index, self.requires_grad = node, index, True
        if self.retains and node is not None:
            node.retained = (*node.retained, (index, weakref.ref(self)))

    def share_history(self, other: Tensor) -> None:
        """Make this tensor the same result of the same op as another."""
        self.node, self.index, self.requires_grad = other.node, other.index, other.requires_grad

    def alias(self) -> Tensor:
        """Another tensor on the same memory and with the same history."""
        twin = Tensor(self.data, self._meta, self.storage)
        twin.base, twin.offset = self.base or self, self.offset
        twin.rebased = twin.base.rebased
        twin.share_history(self)
        return twin

    def detached(self, storage: Storage | None = None) -> Tensor:
        """Another tensor on the same memory, outside the graph."""
        apart = Tensor(self.data, self._meta, storage or self.storage)
        if self.base is not None:
            apart.base, apart.offset, apart.alone = self.base.detached(apart.storage), self.offset, True
        return apart


def count_writes(tensors: Iterable[Tensor]) -> None:
    """Count a write to each of these tensors."""
    for tensor in tensors:
        tensor.storage.version += 1


next_number = count(1).__next__


def last_number() -> int:
    """A number above those of all nodes so far and below those of all later nodes."""
    return next_number()


Edge = tuple[Any, int]
"""Where a gradient goes: to a node and the index of its result, or to a leaf tensor and -1."""


class Node:
    """One recorded op.

    `edges` has, per position of a tensor argument through which a gradient flows, its edge; for a list of tensors, a
    list of edges and None. `args` are the arguments, with the `Meta` in place of each tensor that no VJP reads. `held`
    is the storage that counts a large `aux`. `versions` are the saved tensors with their versions at the time.
    `retained` are the results that retain their gradient. `saves` tells whether something was saved: such a node can be
    visited once, unless the graph is retained. `tally` counts the nodes.
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
        """Drop what was saved, if anything was; a second backward pass through this node is then refused."""
        if not self.saves:
            return
        self.args = self.aux = self.held = self.outs = None
        self.versions = ()

    def all_edges(self) -> list[Edge]:
        """The edges, those of lists of tensors one by one."""
        found: list[Edge] = []
        for edges in self.edges.values():
            found.extend(e for e in edges if e is not None) if type(edges) is list else found.append(edges)
        return found


def edge_of(tensor: Tensor) -> Edge:
    """Where the gradient of this tensor goes."""
    return (tensor.node, tensor.index) if tensor.node is not None else (tensor, -1)
