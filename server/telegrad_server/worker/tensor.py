"""The server's tensor: an array on the device, its metadata, and its place in the autograd graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telegrad_protocol.shapes import HasMeta, Meta

if TYPE_CHECKING:
    from .memory import Budget
    from .tape import Node


class Storage:
    """The memory that a tensor and its views share: its size in bytes, its version, and who reads it now.

    `version` counts in-place writes; `graph` counts those that changed the autograd history, so that a view knows
    when its own has to be made anew. `pins` are the reads whose bytes have not left yet.
    """

    version = 0
    graph = 0
    nbytes = 0
    pins: tuple[Any, ...] = ()

    def __init__(self, nbytes: int, budget: Budget) -> None:
        budget.take(nbytes)
        self.nbytes = nbytes
        self.budget = budget

    def __del__(self) -> None:
        if self.nbytes:  # 0 also where it was refused
            self.budget.give(self.nbytes)


class Tensor(HasMeta):
    """`data` is an array of the backend with `_meta`'s shape and dtype.

    `node` and `index` say which result of which recorded op this is; None for a leaf. A view knows its `base`, the
    contiguous tensor that owns the memory, and its `offset` there in elements; `graph` is the storage's at the time
    when its node was made.
    """

    # Set on an instance only where they differ from these, which keeps making a tensor cheap.
    node: Node | None = None
    index = 0
    requires_grad = False
    grad: Tensor | None = None
    base: Tensor | None = None
    offset = 0
    graph = 0

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

    def alias(self) -> Tensor:
        """Another tensor on the same memory, outside the graph."""
        twin = Tensor(self.data, self._meta, self.storage)
        twin.base, twin.offset = self.base or self, self.offset
        twin.graph = self.storage.graph
        return twin
