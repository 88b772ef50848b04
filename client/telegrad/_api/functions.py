"""Every declared op as a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from telegrad import _tensor as _tensor  # binders make proxies of its class
from telegrad._tracing.binders import binder
from telegrad_protocol.spec import OPS

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {name: binder(spec) for name, spec in OPS.items() if not spec.control}
"""The declared ops by name; overloads are in `functional` and `overloads`."""


def on(namespace: str) -> dict[str, Callable[..., Any]]:
    """The functions that PyTorch has in a namespace: "torch", "functional", "linalg", ..."""
    return {name: FUNCTIONS[name] for name, spec in OPS.items() if namespace in spec.on}
