"""Handles of hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class RemovableHandle:
    """Takes a hook away again.

    >>> import telegrad as tg
    >>> x = tg.ones(2, requires_grad=True)
    >>> with x.register_hook(lambda g: g * 2):
    ...     x.sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    _next: ClassVar[int] = 0

    def __init__(self, hooks: dict[int, Callable[..., Any]]) -> None:
        self._hooks = hooks
        self.id = RemovableHandle._next
        RemovableHandle._next += 1

    def remove(self) -> None:
        """Forget the hook."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
