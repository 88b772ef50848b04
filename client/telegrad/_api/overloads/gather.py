"""Elements by index: scatter, where, nonzero, unique, repetition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, overload

from telegrad._api.creation import full
from telegrad._api.functions import FUNCTIONS as F
from telegrad._api.signatures import Number
from telegrad._tensor import Tensor
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.record import inplace
from telegrad_protocol import dtypes
from telegrad_protocol.spec import OPS

from .arguments import either


def _scattered(self: Tensor, index: Tensor, src: Any, value: Any, reduce: str | None) -> tuple[Any, str | None]:
    """What `scatter` writes, and the reduction that `scatter_reduce` knows for its `reduce`."""
    if (src is None) == (value is None):
        raise TypeError("scatter() takes one of src, a tensor, and value, a number")
    if reduce is None:
        return either(src, value), None
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    found = either(src, value)
    if not isinstance(found, TensorBase):
        found = full(index.shape, found, dtype=self.dtype, device=self.device)
    return found, "sum" if reduce == "add" else "prod"


def scatter(
    input: Tensor,
    dim: int | None = None,
    index: Any = None,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    axis: int | None = None,
) -> Tensor:
    """`input` with elements of `src`, or `value`, where the index says; with `reduce`, added to or multiplied."""
    found, how = _scattered(input, index, src, value, reduce)
    dim = either(dim, axis)
    if how is None:
        return F["scatter"](input, dim, index, found)
    return F["scatter_reduce"](input, dim, index, found, how)


def _scatter_(
    self: Tensor, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """As `scatter`, in place."""
    found, how = _scattered(self, index, src, value, reduce)
    if how is None:
        return inplace(OPS["scatter"], OPS["scatter"].bind(self, dim, index, found))
    return inplace(OPS["scatter_reduce"], OPS["scatter_reduce"].bind(self, dim, index, found, how))


@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...


@overload
def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor: ...


def where(
    condition: Tensor, input: Tensor | Number | None = None, other: Tensor | Number | None = None
) -> Tensor | tuple[Tensor, ...]:
    """`input` where the condition holds, `other` elsewhere; with the condition alone, where it is true."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return F["where"](condition, input, other)


def _where(self: Tensor, condition: Tensor, other: Tensor | Number) -> Tensor:
    """This tensor's elements where the condition holds, those of `other` elsewhere."""
    return F["where"](condition, self, other)


@overload
def nonzero(input: Tensor, *, as_tuple: Literal[False] = False) -> Tensor: ...


@overload
def nonzero(input: Tensor, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """The indices of elements that are not zero: a row each, or a tensor per dimension."""
    found = F["nonzero"](input)
    return tuple(F["unbind"](found, 1)) if as_tuple else found


@overload
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    dim: int | None = None,
) -> Tensor: ...


@overload
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any: ...


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct values; with their positions and counts if asked."""
    values, inverse, counts = F["_unique"](input, sorted, return_inverse, return_counts, dim)
    found = [values, *([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    return found[0] if len(found) == 1 else tuple(found)


def repeat_interleave(
    input: Tensor, repeats: Tensor | int | None = None, dim: int | None = None, *, axis: int | None = None
) -> Tensor:
    """Each element a number of times in a row: one number for all, or a tensor of them.

    `repeat_interleave(repeats)`, with nothing to repeat, repeats the indices 0, 1, 2, … so.
    """
    dim = either(dim, axis)
    if repeats is None:
        input, repeats = F["arange"](0, input.numel(), dtype=dtypes.int64, device=input._meta.device), input
    if isinstance(repeats, TensorBase):
        return F["_repeat_interleave_each"](input, repeats, dim)
    return F["repeat_interleave"](input, repeats, dim)


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "repeat_interleave": repeat_interleave,
    "scatter": scatter,
    "scatter_": _scatter_,
    "where": _where,
    "nonzero": nonzero,
    "unique": unique,
}
