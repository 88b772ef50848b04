"""Element types and PyTorch's promotion rules, as tables.

The rules are those of https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc.
"""

from __future__ import annotations

from typing import Any, Final


class DType:
    """An element type; each exists once, so types compare by identity.

    >>> float32, int64.itemsize, promote(int64, float16)
    (torch.float32, 8, torch.float16)
    """

    __slots__ = ("category", "is_floating_point", "is_signed", "itemsize", "name")
    is_complex: Final = False

    def __init__(self, name: str, itemsize: int, category: int, *, signed: bool = True) -> None:
        self.name = name
        self.itemsize = itemsize
        self.category = category
        self.is_floating_point = category == FLOAT
        self.is_signed = signed

    def __repr__(self) -> str:
        # PyTorch's name, so that scripts print and compare the same text.
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: Any) -> DType:
        return self


BOOL: Final = 0
INT: Final = 1
FLOAT: Final = 2

BY_NAME: Final[dict[str, DType]] = {}

TYPE_NAMES: Final[dict[DType, str]] = {}
"""The names in PyTorch's errors and tensor types; in lower case, the method that converts to the dtype."""

C_NAMES: Final[dict[DType, str]] = {}
"""The names in those of PyTorch's errors that give types of C++."""

FULL_C_NAMES: Final[dict[DType, str]] = {}
"""The names in those of PyTorch's errors that write types of C++ out."""


def _declare(name: str, itemsize: int, category: int, type_name: str, c_name: str, full_c_name: str = "") -> DType:
    dtype = DType(name, itemsize, category, signed=category != BOOL and not name.startswith("u"))
    BY_NAME[name], TYPE_NAMES[dtype], C_NAMES[dtype] = dtype, type_name, c_name
    FULL_C_NAMES[dtype] = full_c_name or c_name
    return dtype


bool_: Final = _declare("bool", 1, BOOL, "Bool", "bool")
uint8: Final = _declare("uint8", 1, INT, "Byte", "unsigned char")
int8: Final = _declare("int8", 1, INT, "Char", "signed char")
int16: Final = _declare("int16", 2, INT, "Short", "short", "short int")
int32: Final = _declare("int32", 4, INT, "Int", "int")
int64: Final = _declare("int64", 8, INT, "Long", "long", "long int")
float16: Final = _declare("float16", 2, FLOAT, "Half", "c10::Half")
bfloat16: Final = _declare("bfloat16", 2, FLOAT, "BFloat16", "c10::BFloat16")
float32: Final = _declare("float32", 4, FLOAT, "Float", "float")
float64: Final = _declare("float64", 8, FLOAT, "Double", "double")

ALL: Final = tuple(BY_NAME.values())
FLOATS: Final = tuple([dtype for dtype in ALL if dtype.is_floating_point])

_FLOAT_NAMES: Final = [dtype.name for dtype in sorted(FLOATS, key=lambda dtype: dtype.itemsize < 4)]
FLOATS_LISTED: Final = f"{', '.join(_FLOAT_NAMES[:-1])} or {_FLOAT_NAMES[-1]}"
"""The floating types in messages, those of 16 bits last."""

ALIASES: Final = {"half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64}
"""PyTorch's other names of dtypes, as in `torch.half`."""


def by_name(name: str) -> DType:
    """The type of that name. Raises KeyError for an unknown name."""
    return BY_NAME[name]


PYTHON: Final[dict[type, DType]] = {float: float64, int: int64, bool: bool_}
"""Python's types that PyTorch accepts as a dtype."""


def of_type(dtype: Any) -> DType | None:
    """The dtype that a dtype or a Python type stands for; None for None. Raises TypeError for anything else."""
    if dtype is None or isinstance(dtype, DType):
        return dtype
    found = PYTHON.get(dtype) if isinstance(dtype, type) else None
    if found is None:
        given = "type" if isinstance(dtype, type) else type(dtype).__name__
        raise TypeError(f"argument 'dtype' must be torch.dtype, not {given}")
    return found


def _promote(a: DType, b: DType) -> DType:
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.category == FLOAT:
        if a.itemsize == b.itemsize:
            return float32  # float16 beside bfloat16
        return a if a.itemsize > b.itemsize else b
    if a.is_signed == b.is_signed:
        return a if a.itemsize > b.itemsize else b
    # uint8 beside a signed type: the smallest signed type that holds both.
    signed = a if a.is_signed else b
    return int16 if signed is int8 else signed


PROMOTED: Final = {(a, b): _promote(a, b) for a in ALL for b in ALL}


def promote(a: DType, b: DType) -> DType:
    """The smallest type that both convert to, as `torch.promote_types`."""
    return PROMOTED[a, b]


def of_scalar(value: object) -> DType:
    """The type that a Python number stands for. Raises KeyError for anything else."""
    return SCALARS[type(value)]


SCALARS: Final[dict[type, DType]] = {bool: bool_, int: int64, float: float32}


def result_type(dimensioned: list[DType], zero_dim: list[DType], scalars: list[DType]) -> DType:
    """The common type of tensors with dimensions, 0-d tensors and Python numbers, as `torch.result_type`.

    A later group changes the result only by being of a higher category (bool < int < float).
    """
    result: DType | None = None
    for group in (dimensioned, zero_dim, scalars):
        if not group:
            continue
        common = group[0]
        for dtype in group[1:]:
            common = PROMOTED[common, dtype]
        if result is None:
            result = common
        elif common.category > result.category:
            result = PROMOTED[result, common]
    assert result is not None, "result_type of nothing"
    return result


def can_cast(source: DType, target: DType) -> bool:
    """Whether an in-place result of type `source` may be written into `target`: never to a lower category."""
    return source.category <= target.category
