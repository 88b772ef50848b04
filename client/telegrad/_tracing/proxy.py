"""The state of a proxy: its id on the server, metadata, aliases, and the leaves that it depends on."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from telegrad._stream.changes import Change
from telegrad_protocol.dtypes import FLOAT, DType
from telegrad_protocol.shapes import HasMeta, Meta

from .contents import forget
from .leaf_sets import Leaf, LeafSet, only, union


class Unresolved:
    """Stands for metadata that depends on values: fetched on first use, it takes this descriptor's place.

    A `__getattr__` would do the same, and double the cost of every attribute of every tensor.
    """

    def __get__(self, tensor: Any, owner: Any = None) -> Any:
        if tensor is None:
            return self
        tensor._meta = found = tensor._resolve_meta()
        return found


class OnDemand:
    """Stands for the values of a host tensor that are made on first use, and then take this descriptor's place."""

    def __get__(self, tensor: Any, owner: Any = None) -> Any:
        if tensor is None:
            return self
        make = tensor._make
        if make is None:
            return None
        tensor._host = found = make()
        tensor._make = None
        return found


class TensorBase(HasMeta):
    """The state of a proxy.

    Attributes are set on an instance only where they differ from these defaults, which keeps recording cheap.

    - `_id`: the id on the server, 0 while the values are on the host (`_host`, which `_make`, where it is set, makes on
      first use). `_source`: how the server makes, or has made, these values itself; None if they are uploaded.
    - `_meta`: absent while the shape depends on values that were not fetched; `_device_bits` then has the device.
    - `_leaves`: the leaves that gradients flow to; None if it does not require grad. `_mark`: has the hooks of a result.
    - `_base`, `_offset`: for a view, the tensor whose memory it shows and whose history it follows, and where.
      `_frozen`: why no in-place op may change the history of this view. `_renewed`: one has.
    - `_memory`: for a detached tensor, the one whose memory it shares without its history. `_aliases`: live tensors on
      the same memory, kept by the first. `_version`: in-place writes so far, kept by the first, or where `_own_version`
      says so by a detached tensor. `_inference`: its memory was made in inference mode.
    - `_known`: what was read of its memory since the last write, kept by the first. `_bulk_written`: rows that write to many
      tensors may write to its memory. `_stray`: the tensor that it names as the owner of its memory has other memory now.
    - `_free_now`: it holds, or may hold, so much memory that the server is told at once when it is freed.
    """

    proxy: ClassVar[type[TensorBase]]

    _meta: Meta = cast("Meta", Unresolved())
    _id: int = 0
    _leaves: LeafSet | None = None
    _leaf: Leaf | None = None
    _base: TensorBase | None = None
    _frozen: str | None = None
    _renewed: bool = False
    _mark: Leaf | None = None
    _memory: TensorBase | None = None
    _own_version: bool = False
    _offset: int = 0
    _aliases: list[weakref.ref[TensorBase]] | None = None
    _version: int = 0
    _fn: str | None = None
    _host: Any = OnDemand()
    _make: Callable[[], Any] | None = None
    _source: Any = None
    _device_bits: int = 0
    _free_now: bool = False
    _inference: bool = False
    _known: dict[int, Any] | None = None
    _bulk_written: bool = False
    _stray: bool = False

    @classmethod
    def make(cls, tensor_id: int, meta: Meta | None) -> TensorBase:
        """A proxy of the result that has this id."""
        result = object.__new__(cls.proxy)
        result._id = tensor_id
        if meta is None or meta.large:
            result._free_now = True
        if meta is not None:
            result._meta = meta
        return result

    if TYPE_CHECKING:  # what `Tensor` has, as far as the modules below it use it

        @property
        def device(self) -> Any: ...
        @property
        def dtype(self) -> DType: ...
        @property
        def ndim(self) -> int: ...
        def to(self, *args: Any, **kwargs: Any) -> Any: ...
        def _values(self) -> Any: ...

    def _resolve_meta(self) -> Meta:
        raise NotImplementedError

    def _upload(self) -> int:
        """Upload a tensor whose values are on the host; its id."""
        raise NotImplementedError

    def _server_id(self) -> int:
        """The id on the server, where a host tensor is uploaded first."""
        return self._id or self._upload()

    @property
    def device_bits(self) -> int:
        """The device, as row flags carry it; known also while the shape is not."""
        meta = self.__dict__.get("_meta")
        return self._device_bits if meta is None else int(meta.device_bits)

    @property
    def is_on_host(self) -> bool:
        """Whether the values are on the host; does not make them."""
        return not self._id and (self._make is not None or self.__dict__.get("_host") is not None)

    @property
    def base(self) -> TensorBase:
        """The tensor whose history this one's is part of: that which it is a view of, or itself."""
        return self if self._base is None else self._base

    @property
    def root(self) -> TensorBase:
        """The first tensor that had this one's memory."""
        base = self.base
        return base if base._memory is None else base._memory

    @property
    def counter(self) -> TensorBase:
        """The tensor that counts the writes to this one's memory."""
        base = self.base
        return base if base._own_version else self.root

    def _asks_requires_grad(self) -> bool:
        raise NotImplementedError

    def _requires_grad_now(self) -> bool:
        leaves = self._leaves
        return leaves is not None and (leaves.requires_grad or self._asks_requires_grad())

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad_now()

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self._fn is None or not self.requires_grad

    @property
    def is_leaf_with_grad(self) -> bool:
        """Whether it is a leaf that requires grad."""
        return self._leaves is not None and self._fn is None

    def add_alias(self, view: TensorBase) -> None:
        """Remember a view of this memory for as long as it lives."""
        aliases = self._aliases
        if aliases is None:
            self._aliases = aliases = []
        elif len(aliases) >= 64 and not len(aliases) & (len(aliases) - 1):  # prune whenever a power of two is reached
            aliases[:] = [alias for alias in aliases if alias() is not None]
        aliases.append(weakref.ref(view))

    def sharers(self) -> list[TensorBase]:
        """Every live tensor on the same memory, the first of them first."""
        root = self.root
        others = [alias() for alias in root._aliases or ()]
        return [root, *(other for other in others if other is not None)]

    def family(self) -> list[TensorBase]:
        """Every live tensor whose history is this one's: its base, and the views of that."""
        base = self.base
        return [tensor for tensor in self.sharers() if tensor.base is base]

    def written(self, leaves: LeafSet | None, fn: str) -> Change:
        """The change of an in-place write: a new version, and a new history for every tensor on this memory."""
        counter, version = self.counter, self.counter._version
        before = [(weakref.ref(t), t._leaves, t._fn) for t in self.family()] if leaves is not None else []

        def apply() -> None:
            counter._version = version + 1
            forget(self)
            for reference, _, _ in before:
                tensor = reference()
                if tensor is not None:
                    tensor._leaves, tensor._fn, tensor._renewed = leaves, fn, True
                    tensor._mark = None  # hooks stay with its old history
                    if tensor._leaf is not None and leaves is not None:  # it goes on keeping its gradient
                        tensor._leaf.moved = True
                        tensor._leaves = union(leaves, only(tensor._leaf))

        def undo() -> None:
            counter._version = version
            for reference, old_leaves, old_fn in before:
                tensor = reference()
                if tensor is not None:
                    tensor._leaves, tensor._fn = old_leaves, old_fn

        return Change(apply, undo)


def upload(tensor: TensorBase) -> int:
    """Upload a host tensor; its id."""
    return tensor._upload()


class OnHost(Exception):
    """Raised instead of an upload: the general path looks first whether the call can be done on the host."""


def upload_unless_on_host(tensor: TensorBase) -> int:
    """Upload a host tensor for an op that is also done on the host, on integers; its id."""
    if tensor._meta.dtype.category != FLOAT and not tensor._meta.large:
        raise OnHost
    return tensor._upload()
