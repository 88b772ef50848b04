"""What a proxy knows by itself: its name on the server, metadata, aliases, and which leaves it depends on."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from telegrad_protocol.shapes import HasMeta, Meta


class Leaf:
    """The gradient state of a leaf, or of a result that retains its gradient.

    `has_grad` follows what `backward` and `zero_grad` do; `grad` is the proxy of the gradient once somebody asked.
    `passing`: made for one forward pass, so that no set of leaves that is remembered may have it.
    """

    passing: ClassVar[bool] = False

    __slots__ = ("__weakref__", "grad", "has_grad", "owner")

    def __init__(self, owner: TensorBase) -> None:
        # Sets of leaves are remembered longer than the tensor lives; its gradient must not be.
        self.owner = weakref.ref(owner, self._let_go)
        self.has_grad = False
        self.grad: Any = None

    def _let_go(self, _: Any) -> None:
        self.grad = None


class Unresolved:
    """Stands for metadata that depends on values: fetched on first use, it takes this descriptor's place.

    A `__getattr__` would do the same, and double the cost of every attribute of every tensor.
    """

    def __get__(self, tensor: Any, owner: Any = None) -> Any:
        if tensor is None:
            return self
        tensor._meta = found = tensor._resolve_meta()
        return found


class TensorBase(HasMeta):
    """The state of a proxy.

    Attributes are set on an instance only where they differ from these defaults, which keeps recording cheap.
    `_id`: the name on the server, 0 while the values are on the host (`_host`). `_meta`: absent while the shape
    depends on values that nobody has asked for. `_leaves`: what gradients flow to; None if it does not require
    grad. `_base`, `_offset`: for a view, the tensor whose memory it shows, and where. `_aliases`: the live views of
    a base. `_version`: in-place writes so far, kept by the base. `_place`: the device's, where there is no `_meta`.
    `_pressing`: it holds, or may hold, so much memory that the server is told at once when it is freed.
    """

    proxy: ClassVar[type[TensorBase]]

    _meta: Meta = cast("Meta", Unresolved())
    _id: int = 0
    _leaves: frozenset[Leaf] | None = None
    _leaf: Leaf | None = None
    _base: TensorBase | None = None
    _offset: int = 0
    _aliases: list[weakref.ref[TensorBase]] | None = None
    _version: int = 0
    _fn: str | None = None
    _host: Any = None
    _place: int = 0
    _pressing: bool = False

    @classmethod
    def make(cls, name: int, meta: Meta | None) -> TensorBase:
        """A proxy of the result that carries this name."""
        result = object.__new__(cls.proxy)
        result._id = name
        if meta is None or meta.large:
            result._pressing = True
        if meta is not None:
            result._meta = meta
        return result

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Methods are read off the table of ops, which the type checker cannot do."""

    def _resolve_meta(self) -> Meta:
        raise NotImplementedError

    def _send(self) -> int:
        raise NotImplementedError

    def _send_once(self) -> int:
        """The name on the server; values that are still on the host leave it now."""
        return self._id or self._send()

    @property
    def place(self) -> int:
        """The place of the device, as row flags carry it; known also while the shape is not."""
        meta = self.__dict__.get("_meta")
        return self._place if meta is None else int(meta.place)

    @property
    def root(self) -> TensorBase:
        """The tensor whose memory this one shows: its base, or itself."""
        return self if self._base is None else self._base

    @property
    def requires_grad(self) -> bool:
        return self._leaves is not None

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self._leaves is None or (self._leaf is not None and self._fn is None)

    def add_alias(self, view: TensorBase) -> None:
        """Remember a view of this memory for as long as it lives."""
        aliases = self._aliases
        if aliases is None:
            self._aliases = aliases = []
        elif len(aliases) >= 64 and not len(aliases) & (len(aliases) - 1):  # prune whenever a power of two is reached
            aliases[:] = [alias for alias in aliases if alias() is not None]
        aliases.append(weakref.ref(view))

    def family(self) -> list[TensorBase]:
        """Every live tensor on the same memory, the base first."""
        base = self.root
        views = [alias() for alias in base._aliases or ()]
        return [base, *(view for view in views if view is not None)]

    def written(self, leaves: frozenset[Leaf] | None, fn: str) -> Callable[[], None]:
        """Follow an in-place write: a new version, and the history that everybody on this memory now has.

        Returns what takes it back.
        """
        base = self.root
        before = [(weakref.ref(t), t._leaves, t._fn) for t in self.family()] if leaves is not None else []
        base._version += 1
        for reference, _, _ in before:
            tensor = reference()
            if tensor is not None:
                tensor._leaves, tensor._fn = leaves, fn

        def undo() -> None:
            base._version -= 1
            for reference, old_leaves, old_fn in before:
                tensor = reference()
                if tensor is not None:
                    tensor._leaves, tensor._fn = old_leaves, old_fn

        return undo
