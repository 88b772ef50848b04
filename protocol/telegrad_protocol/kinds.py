"""Kinds of arguments: how each is checked, keyed, sent, fetched, read from JSON and written in documentation.

A declaration annotates every argument; each annotation has one `Kind`, and only this file reads annotations: other
modules ask the kind.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from .devices import canonical
from .dtypes import BY_NAME, PYTHON, DType
from .shapes import HasMeta


class Role(Enum):
    """The role of an argument in a call."""

    TENSOR = "a tensor"
    OPERAND = "a tensor or a number"
    TENSORS = "a list of tensors"
    IDS = "tensors by their ids, where some need not exist"
    GENERATOR = "a random number generator"
    DEVICE = "a device"
    DTYPE = "a dtype"
    SIZE = "sizes, which a method also takes one by one"
    NUMBER = "a number"
    NUMBERS = "a list of numbers"
    OTHER = "anything else"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of argument, and the code that handles it.

    Sources are templates of Python code: {0} stands for the argument's name. A source that is None leaves the call to
    the general path.
    """

    annotation: str
    convert: Callable[[Any], Any]
    """Checks a value and gives its wire form. Raises TypeError, ValueError or OverflowError."""
    role: Role = Role.OTHER
    key_source: str = "{0}"
    """The argument's part of the memo key. {is_tensor} tells whether it is a tensor."""
    wire_source: str | None = "{0}"
    """Its wire form in the client's binder, where `is_x` tells whether operand `x` is a tensor."""
    fetch_source: str | None = None
    """Statements of the server's generated row function, for a tensor: from the wire form `a_x` they set the tensor
    `t_x`, its part of the key `k_x` and its array `v_x`."""
    check_source: str = "True"
    """Whether a value has the wire form. The key cannot tell: 1.0 equals 1. It calls the functions of `CHECKS`."""
    present_source: str = ""
    """Whether a tensor was given, in the client's binder; empty where one always is."""
    to_rule: Callable[[Any], Any] = lambda value: value
    """Converts the wire form for shape rules."""
    decode: Callable[[Any], Any] | None = None
    """Converts the wire form for the engine, where the two differ."""
    schema: dict[str, Any] | None = None
    """JSON schema of the argument in the REST interface."""
    optional: bool = False
    """None may be given."""
    optional_items: bool = False
    """A list may contain None."""
    holds_tensors: bool = field(init=False)

    def __post_init__(self) -> None:
        holds_tensors = self.role in (Role.TENSOR, Role.OPERAND, Role.TENSORS)
        object.__setattr__(self, "holds_tensors", holds_tensors)

    @property
    def takes_numbers(self) -> bool:
        """Numbers may be given, which JSON writes as strings where they are not finite."""
        return self.role in (Role.OPERAND, Role.NUMBER, Role.NUMBERS)

    @property
    def shown(self) -> str:
        """The annotation in documentation: without the words that only say how calls are remembered."""
        return self.annotation.replace("Checked", "float").replace("OpenSize", "Size")

    @property
    def typed(self) -> str:
        """The annotation in type stubs, in the words of their module for types."""
        return re.sub(r"\w+", lambda word: _TYPED.get(word[0], word[0]), self.annotation)

    @property
    def wanted(self) -> str:
        """The annotation in PyTorch's error messages."""
        return _WANTED.get(self.shown.removesuffix(" | None"), self.shown)

    def key(self, name: str, is_tensor: str = "isinstance({0}, HasMeta)") -> str:
        """The source of the key's part for the argument called `name`."""
        return self.key_source.format(name, is_tensor=is_tensor.format(name))

    def check(self, value: Any) -> bool:
        """Whether a value that is no tensor has the wire form. Generated functions inline `check_source` instead."""
        return bool(eval(self.check_source.format("value"), {**CHECKS, "value": value}))


_WANTED: Final = {
    "Size": "tuple of ints",
    "Dims": "int or tuple of ints",
    "int | Size": "int or tuple of ints",
    "Value": "Number",
    "DType": "torch.dtype",
    "Device": "torch.device",
    "Tensor": "Tensor",
}

