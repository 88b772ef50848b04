"""Puts the pieces together: what `Tensor` has as methods, and what the `torch` namespace has as functions."""

from __future__ import annotations

from typing import Any, Final

from . import _composites, _creation, _ops, random
from ._ops import FUNCTIONS
from ._tensor import Tensor

_DRAWS: Final = "rand randn randint randperm rand_like randn_like randint_like".split()

_composites.attach()
for _table in (_creation.METHODS, random.METHODS):
    for _name, _function in _table.items():
        setattr(Tensor, _name, _function)

TORCH: Final[dict[str, Any]] = {
    **_ops.on("torch"),
    **_composites.TORCH,
    **{alias: FUNCTIONS[name] for alias, name in _composites.ALIASES.items()},
    **{name: getattr(_creation, name) for name in _creation.FACTORIES},
    **{name: getattr(random, name) for name in _DRAWS},
}
"""The functions of the `torch` namespace; forms written by hand stand before declared ops of the same name."""
