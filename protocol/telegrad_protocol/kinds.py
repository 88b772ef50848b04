"""What an argument of an op may be: one `Kind` per annotation that declarations use."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .devices import canonical
from .dtypes import BY_NAME, PYTHON, DType
from .shapes import HasMeta


class Kind(NamedTuple):
    """How an argument is checked, keyed and travels.

    convert: value to wire form, raising TypeError for a wrong one. key_source: the expression for the memo key.
    to_rule: wire form to what a shape rule is given. holds_tensors: a tensor, several, or none may stand here.
    """

    convert: Callable[[Any], Any]
    key_source: str = "{0}"
    to_rule: Callable[[Any], Any] = lambda value: value
    holds_tensors: bool = False
    schema: dict[str, Any] | None = None
    """JSON schema of the argument at the HTTP door."""
    from_wire: Callable[[Any], Any] | None = None
    """Wire form to what the engine is given, where the two differ."""
    wired: str = "True"
    """The expression that tells whether a value has the wire form. A memo key does not: 1.0 equals 1."""


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
    # PyTorch refuses True for an int nowhere, and a float everywhere.
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
    for item in value:  # noqa: SIM110 (asked of almost every row: a loop is quickest for the few that there are)
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


WIRED: Final = {
    "are_integers": are_integers,
    "are_open_integers": are_open_integers,
    "are_numbers": are_numbers,
    "is_index": is_index,
}
"""What the expressions of `Kind.wired` call."""

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


_PLAIN: Final[dict[str, Kind]] = {
    "Tensor": Kind(_tensor, "{0}._meta", _meta_or_value, True, _TENSOR),
    "Tensor | Number": Kind(
        _operand,
        "({0}._meta if isinstance({0}, HasMeta) else {0}.__class__)",
        _meta_or_value,
        True,
        {"anyOf": [_TENSOR, _NUMBER]},
    ),
    "int": Kind(_integer, schema=_INTEGER, wired=_INT),
    "float": Kind(_float, "{0}.__class__", schema=_NUMBER, wired=_NUM),
    # A float whose value the op's rule looks at.
    "Checked": Kind(_float, "{0}", schema=_NUMBER, wired=_NUM),
    "Number": Kind(_number, "{0}.__class__", schema=_NUMBER, wired=_NUM),
    # A number whose value decides the result's shape, or that the rule looks at.
    "Value": Kind(_number, "({0}.__class__, {0})", schema=_NUMBER, wired=_NUM),
    "bool": Kind(_boolean, schema={"type": "boolean"}, wired=_INT),
    "str": Kind(_string, schema={"type": "string"}, wired=_STR),
    "bytes": Kind(_bytes, "None", schema={"type": "string"}, wired="type({0}) is bytes"),
    "Size": Kind(_integers, schema=_INTEGER_OR_INTEGERS, wired=_INTS),
    # Tensors by their ids, where some need not exist.
    "Ids": Kind(_integers, schema={"type": "array", "items": _TENSOR}, wired=_INTS),
    # A size that stays what the input's is may be None.
    "OpenSize": Kind(
        _open_integers, schema={"anyOf": [_INTEGER, _OPEN_INTEGERS]}, wired=f"({_INT} or are_open_integers({{0}}))"
    ),
    "Size | str": Kind(
        _integers_or_word,
        schema={"anyOf": [*_INTEGER_OR_INTEGERS["anyOf"], {"type": "string"}]},
        wired=f"({_STR} or {_INTS})",
    ),
    "Dims": Kind(
        _optional(_integer_or_integers),
        schema=_nullable(_INTEGER_OR_INTEGERS),
        wired=f"({{0}} is None or {_INT} or {_INTS})",
    ),
    "int | Size": Kind(_integer_or_integers, schema=_INTEGER_OR_INTEGERS, wired=f"({_INT} or {_INTS})"),
    "list[float]": Kind(_numbers, schema={"type": "array", "items": _NUMBER}, wired="are_numbers({0})"),
    "Device": Kind(_device, schema={"type": "string", "pattern": "^(cpu|cuda(:[0-9]{1,3})?)$"}, wired=_STR),
    "DType": Kind(_dtype, schema={"enum": sorted(BY_NAME)}, from_wire=_dtype, wired=_STR),
    # A generator is named by its id; what the engine is given is the generator itself.
    "Generator": Kind(_generator, "None", schema=_INTEGER),
    "Index": Kind(_index, schema={"type": "array"}, wired="is_index({0})"),
}


def _kinds() -> dict[str, Kind]:
    kinds = dict(_PLAIN)
    for name, kind in _PLAIN.items():
        key = kind.key_source
        if name == "Tensor":
            key = "(None if {0} is None else {0}._meta)"
        schema = None if kind.schema is None else _nullable(kind.schema)
        kinds[f"{name} | None"] = kind._replace(
            convert=_optional(kind.convert),
            key_source=key,
            schema=schema,
            wired="True" if kind.wired == "True" else f"({{0}} is None or {kind.wired})",
            from_wire=kind.from_wire and _optional(kind.from_wire),
        )
    tensors = {"type": "array", "items": _TENSOR}
    kinds["list[Tensor]"] = Kind(
        _tensors(_tensor), "tuple([t._meta for t in {0}])", _metas, holds_tensors=True, schema=tensors
    )
    kinds["list[Tensor | None]"] = Kind(
        _tensors(_optional(_tensor)),
        "tuple([None if t is None else t._meta for t in {0}])",
        _metas,
        holds_tensors=True,
        schema={"type": "array", "items": _nullable(_TENSOR)},
    )
    return kinds


KINDS: Final[dict[str, Kind]] = _kinds()