_TYPED: Final = {
    "Size": "Sizes",
    "OpenSize": "Sizes",
    "Dims": "Sizes | None",
    "Value": "Number",
    "Checked": "float",
    "Index": "Any",
    "Device": "DeviceLike",
    "list": "Sequence",
}


# Conversion and checks --------------------------------------------------------------------------------------------


def _is_tensor(value: Any) -> bool:
    return isinstance(value, HasMeta)


def _tensor(value: Any) -> Any:
    if _is_tensor(value):
        return value
    raise TypeError


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _operand(value: Any) -> Any:
    return value if _is_tensor(value) else _number(value)


def _tensors(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise TypeError
        return tuple(convert(item) for item in value)

    return convert_all


def _integer(value: Any) -> int:
    # PyTorch accepts True as an int, never a float.
    return operator.index(value)


def _float(value: Any) -> float:
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise TypeError
    return float(value)


def _number(value: Any) -> bool | int | float:
    if isinstance(value, bool | int | float):
        return value if type(value) in (bool, int, float) else _plain(value)
    if hasattr(value, "dtype") and hasattr(value, "item"):  # a NumPy scalar
        return _number(value.item())
    if hasattr(type(value), "plain_number"):  # one that is on its way
        return _number(value.plain_number())
    raise TypeError


def _plain(value: Any) -> bool | int | float:
    return int(value) if isinstance(value, int) else float(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool | int) or type(value).__name__ == "bool":
        return bool(value)
    raise TypeError


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _integers(value: Any) -> tuple[int, ...]:
    if isinstance(value, list | tuple):
        return tuple([int(operator.index(item)) for item in value])
    return (int(operator.index(value)),)


def _integer_or_integers(value: Any) -> int | tuple[int, ...]:
    return _integers(value) if isinstance(value, list | tuple) else operator.index(value)


def _open_integers(value: Any) -> int | tuple[int | None, ...]:
    if isinstance(value, list | tuple):
        return tuple([None if item is None else operator.index(item) for item in value])
    return operator.index(value)


def _integers_or_word(value: Any) -> tuple[int, ...] | str:
    return value if isinstance(value, str) else _integers(value)


def _numbers(value: Any) -> tuple[float, ...]:
    if isinstance(value, list | tuple):
        return tuple([_number(item) for item in value])
    raise TypeError


def _dtype(value: Any) -> DType:
    if isinstance(value, DType):
        return value
    if isinstance(value, type) and value in PYTHON:
        return PYTHON[value]
    if not isinstance(value, str):
        raise TypeError
    if value not in BY_NAME:
        raise TypeError(f"there is no dtype '{value[:50]}', but {', '.join(sorted(BY_NAME))}")
    return BY_NAME[value]


def _device(value: Any) -> str:
    return canonical(_string(value))


def _generator(value: Any) -> Any:
    if isinstance(value, str | bytes | float | list | tuple):
        raise TypeError
    return value


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    raise TypeError


def _index(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple([_index_item(item) for item in value])
    raise TypeError


def _index_item(item: Any) -> Any:
    """One item of a basic index: None (a new axis), an int, or [start, stop, step] with None for "open"."""
    if item is None:
        return None
    if isinstance(item, list | tuple):
        start, stop, step = item
        return tuple([None if bound is None else operator.index(bound) for bound in (start, stop, step)])
    return operator.index(item)


def are_integers(value: Any) -> bool:
    """Whether a value has the wire form of several integers."""
    if type(value) is not tuple:
        return False
    for item in value:  # noqa: SIM110 (runs for almost every row; a loop is fastest for few items)
        if type(item) is not int:
            return False
    return True


def are_open_integers(value: Any) -> bool:
    """Whether a value has the wire form of sizes of which some are left open."""
    return type(value) is tuple and {int, bool, type(None)}.issuperset(map(type, value))


def are_numbers(value: Any) -> bool:
    """Whether a value has the wire form of several numbers."""
    return type(value) is tuple and {int, bool, float}.issuperset(map(type, value))


def is_index(value: Any) -> bool:
    """Whether a value has the wire form of a basic index."""
    if type(value) is not tuple:
        return False
    for item in value:  # noqa: SIM110
        if type(item) is not int and item is not None and not _is_slice(item):
            return False
    return True


def _is_slice(item: Any) -> bool:
    if type(item) is not tuple or len(item) != 3:
        return type(item) is bool
    start, stop, step = item
    return (
        (start is None or type(start) is int)
        and (stop is None or type(stop) is int)
        and (step is None or type(step) is int)
    )


CHECKS: Final = {
    "are_integers": are_integers,
    "are_open_integers": are_open_integers,
    "are_numbers": are_numbers,
    "is_index": is_index,
}
"""The functions that `Kind.check_source` calls."""


# The table --------------------------------------------------------------------------------------------------------

_INT: Final = "type({0}) in (int, bool)"
_NUM: Final = "type({0}) in (float, int, bool)"
_STR: Final = "type({0}) is str"
_INTS: Final = "are_integers({0})"


def _meta_or_value(value: Any) -> Any:
    return value._meta if _is_tensor(value) else value


def _metas(value: Any) -> Any:
    return tuple([None if item is None else item._meta for item in value])


_TENSOR: Final = {"type": "string", "pattern": "^t[0-9]+$"}
_NUMBER: Final = {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"enum": ["nan", "inf", "-inf"]}]}
_INTEGER: Final = {"type": "integer"}
_INTEGERS: Final = {"type": "array", "items": {"type": "integer"}}
_INTEGER_OR_INTEGERS: Final = {"anyOf": [_INTEGER, _INTEGERS]}
_OPEN_INTEGERS: Final = {"type": "array", "items": {"anyOf": [_INTEGER, {"type": "null"}]}}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_FETCH: Final = """\
        if type(a_{0}) is not int:  # 1.0 and True would be found as 1
            return execute_any(session, row)
        t_{0} = tensors[a_{0}]
        k_{0}, v_{0} = t_{0}._meta, t_{0}.data
"""

