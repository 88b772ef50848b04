"""Tensors that a module owns."""

from __future__ import annotations

from typing import Any

from telegrad._tensor import Tensor


class Parameter(Tensor):
    """A tensor that a module learns: assigned to an attribute, it appears among the module's parameters."""

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        from telegrad._creation import empty

        source = empty(0) if data is None else data
        made: Any = source.detach()
        made.__class__ = cls
        if requires_grad:
            made.requires_grad_()
        return made

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        pass

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that belongs to a module's state without being learned."""

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        from telegrad._creation import empty

        made: Any = (empty(0) if data is None else data).detach()
        made.__class__ = cls
        made.persistent = persistent
        return made

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        pass
