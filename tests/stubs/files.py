"""Which stubs there are, and what each declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import telegrad
from telegrad import Generator, Tensor, functional, linalg, random
from telegrad._api import signatures as words
from telegrad.nn.modules import activation, loss
from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType

from .functions import Operator, as_method, define, of_function, operators
from .modules import modules
from .text import RESULT_CLASSES, Stub, docstring


def stubs() -> dict[str, str]:
    """Every stub by its path below the package."""
    return {
        "__init__.pyi": package(),
        "_api/declared.pyi": methods(),
        "functional.pyi": namespace(functional),
        "linalg.pyi": namespace(linalg),
        "nn/functional.pyi": alias(),
        "nn/modules/activation.pyi": modules(activation),
        "nn/modules/loss.pyi": modules(loss),
    }


def package() -> str:
    """`telegrad`: what other modules declare is imported, the rest is declared here."""
    # Out of the handlers that keep tracebacks short, functions say where they were written.
    scope = {
        name: inspect.unwrap(found) if callable(found := getattr(telegrad, name)) else found
        for name in telegrad.__all__
    }
    stub = Stub("telegrad", "`telegrad`, for type checkers.", scope)
    for name, value in scope.items():
        if isinstance(value, ModuleType):
            stub.imports.add(f"from . import {name} as {name}")
        elif isinstance(value, DType):
            stub.add(f"{name}: {stub.annotation('DType', vars(dtypes))}")
        elif isinstance(value, Generator | float | None):
            stub.add(f"{name}: {stub.annotation(_kind(value), vars(random))}")
        elif _is_written(value):
            _passed_on(stub, name, value)
        else:
            define(stub, name, of_function(value), value.__doc__)
    stub.add("__version__: str")
    return stub.finished()


def _is_made(value: Any) -> bool:
    """Whether a function was made by another, which gave it a name."""
    code = getattr(value, "__code__", None)
    return "<locals>" in (value.__qualname__ if code is None else code.co_qualname)


def _kind(value: Any) -> str:
    """The annotation of a constant."""
    return "Generator" if isinstance(value, Generator) else "None" if value is None else "float"


def _is_written(value: Any) -> bool:
    """Whether a checker finds this in the module that it says it comes from."""
    return isinstance(value, type) or (value.__module__ != "telegrad" and not _is_made(value))


def _passed_on(stub: Stub, name: str, value: Any) -> None:
    """Another module's definition; checkers take an import for public only where it keeps its name."""
    own = value.__qualname__
    stub.imports.add(f"from {value.__module__} import {own} as {own if own == name else f'_{own}'}")
    if own != name:
        stub.add(f"{name} = _{own}")


def namespace(module: ModuleType) -> str:
    """A module of functions, some of which are read off the op table."""
    scope = {name: getattr(module, name) for name in module.__all__ if isinstance(getattr(module, name), FunctionType)}
    scope = {name: value for name, value in scope.items() if _belongs(value, module)}
    stub = Stub(module.__name__, (module.__doc__ or "").strip(), scope)
    for name, value in scope.items():
        define(stub, name, of_function(value), value.__doc__)
    return stub.finished()


def _belongs(function: Callable[..., Any], module: ModuleType) -> bool:
    return function.__module__ in ("telegrad", module.__name__)


def alias() -> str:
    stub = Stub("telegrad.nn.functional", (functional.__doc__ or "").strip(), {})
    stub.imports.add("from telegrad.functional import *")
    return stub.finished()


def methods() -> str:
    """What `Tensor` inherits for a checker: the methods and operators that are attached to it at import."""
    found = dict(sorted((name, value) for name, value in vars(Tensor).items() if _is_attached(name, value)))
    stub = Stub("telegrad._api.declared", "Methods and operators of `Tensor`, and the results of several parts.", found)
    for name, parts in RESULT_CLASSES.items():
        stub.imports.add("from typing import NamedTuple")
        stub.add("\n".join([f"class {name}(NamedTuple):", *(f"    {part}: Tensor" for part in parts)]))
    stub.imports.add("from telegrad._tracing.proxy import TensorBase")
    stub.imports.add("from telegrad._tensor import Tensor")
    stub.add("class Declared(TensorBase):\n" + docstring("What `Tensor` has from the op table.", 1))
    for name, value in found.items():
        _method(stub, name, value)
    return stub.finished()


def _is_attached(name: str, value: Any) -> bool:
    function = value.fget if isinstance(value, property) else value
    if name == "__del__":
        return False
    return isinstance(function, FunctionType) and function.__module__ not in ("telegrad._tensor", "abc")


def _method(stub: Stub, name: str, value: Any) -> None:
    operator = operators().get(name)
    if isinstance(value, property):
        stub.add("@property", 1)
        define(stub, name, as_method(of_function(value.fget), inplace=False), value.fget.__doc__, indent=1)
    elif operator is not None:
        _operator(stub, name, operator)
    else:
        inplace = name.endswith("_") and not name.endswith("__")
        define(stub, name, as_method(of_function(value), inplace=inplace), value.__doc__, indent=1)


def _operator(stub: Stub, name: str, operator: Operator) -> None:
    other = f", other: {stub.annotation(operator.operand, vars(words))}" if operator.operand else ""
    stub.add(f"def {name}(self{other}) -> {stub.annotation(operator.result, vars(words))}: ...{operator.note}", 1)