_FETCH_OPTIONAL: Final = """\
        if a_{0} is None:
            t_{0} = k_{0} = v_{0} = None
        elif type(a_{0}) is not int:
            return execute_any(session, row)
        else:
            t_{0} = tensors[a_{0}]
            k_{0}, v_{0} = t_{0}._meta, t_{0}.data
"""

_FETCH_OPERAND: Final = """\
        if type(a_{0}) is int:
            t_{0} = tensors[a_{0}]
            k_{0}, v_{0} = t_{0}._meta, t_{0}.data
        elif type(a_{0}) is tuple:
            (t_{0},) = a_{0}
            k_{0}, v_{0} = type(t_{0}), t_{0}
        else:
            return execute_any(session, row)
"""


def _optional_kind(kind: Kind, **changes: Any) -> Kind:
    """The kind of an argument that may also be None."""
    annotation = f"{kind.annotation} | None"
    check = "True" if kind.check_source == "True" else f"({{0}} is None or {kind.check_source})"
    schema = None if kind.schema is None else _nullable(kind.schema)
    changes = {"schema": schema, "check_source": check, "decode": kind.decode and _optional(kind.decode), **changes}
    return replace(kind, annotation=annotation, convert=_optional(kind.convert), optional=True, **changes)


_tensor_kind: Final = Kind(
    "Tensor",
    _tensor,
    Role.TENSOR,
    key_source="{0}._meta",
    wire_source="({0}._id or upload({0}))",
    fetch_source=_FETCH,
    to_rule=_meta_or_value,
    schema=_TENSOR,
)
_operand_kind: Final = Kind(
    "Tensor | Number",
    _operand,
    Role.OPERAND,
    key_source="({0}._meta if {is_tensor} else {0}.__class__)",
    wire_source="(({0}._id or upload({0})) if is_{0} else ({0},))",
    fetch_source=_FETCH_OPERAND,
    present_source="is_{0}",
    to_rule=_meta_or_value,
    schema={"anyOf": [_TENSOR, _NUMBER]},
)

