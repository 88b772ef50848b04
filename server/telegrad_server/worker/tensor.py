"""The server's tensor: an array on the device, its metadata, and its place in the autograd graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telegrad_protocol.shapes import HasMeta, Meta

if TYPE_CHECKING:
    from .engine.tape import Node
    from .memory import Budget


class Storage:
    """The memory that a tensor and its views share: its size in bytes, its version, and who reads it now.

    `version` counts in-place writes. `pins` are the reads whose bytes have not left yet. `owner`: the storage whose
    memory this is, where only the version is its own.
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
        if self.nbytes:  # 0 also where it was refused
            self.budget.give(self.nbytes)

    @property
    def memory(self) -> Storage:
        """The storage that counts the bytes and knows who reads them."""
        return self.owner or self

    def apart(self, version: int = 0) -> Storage:
        """The same memory with a version of its own: writes through it are not seen by what autograd saved."""
        made = Storage.__new__(Storage)
        made.owner, made.version = self.memory, version
        return made


class Tensor(HasMeta):
    """`data` is an array of the backend with `_meta`'s shape and dtype.

    `node` and `index` say which result of which recorded op this is; None for a leaf. A view knows its `base`, the
    contiguous tensor that owns the memory, and its `offset` there in elements. `rebased` counts, on a base, how often an
    in-place op gave it a new history; on a view it is the base's count when the view's own node was made. `origin`: the
    tensor that a view was taken of, directly or through other views, where that is not the base but itself a detached
    view. `frozen`: why no in-place op may give this view a new history. `alone`: a view of memory, of no history but its own.
    `retains`: it keeps its gradient.
    """

    # Set on an instance only where they differ from these, which keeps making a tensor cheap.
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
        """Whether this is still that node's result: no in-place op has given it, or its base, another history."""
        return self.node is node and (self.base is None or self.rebased == self.base.rebased)

    def alias(self) -> Tensor:
        """Another tensor on the same memory and with the same history."""
        twin = Tensor(self.data, self._meta, self.storage)
        twin.base, twin.offset = self.base or self, self.offset
        twin.rebased = twin.base.rebased
        twin.node, twin.index, twin.requires_grad = self.node, self.index, self.requires_grad
        return twin

    def detached(self, storage: Storage | None = None) -> Tensor:
        """Another tensor on the same memory, outside the graph, whatever becomes of this one's history."""
        apart = Tensor(self.data, self._meta, storage or self.storage)
        if self.base is not None:
            apart.base, apart.offset, apart.alone = self.base.detached(apart.storage), self.offset, True
        return apart
