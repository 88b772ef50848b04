"""Tensors as text, character for character as PyTorch prints them.

A pure function of fetched values. Long tensors print only their edges: `summary_slices` names them, so that a
caller fetches a few hundred elements rather than all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None

    def __post_init__(self) -> None:
        for name in ("precision", "edgeitems"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors print; what is not given stays, except `sci_mode`, which returns to automatic.

    precision: digits after the point. threshold: tensors of more elements print only `edgeitems` at either end of
    each dimension. linewidth: where lines break. profile: "default", "short" or "full" (nothing left out); the
    other arguments override it. sci_mode: True or False forces scientific notation on or off, None chooses by the
    values.

    Raises ValueError for an unknown profile, and for a negative precision or edgeitems.

    >>> import telegrad as tg
    >>> tg.set_printoptions(precision=2)
    >>> tg.tensor([1.12345])
    tensor([1.12])
    >>> tg.set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"profile must be one of {', '.join(_PROFILES)}, got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _options = replace(_PROFILES[profile] if profile else _options, **changed, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The current options, as keyword arguments for `set_printoptions`."""
    return asdict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """`set_printoptions(**options)` for the length of a `with` block.

    >>> import telegrad as tg
    >>> with tg.printoptions(threshold=5, edgeitems=1):
    ...     print(tg.arange(10))
    tensor([0,  ..., 9])
    """
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def summary_slices(shape: Sequence[int]) -> tuple[tuple[slice, ...], ...]:
    """What the print of a tensor of this shape shows: for each dimension, the slices to concatenate along it.

    A dimension that prints in full has one slice, one that is abbreviated two, its ends.

    >>> summary_slices((1000, 2))
    ((slice(0, 3, None), slice(997, 1000, None)), (slice(0, 2, None),))
    """
    edge = _options.edgeitems
    if math.prod(shape) <= _options.threshold:
        return tuple((slice(0, size),) for size in shape)
    return tuple((slice(0, edge), slice(size - edge, size)) if size > 2 * edge else (slice(0, size),) for size in shape)


def format_tensor(
    values: NDArray[Any],
    *,
    dtype: str,
    shape: Sequence[int] | None = None,
    requires_grad: bool = False,
    grad_fn: str | None = None,
    device: str = "cpu",
    default_dtype: str = "float32",
    prefix: str = "tensor",
    indent: int = 0,
) -> str:
    """The `repr` of a tensor.

    values: all elements; or, with `shape`, the tensor's whole shape, only those that `summary_slices(shape)`
    names, concatenated. bool, integer or floating, bfloat16 as float32. dtype: the tensor's own, by name.
    grad_fn: as it prints, such as `<AddBackward0>`; it takes the place of `requires_grad=True`. indent: how many
    columns the caller has filled on the first line; the others start that far to the right.

    Raises ValueError when `values` holds neither all elements nor those that print.

    >>> format_tensor(np.array([[1.0, 2.5]]), dtype="float64")
    'tensor([[1.0000, 2.5000]], dtype=torch.float64)'
    """
    shape = values.shape if shape is None else tuple(shape)
    start = " " * indent + prefix + "("
    text = start + (_body(values, shape, len(start)) if math.prod(shape) else "[]")
    suffixes = [] if device.startswith("cpu") else [f"device='{device}'"]
    suffixes += _type_suffixes(shape, dtype, default_dtype)
    if grad_fn is not None:
        suffixes.append(f"grad_fn={grad_fn}")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return _append(text, suffixes, len(start))[indent:] + ")"


def format_scalar(value: complex | np.generic | NDArray[Any], spec: str) -> str:
    """`format(tensor, spec)` of a one-element tensor without dimensions: that of its Python number.

    value: the number, or a NumPy scalar or 0-d array. Raises ValueError when the number does not know the spec.

    >>> format_scalar(np.float32(1.5), ".3f")
    '1.500'
    """
    return format(value.item() if isinstance(value, np.generic | np.ndarray) else value, spec)


def _body(values: NDArray[Any], shape: tuple[int, ...], indent: int) -> str:
    slices = summary_slices(shape)
    if values.shape == shape:
        values = _edges(values, slices)
    shown = tuple(sum(piece.stop - piece.start for piece in pieces) for pieces in slices)
    if values.shape != shown:
        raise ValueError(f"a tensor of shape {shape} prints elements of shape {shown}, got {values.shape}")
    texts, width = _texts(values)
    cells = np.array([text.rjust(width) for text in texts], dtype=object).reshape(shown).tolist()
    return _layout(cells, [len(pieces) > 1 for pieces in slices], indent, width)


def _edges(values: NDArray[Any], slices: tuple[tuple[slice, ...], ...]) -> NDArray[Any]:
    for axis, pieces in enumerate(slices):
        if len(pieces) > 1:
            before = (slice(None),) * axis
            values = np.concatenate([values[(*before, piece)] for piece in pieces], axis=axis)
    return values


def _texts(values: NDArray[Any]) -> tuple[list[str], int]:
    """Every element as text, and the width of a column."""
    numbers = values.reshape(-1).tolist()
    if values.dtype.kind != "f":
        texts = [str(number) for number in numbers]
        return texts, max(map(len, texts), default=1)
    # Zeros, infinities and NaNs neither choose the notation nor widen the columns.
    regular = [number for number in numbers if number and math.isfinite(number)]
    spec = _float_spec(regular)
    width = max((len(format(number, spec)) for number in regular), default=1)
    return [format(number, spec) for number in numbers], width


def _float_spec(regular: list[float]) -> str:
    """The notation that suits all of these finite, nonzero numbers."""
    integral = "#.0f"  # keeps the point: 2 prints as `2.`
    if not regular:
        return integral
    magnitudes = [abs(number) for number in regular]
    low, high = min(magnitudes), max(magnitudes)
    scientific = _options.sci_mode
    if scientific is None:
        scientific = high / low > 1000 or high > 1e8 or low < 1e-4
    if scientific:
        return f".{_options.precision}e"
    return integral if all(number.is_integer() for number in regular) else f".{_options.precision}f"


def _layout(cells: Any, elided: list[bool], indent: int, width: int) -> str:
    """Nested lists of texts with brackets, commas and line breaks; `elided`: which dimensions lack their middle."""
    if not elided:
        return str(cells)
    inner = elided[1:]
    parts = [_layout(cell, inner, indent + 1, width) for cell in cells]
    if elided[0]:
        # Among numbers the dots have a space more, unless they stand alone.
        parts.insert(_options.edgeitems, "..." if inner or not parts else " ...")
    margin = " " * (indent + 1)
    if inner:
        return "[" + ("," + "\n" * len(inner) + margin).join(parts) + "]"
    fit = max(1, (_options.linewidth - indent) // (width + 2))
    lines = [", ".join(parts[start : start + fit]) for start in range(0, len(parts), fit)]
    return "[" + (",\n" + margin).join(lines) + "]"


def _type_suffixes(shape: tuple[int, ...], dtype: str, default_dtype: str) -> list[str]:
    """The shape and the dtype, where the printed values do not tell them."""
    if math.prod(shape):
        sized, typed = not _options.edgeitems, dtype not in (default_dtype, "int64", "bool")
    else:
        sized, typed = len(shape) != 1, dtype != default_dtype
    return [f"size={shape}"] * sized + [f"dtype=torch.{dtype}"] * typed


def _append(text: str, suffixes: list[str], indent: int) -> str:
    # PyTorch counts two columns more than the last line of the values has.
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        column += len(suffix) + 2
        if column > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
    return text
