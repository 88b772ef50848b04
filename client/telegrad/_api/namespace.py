"""The methods of `Tensor`, and the functions of the `torch` namespace, put together."""

from __future__ import annotations

from typing import Any, Final

from telegrad import autograd, random
from telegrad._runtime import defaults
from telegrad._tensor import Tensor

from . import creation, methods, operators, overloads
from .functions import FUNCTIONS, on

_SETTINGS: Final = "set_default_dtype get_default_dtype set_default_device get_default_device".split()
_DRAWS: Final = "rand randn randint randperm rand_like randn_like randint_like".split()

methods.attach()
operators.attach()
overloads.attach()
for _table in (creation.METHODS, random.METHODS, autograd.METHODS):
    for _name, _function in _table.items():
        setattr(Tensor, _name, _function)
for _name, _function in autograd.METHODS.items():
    _function.__name__, _function.__qualname__ = _name, f"Tensor.{_name}"  # what Python's errors call it

TORCH: Final[dict[str, Any]] = {
    **on("torch"),
    **overloads.TORCH,
    **{alias: FUNCTIONS[name] for alias, name in overloads.ALIASES.items()},
    **{name: getattr(creation, name) for name in creation.FACTORIES},
    **{name: getattr(random, name) for name in _DRAWS},
    **{name: getattr(defaults, name) for name in _SETTINGS},
}
"""The functions of the `torch` namespace; forms written by hand stand before declared ops of the same name."""