_OF_TENSORS: Final = (
    _tensor_kind,
    _optional_kind(
        _tensor_kind,
        key_source="(None if {0} is None else {0}._meta)",
        wire_source="(None if {0} is None else {0}._id or upload({0}))",
        fetch_source=_FETCH_OPTIONAL,
        present_source="{0} is not None",
    ),
    _operand_kind,
    _optional_kind(
        _operand_kind,
        wire_source="(({0}._id or upload({0})) if is_{0} else None if {0} is None else ({0},))",
        fetch_source=None,
    ),
    Kind(
        "list[Tensor]",
        _tensors(_tensor),
        Role.TENSORS,
        key_source="({0}.__class__, *[t._meta for t in {0}])",
        wire_source="tuple([t._id or upload(t) for t in {0}])",
        to_rule=_metas,
        schema={"type": "array", "items": _TENSOR},
    ),
    Kind(
        "list[Tensor | None]",
        _tensors(_optional(_tensor)),
        Role.TENSORS,
        key_source="({0}.__class__, *[None if t is None else t._meta for t in {0}])",
        wire_source=None,
        to_rule=_metas,
        schema={"type": "array", "items": _nullable(_TENSOR)},
        optional_items=True,
    ),
)


def _number_kind(annotation: str, convert: Callable[[Any], Any], key_source: str) -> Kind:
    return Kind(annotation, convert, Role.NUMBER, key_source, schema=_NUMBER, check_source=_NUM)


_OTHERS: Final = (
    Kind("int", _integer, schema=_INTEGER, check_source=_INT),
    _number_kind("float", _float, "{0}.__class__"),
    # A float whose value the op's rule reads.
    _number_kind("Checked", _float, "{0}"),
    _number_kind("Number", _number, "{0}.__class__"),
    # A number whose value the op's rule reads, or that decides the result's shape.
    _number_kind("Value", _number, "({0}.__class__, {0})"),
    Kind(
        "list[float]",
        _numbers,
        Role.NUMBERS,
        schema={"type": "array", "items": _NUMBER},
        check_source="are_numbers({0})",
    ),
    Kind("bool", _boolean, schema={"type": "boolean"}, check_source=_INT),
    Kind("str", _string, schema={"type": "string"}, check_source=_STR),
    Kind("bytes", _bytes, key_source="None", schema={"type": "string"}, check_source="type({0}) is bytes"),
    Kind("Size", _integers, Role.SIZE, schema=_INTEGER_OR_INTEGERS, check_source=_INTS),
    Kind("Ids", _integers, Role.IDS, schema={"type": "array", "items": _TENSOR}, check_source=_INTS),
    # Sizes; None keeps the input's size.
    Kind(
        "OpenSize",
        _open_integers,
        schema={"anyOf": [_INTEGER, _OPEN_INTEGERS]},
        check_source=f"({_INT} or are_open_integers({{0}}))",
    ),
    Kind(
        "Size | str",
        _integers_or_word,
        schema={"anyOf": [*_INTEGER_OR_INTEGERS["anyOf"], {"type": "string"}]},
        check_source=f"({_STR} or {_INTS})",
    ),
    Kind(
        "Dims",
        _optional(_integer_or_integers),
        schema=_nullable(_INTEGER_OR_INTEGERS),
        check_source=f"({{0}} is None or {_INT} or {_INTS})",
    ),
    Kind("int | Size", _integer_or_integers, schema=_INTEGER_OR_INTEGERS, check_source=f"({_INT} or {_INTS})"),
    Kind(
        "Device",
        _device,
        Role.DEVICE,
        schema={"type": "string", "pattern": "^(cpu|cuda(:[0-9]{1,3})?)$"},
        check_source=_STR,
    ),
    Kind("DType", _dtype, Role.DTYPE, schema={"enum": sorted(BY_NAME)}, decode=_dtype, check_source=_STR),
    # A generator travels as its id; the engine is given the generator itself.
    Kind(
        "Generator",
        _generator,
        Role.GENERATOR,
        key_source="None",
        wire_source="({0} and generator_id({0}))",
        schema=_INTEGER,
    ),
    Kind("Index", _index, schema={"type": "array"}, check_source="is_index({0})"),
)

KINDS: Final = {kind.annotation: kind for kind in (*_OF_TENSORS, *_OTHERS, *map(_optional_kind, _OTHERS))}
"""Every kind by its annotation."""
