"""Modules of layers that are made from a table: each class with its options as the function declares them."""

from __future__ import annotations

import inspect
from types import FunctionType, ModuleType
from typing import Any

from telegrad import functional
from telegrad.nn import Module

from .functions import EMPTY, POSITIONAL, Form, define, of_function
from .text import Stub, docstring


def modules(module: ModuleType) -> str:
    """A module whose classes are mostly made."""
    scope = {n: c for n, c in vars(module).items() if isinstance(c, type) and c.__module__ == module.__name__}
    stub = Stub(module.__name__, (module.__doc__ or "").strip(), scope)
    for name, found in scope.items():
        base = stub.annotation(found.__bases__[0].__name__, vars(module))
        stub.add(f"class {name}({base}):\n" + docstring(found.__doc__, 1).rstrip("\n"))
        if found.__dict__.get("options"):
            _made(stub, found)
        else:
            _written(stub, found)
    return stub.finished()


def _made(stub: Stub, found: Any) -> None:
    """A class with options, of the types that its function declares."""
    form = of_function(getattr(functional, found.function))[0]
    types = {param.name: str(param.annotation) for param in form.params}
    types |= dict.fromkeys(("size_average", "reduce"), "bool | None")  # what `reduction` was before
    own = inspect.Parameter("self", POSITIONAL)
    params = [
        inspect.Parameter(name, POSITIONAL, default=default, annotation=types[name])
        for name, default in found.options.items()
    ]
    for param in params:
        stub.add(f"{param.name}: {stub.annotation(param.annotation, form.home)}", 1)
    define(stub, "__init__", [Form([own, *params], "None", form.home)], None, indent=1)
    inputs = [p for p in form.params if p.default is EMPTY and p.name not in found.options]
    define(stub, "forward", [Form([own, *inputs], "Tensor", form.home)], None, indent=1)


def _written(stub: Stub, found: type) -> None:
    """A class as it is written: its annotated attributes and its methods."""
    home = vars(inspect.getmodule(found))
    for name, annotation in inspect.get_annotations(found).items():
        stub.add(f"{name}: {stub.annotation(annotation, home)}", 1)
    for name, value in vars(found).items():
        if isinstance(value, FunctionType) and hasattr(Module, name):
            define(stub, name, of_function(value), value.__doc__, indent=1)
