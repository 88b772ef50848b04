"""Tensors that a module owns."""

from __future__ import annotations

from typing import Any, Self

from telegrad._tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that a module learns: assigned to an attribute, it appears among the module's parameters."""

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Self:
        from telegrad._api.creation import empty, finish

        source = empty(0) if data is None else data
        made: Any = source.detach()
        made.__class__ = cls
        finish(made, requires_grad)
        return made  # type: ignore[no-any-return]

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        pass

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that belongs to a module's state without being learned."""

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Self:
        from telegrad._api.creation import empty

        made: Any = (empty(0) if data is None else data).detach()
        made.__class__ = cls
        made.persistent = persistent
        return made  # type: ignore[no-any-return]

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        pass
