"""Puts the pieces together: what `Tensor` has as methods, and what the `torch` namespace has as functions."""

from __future__ import annotations

from typing import Any, Final

from telegrad import random
from telegrad._tensor import Tensor

from . import creation, methods, overloads
from .methods import FUNCTIONS

_DRAWS: Final = "rand randn randint randperm rand_like randn_like randint_like".split()

overloads.attach()
for _table in (creation.METHODS, random.METHODS):
    for _name, _function in _table.items():
        setattr(Tensor, _name, _function)

TORCH: Final[dict[str, Any]] = {
    **methods.on("torch"),
    **overloads.TORCH,
    **{alias: FUNCTIONS[name] for alias, name in overloads.ALIASES.items() if name in FUNCTIONS},
    **{name: getattr(creation, name) for name in creation.FACTORIES},
    **{name: getattr(random, name) for name in _DRAWS},
}
"""The functions of the `torch` namespace; forms written by hand stand before declared ops of the same name."""
