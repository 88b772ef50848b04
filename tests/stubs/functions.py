"""Functions as a stub declares them: declared ops by their specs, the others by their signatures and overloads."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple, get_overloads

from telegrad._api import operators as operator_table
from telegrad._api import signatures as words
from telegrad_protocol.spec import OPS, OpSpec, Param

from .text import Stub, docstring, result_class

EMPTY = inspect.Parameter.empty
POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
VARIADIC, KEYWORDS = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


class Form(NamedTuple):
    """One way to call a function: its parameters, with annotations as written in `home`, and its result."""

    params: list[inspect.Parameter]
    result: str
    home: dict[str, Any]


# From the op table ------------------------------------------------------------------------------------------------


def _parameter(param: Param) -> inspect.Parameter:
    kind = KEYWORD if param.keyword_only else POSITIONAL
    default = EMPTY if param.required else param.default
    return inspect.Parameter(param.name, kind, default=default, annotation=param.kind.typed)


def _result(spec: OpSpec) -> str:
    if spec.returns is None:
        return "tuple[Tensor, ...]"
    return "Tensor" if spec.returns == ("out",) else result_class(spec.returns)


def of_spec(spec: OpSpec) -> list[Form]:
    """How a declared op is called."""
    return [Form([_parameter(param) for param in spec.params], _result(spec), vars(words))]


def _one_by_one(spec: OpSpec) -> list[Form]:
    """How a method is called whose sizes may be given one by one."""
    first, sizes = (_parameter(param) for param in spec.params)
    spread = inspect.Parameter(sizes.name, VARIADIC, annotation="int")
    together = sizes.replace(annotation="Sequence[int]")
    return [Form([first, spread], "Tensor", vars(words)), Form([first, together], "Tensor", vars(words))]


# From functions ---------------------------------------------------------------------------------------------------


def of_function(function: Callable[..., Any]) -> list[Form]:
    """How any function of the package is called."""
    function = inspect.unwrap(function)  # of the handler that keeps tracebacks short
    if function.__module__ == "telegrad":  # recording's generated function of a declared op
        return of_spec(OPS[function.__name__.removesuffix("_") if function.__name__ not in OPS else function.__name__])
    if function.__qualname__.startswith("_spread."):
        return _one_by_one(OPS[function.__name__])
    maker = _maker(function)
    if maker is not None:
        declared = getattr(words, inspect.signature(maker).return_annotation, None)
        if declared is not None:
            called = SimpleNamespace(__module__=declared.__module__, __qualname__=f"{declared.__name__}.__call__")
            return [_without_first(_form(f)) for f in get_overloads(called) or [declared.__call__]]  # type: ignore
    return [_form(f) for f in get_overloads(function) or [function]]


def _maker(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function of a module inside which this one was made."""
    outer, inside, _ = function.__code__.co_qualname.partition(".<locals>.")
    return getattr(sys.modules[function.__module__], outer) if inside else None


def _form(function: Callable[..., Any]) -> Form:
    signature = inspect.signature(function)
    params = list(signature.parameters.values())
    if _passes_on(function, params):
        declared = of_spec(OPS[function.__name__])[0]
        names = {param.name for param in declared.params}
        own = [p for p in params if p.kind is KEYWORD and p.name not in names]
        return declared._replace(params=[*declared.params, *own])
    for param in params:
        if param.annotation is EMPTY and param.name != "self":
            raise TypeError(f"{function.__module__}.{function.__qualname__}: {param.name} has no annotation")
    return Form(params, str(signature.return_annotation), _home(function))


def _passes_on(function: Callable[..., Any], params: list[inspect.Parameter]) -> bool:
    """Whether all arguments go on, as they are, to the declared op of the same name."""
    return function.__name__ in OPS and {VARIADIC, KEYWORDS} <= {param.kind for param in params}


def _home(function: Callable[..., Any]) -> dict[str, Any]:
    return getattr(function, "__globals__", {})


def _without_first(form: Form) -> Form:
    return form._replace(params=form.params[1:])


# As text ----------------------------------------------------------------------------------------------------------


def define(stub: Stub, name: str, forms: list[Form], doc: str | None, *, indent: int = 0, note: str = "") -> None:
    """Declare a function, with an overload for each of its forms."""
    for number, form in enumerate(forms):
        if len(forms) > 1:
            stub.imports.add("from typing import overload")
            stub.add("@overload", indent)
        result = stub.annotation(form.result, form.home)
        head = f"def {name}({', '.join(_words(stub, form))}) -> {result}:"
        text = docstring((doc or "").partition("\n\nSignature: ")[0], indent + 1) if number == 0 else ""
        stub.add(f"{head}{note}" + ("\n" + text.rstrip("\n") if text else " ..."), indent)


def _words(stub: Stub, form: Form) -> Iterable[str]:
    before: Any = None
    for param in form.params:
        if before is inspect.Parameter.POSITIONAL_ONLY and param.kind is not before:
            yield "/"
        if param.kind is KEYWORD and before not in (KEYWORD, VARIADIC):
            yield "*"
        before = param.kind
        yield _word(stub, form, param)
    if before is inspect.Parameter.POSITIONAL_ONLY:
        yield "/"


def _word(stub: Stub, form: Form, param: inspect.Parameter) -> str:
    stars = {VARIADIC: "*", KEYWORDS: "**"}.get(param.kind, "")
    if param.annotation is EMPTY:
        return f"{stars}{param.name}"
    optional = " | None" if param.default is None and "None" not in param.annotation else ""
    annotation = stub.annotation(str(param.annotation) + optional, form.home)
    default = "" if param.default is EMPTY else f" = {_value(param.default)}"
    return f"{stars}{param.name}: {annotation}{default}"


def _value(default: Any) -> str:
    plain = default is None or isinstance(default, bool | int | float | str) or default == ()
    return repr(default) if plain and default not in (float("inf"), -float("inf")) else "..."


# As methods -------------------------------------------------------------------------------------------------------


def as_method(forms: list[Form], *, inplace: bool) -> list[Form]:
    """The first argument is the tensor itself, which is also what a method in place gives back."""
    own = inspect.Parameter("self", POSITIONAL)
    result = {"result": "Self"} if inplace else {}
    return [form._replace(params=[own, *form.params[1:]], **result) for form in forms]


class Operator(NamedTuple):
    """One of Python's operators: what it takes (nothing, if unary), what it gives, what mypy must overlook."""

    operand: str
    result: str = "Tensor"
    note: str = ""


def operators() -> dict[str, Operator]:
    """Python's operators of `Tensor`."""
    found: dict[str, Operator] = {}
    for word, name in operator_table.BINARY.items():
        operand = "Operand" if OPS[name].params[1].kind.takes_numbers else "Tensor"
        found[f"__{word}__"] = found[f"__r{word}__"] = Operator(operand)
        if OPS[name].inplace:
            found[f"__i{word}__"] = Operator(operand, "Self")
    for word in operator_table.COMPARE:
        if word in ("eq", "ne"):
            found[f"__{word}__"] = Operator("object", note="  # type: ignore[override]")
        else:  # beside an array of anything, mypy cannot tell whose operator counts
            found[f"__{word}__"] = Operator("Operand", note="  # type: ignore[misc]")
    for word in operator_table.UNARY:
        found[f"__{word}__"] = Operator("")
    return found
